"""The stream inspector: what its choices do to its picture and its rows, without a browser."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.widgets.base import STRICT_VARIABLE
from evanalytics.widgets.stream_inspector import StreamInspector
from evanalytics.widgets.tables import frame_table

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")


def run(type_: str = "order", events: int = 120) -> ev.StreamResult:
    times = [BEGIN + timedelta(minutes=number) for number in range(events - 1)]
    log = ev.EventLog.from_frame(
        pl.DataFrame(
            {
                "id": [str(number) for number in range(events)],
                "type": [type_] * events,
                "source": ["shop"] * events,
                "time": [*times, BEGIN - timedelta(days=2)],
            }
        )
    )
    p = ev.StreamProcessor("small")
    once = p.add_source("events").connect_to(p.add_node("once", ev.DedupeNode("id")))
    counts = ev.AggregatorNode(
        windows=ev.TumblingWindow("1h"), keys=["type"], aggregator=ev.WindowedCounter()
    )
    once.connect_to(p.add_node("counts", counts)).connect_to(p.add_node("sink", ev.SinkNode(print)))
    return p.run(log)


@pytest.fixture(scope="module")
def result() -> ev.StreamResult:
    return run()


def framed(inspector: StreamInspector) -> float:
    """The layer of the node with a frame around it."""
    frame = next(trace for trace in inspector.figure.data if trace.name == "selected")
    return sum(frame.x[:4]) / 4


def test_it_begins_with_a_node_that_has_most_outputs(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    assert inspector.node.value == "once"
    assert inspector.output.value == ("once", "out")
    assert inspector.rows.height == 50


def test_choosing_a_node_shows_its_rows_and_frames_it(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector.choose("counts")

    assert inspector.rows["count"].to_list() == [60, 59]
    assert round(framed(inspector), 6) == 2.0


def test_a_click_on_a_box_chooses_it(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector._click(SimpleNamespace(point_inds=[2]))

    assert inspector.node.value == "counts"


def test_an_output_shows_who_was_late(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector.choose("counts", "late")

    assert inspector.rows["id"].to_list() == ["119"]
    assert "counts · late: all 1 rows" in inspector._table.value


def test_the_counts_stand_in_one_row_a_part(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector.choose("counts")

    assert "<th scope='col'>counted</th>" in inspector._counts.value
    assert "<td>119</td><td>1</td>" in inspector._counts.value.replace("<td>120</td>", "")


def test_a_sink_shows_what_it_gets(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector.choose("sink")

    assert inspector.rows.equals(result.results("counts"))


def test_the_first_rows_are_those_of_the_whole(result: ev.StreamResult) -> None:
    for node in ("events", "once", "counts"):
        assert result.results(node, limit=7).equals(result.results(node).head(7))


def test_a_change_of_node_is_one_message_to_the_figure(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)
    messages = []
    inspector.figure.observe(lambda change: messages.append(change["new"]), names="_py2js_update")

    inspector.choose("sink")

    assert len([message for message in messages if message]) == 1


def test_texts_of_a_log_are_no_code() -> None:
    inspector = StreamInspector(run("<script>alert(1)</script>" + "x" * 500, events=3))

    assert "<script" not in inspector._table.value
    assert "&lt;script&gt;" in inspector._table.value
    assert "x" * 100 not in inspector._table.value


def test_what_goes_wrong_is_said_beside_the_controls(
    result: ev.StreamResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector = StreamInspector(result)
    monkeypatch.setenv(STRICT_VARIABLE, "0")

    inspector.event_id.value = "nobody"

    assert "nobody" in inspector.notice.text
    assert inspector.trace.is_empty()


def test_the_way_of_an_event_is_shown_and_taken_away(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector.event_id.value = " 119 "
    assert inspector.trace.equals(result.trace("119"))
    assert "late" in inspector._way.value

    inspector.event_id.value = " "
    assert inspector.trace.is_empty()
    assert inspector._way.value == ""


def test_every_output_of_the_graph_can_be_chosen(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    assert [value for _, value in inspector.output.options] == [
        ("events", "out"), ("once", "out"), ("once", "duplicate"), ("counts", "out"), ("counts", "late"),
        ("sink", ""),
    ]  # fmt: skip


def test_an_output_chooses_its_node(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)

    inspector.output.value = ("counts", "late")

    assert inspector.node.value == "counts"
    assert round(framed(inspector), 6) == 2.0
    assert inspector.rows["id"].to_list() == ["119"]


def test_a_node_chooses_its_first_output(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)
    inspector.choose("counts", "late")

    inspector.choose("once")

    assert inspector.output.value == ("once", "out")
    assert inspector.rows.height == 50


def test_choosing_a_node_again_goes_back_to_its_first_output(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)
    inspector.choose("counts", "late")

    inspector.choose("counts")

    assert inspector.output.value == ("counts", "out")


def test_rows_are_read_once(result: ev.StreamResult) -> None:
    inspector = StreamInspector(result)
    inspector.choose("counts")
    shown = inspector.rows
    inspector.choose("once")

    inspector.choose("counts")

    assert inspector.rows is shown


def test_a_table_scrolls_by_keyboard_and_has_a_name() -> None:
    table = frame_table(pl.DataFrame({"a": [1.5, None]}), "rows of 'a'", with_dtypes=True)

    assert "role='region' tabindex='0' aria-label='rows of &#x27;a&#x27;'" in table
    assert "Float64" in table
    assert "null" in table
