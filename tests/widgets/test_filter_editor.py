"""The filter editor: what its controls and its document do to its filter, without a browser."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ipywidgets import Widget

from evanalytics.event import Event
from evanalytics.exceptions import FilterError
from evanalytics.filters.filter import filter
from evanalytics.logs.log import EventLog
from evanalytics.widgets.filter_editor import FilterEditor
from evanalytics.widgets.filter_rows import ConditionRow
from tests.filters.logs_of import log_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NASTY = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVANALYTICS_STRICT_WIDGETS", "1")


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    events = [
        Event(
            id=f"e{number}",
            type=("paid", "shipped", NASTY)[number % 3],
            source="shop",
            time=BEGIN + timedelta(minutes=number),
            data={
                "n": number,
                "vip": number % 2 == 0,
                "name": f"n{number}",
                "tags": [number % 4],
                "html": NASTY,
            },
        )
        for number in range(60)
    ]
    return log_of(events, tmp_path)


@pytest.fixture
def editor(log: EventLog) -> Iterator[FilterEditor]:
    made = FilterEditor(log)
    yield made
    made.close()


def added(editor: FilterEditor, path: str, how: str | None = None) -> ConditionRow:
    """Add a condition by the controls."""
    editor.add.click()
    row = editor.rows[-1]
    row.path.value = path
    if how is not None:
        row.how.value = how
    return row


def pages(editor: FilterEditor) -> str:
    return "".join(page.value for page in editor.tabs.children)


def test_it_begins_with_every_event(editor: FilterEditor) -> None:
    assert editor.filter == filter({})
    assert (editor.count.events, len(editor.matches), editor.rows) == (60, 60, ())


def test_paths_are_offered_with_their_counts(editor: FilterEditor) -> None:
    options = dict(added(editor, "type").path.options)

    assert options["data.n · 60 events"] == "data.n"
    assert options["data.tags · JSON"] == "data.tags"


def test_a_choice_is_made_by_ticking(editor: FilterEditor) -> None:
    tally = added(editor, "data.vip").controls[0]
    assert sorted(zip(tally.names, tally.counts, strict=True)) == [("false", 30), ("true", 30)]

    tally.checked = [tally.names.index("true")]

    assert editor.filter == filter({"data.vip": True})
    assert editor.count.events == len(editor.matches) == 30


def test_types_are_ticked(editor: FilterEditor) -> None:
    types = editor.types
    assert list(zip(types.names, types.counts, strict=True)) == [(NASTY, 20), ("paid", 20), ("shipped", 20)]

    types.checked = [1, 2]
    assert editor.filter == filter({"type": {"$in": ["paid", "shipped"]}})
    assert (editor.count.events, editor.rows) == (40, ())

    types.checked = []
    assert editor.count.events == len(editor.matches) == 0

    types.checked = [0, 1, 2]
    assert editor.filter == filter({})


def test_ticks_and_conditions_are_joined(editor: FilterEditor) -> None:
    editor.filter = {"$or": [{"type": "paid"}, {"data.n": {"$lt": 3}}]}
    assert (editor.types.checked, [row.path.value for row in editor.rows]) == ([1], ["data.n"])

    editor.types.checked = [2]
    assert editor.filter == filter({"$or": [{"type": "shipped"}, {"data.n": {"$lt": 3}}]})

    editor.types.checked = [0, 1, 2]
    assert editor.filter == filter({"data.n": {"$lt": 3}})


@pytest.mark.parametrize(
    "asked",
    [
        {"type": {"$ne": "paid"}},
        {"type": {"$in": ["paid", "lost"]}},
        {"$or": [{"type": "paid"}, {"type": "shipped"}]},
        {"type": {"$in": [NASTY, "paid", "shipped"]}},
    ],
    ids=["negated", "unknown", "twice", "all"],
)
def test_what_ticks_cannot_say_is_a_condition(editor: FilterEditor, asked: dict[str, Any]) -> None:
    editor.filter = {"type": "paid"}

    editor.filter = asked

    assert editor.types.checked == [0, 1, 2]
    assert {row.path.value for row in editor.rows} == {"type"}
    editor._compose()
    assert editor.filter == filter(asked)


def test_a_condition_begins_with_what_is_not_ticked(editor: FilterEditor) -> None:
    editor.add.click()

    assert editor.rows[0].path.value != "type"


def test_ticks_are_hidden_while_the_filter_says_more_than_they_can(editor: FilterEditor) -> None:
    editor.filter = {"type": "paid"}
    editor.filter = {"$nor": [{"type": "paid"}, {"data.n": 3}]}
    assert editor.types.layout.display == "none"

    editor.add.click()

    assert editor.types.layout.display is None
    assert editor.types.checked == [0, 1, 2]


def test_a_log_of_countless_types_has_no_ticks(tmp_path: Path) -> None:
    events = [Event(id=f"e{number}", type=f"t{number}", source="shop", time=BEGIN) for number in range(3_000)]
    editor = FilterEditor(log_of(events, tmp_path), filter={"type": "t7"})

    assert editor.types.layout.display == "none"
    assert editor.rows[0].controls[0].value == "t7"
    editor.filter = {}
    editor.add.click()
    assert editor.rows[0].path.value == "type"
    editor.close()


def test_the_order_of_what_was_written_stays(editor: FilterEditor) -> None:
    editor.filter = {"data.n": {"$lt": 3}, "type": "paid", "data.vip": True}
    written = editor.filter.to_json()

    editor.rows[1].negated.value = True
    editor.rows[1].negated.value = False

    assert editor.filter.to_json() == written


def test_the_picture_comes_before_the_controls_of_another_path(
    editor: FilterEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = added(editor, "data.n")
    shown = []
    original = editor._tell
    monkeypatch.setattr(editor, "_tell", lambda text: shown.append(list(row.controls)) or original(text))
    before = list(row.controls)

    row.path.value = "data.vip"

    assert shown == [before]
    assert row.controls[0].names == ["false", "true"]
    assert editor.filter == filter({"data.vip": {"$in": [False, True]}})


def test_a_number_past_all_doubles_is_left_to_the_document(editor: FilterEditor) -> None:
    editor.filter = {"data.n": {"$lt": 3}}

    editor.document.value = '{"data.n": {"$gte": 1' + 400 * "0" + "}}"

    assert (editor.rows, editor.notice.text, editor.count.events) == ((), "", 0)


def test_numbers_go_from_quantile_to_quantile(editor: FilterEditor) -> None:
    low, high = added(editor, "data.n").controls

    low.value, high.value = 10, 19

    assert editor.filter == filter({"data.n": {"$gte": 10, "$lte": 19}})
    assert editor.count.events == 10
    assert low.stops[0] == 0
    assert low.stops[-1] == 59


@pytest.mark.parametrize(
    "asked",
    [
        {"data.n": {"$gte": -5, "$lte": 1_000_000}},
        {"data.n": {"$gte": 0}},
        {"data.n": {"$lt": 2**53 + 1}},
        {"time": {"$gte": BEGIN - timedelta(days=9), "$lt": BEGIN + timedelta(days=9)}},
        {"time": {"$gte": BEGIN + timedelta(days=9)}},
    ],
    ids=["beyond", "at the end", "beyond doubles", "beyond in time", "after all"],
)
def test_bounds_stay_while_another_control_is_moved(editor: FilterEditor, asked: dict[str, Any]) -> None:
    editor.filter = {**asked, "data.vip": True}

    editor.rows[1].negated.value = True

    assert editor.filter == filter({**asked, "data.vip": {"$ne": True}})


def test_one_bound_stays_while_the_other_is_moved(editor: FilterEditor) -> None:
    editor.filter = {"data.n": {"$gte": -5, "$lte": 1_000_000}}

    editor.rows[0].controls[1].value = 20

    assert editor.filter == filter({"data.n": {"$gte": -5, "$lte": 20}})


def test_the_controls_of_a_row_are_named_by_its_path(editor: FilterEditor) -> None:
    row = added(editor, "id", "is")
    named = (row.negated, row.path, row.how, row.remove, row.controls[0])
    assert all("id" in control.description for control in named)

    row.path.value = "data.name"

    named = (row.negated, row.path, row.how, row.remove, row.controls[0])
    assert all("data.name" in control.description for control in named)
    assert row.how.description == "is asked<span class='ev-spoken'> data.name</span>"
    assert row.negated.description == "not\ndata.name"


def test_rows_that_are_replaced_are_closed(editor: FilterEditor) -> None:
    editor.filter = {"type": "paid", "data.n": {"$gte": 1}}
    before = len(Widget.get_manager_state()["state"])

    for number in range(5):
        editor.filter = {"type": "paid", "data.n": {"$gte": number}}
        added(editor, "id", "is").remove.click()

    assert len(Widget.get_manager_state()["state"]) == before


def test_an_end_of_the_range_is_no_bound(editor: FilterEditor) -> None:
    low, _ = added(editor, "data.n").controls

    low.value = 10

    assert editor.filter == filter({"data.n": {"$gte": 10}})


def test_text_is_looked_for_by_an_operator(editor: FilterEditor) -> None:
    row = added(editor, "id", "starts with")

    row.controls[0].value = "e5"

    assert editor.count.events == 11


def test_a_stretch_of_time_is_half_open(editor: FilterEditor) -> None:
    timeline = added(editor, "time").controls[0]
    assert sum(timeline.counts) == 60

    timeline.value = (timeline.start_us, timeline.start_us + 10 * 60_000_000)

    assert editor.filter == filter({"time": {"$lt": BEGIN + timedelta(minutes=10)}})
    assert editor.count.events == 10


def test_what_stays_json_is_compared_with_a_json_value(editor: FilterEditor) -> None:
    row = added(editor, "data.tags", "is")

    row.controls[0].value = "3"

    assert editor.filter == filter({"data.tags": 3})
    assert not editor.count.is_exact
    assert len(editor.matches) == 15


def test_conditions_are_negated_joined_and_removed(editor: FilterEditor) -> None:
    added(editor, "data.n", "above").controls[0].value = 50
    added(editor, "data.n", "below").controls[0].value = 5
    editor.joined.value = "any"
    assert editor.count.events == 9 + 5

    editor.rows[0].negated.value = True
    assert editor.filter == filter({"$or": [{"data.n": {"$not": {"$gt": 50}}}, {"data.n": {"$lt": 5}}]})

    editor.rows[0].remove.click()
    assert editor.filter == filter({"data.n": {"$lt": 5}})


def test_every_path_can_be_asked_everything_it_offers(editor: FilterEditor) -> None:
    row = added(editor, "type")
    for path in editor.facets:
        row.path.value = path
        for how in row.how.options:
            row.how.value = how
            shown = editor.filter
            editor.filter = shown
            assert (editor.filter, len(editor.rows)) == (shown, 1), (path, how)
            row = editor.rows[0]


def test_the_document_follows_the_conditions(editor: FilterEditor) -> None:
    added(editor, "data.n", "above").controls[0].value = 30

    assert filter({"data.n": {"$gt": 30}}).to_json(indent=2) == editor.document.value


def test_conditions_follow_the_document(editor: FilterEditor) -> None:
    editor.document.value = '{"type": "paid", "data.n": {"$gte": 7.5}}'

    (number,) = editor.rows
    assert editor.types.checked == [1]
    assert number.controls[0].value == 7.5
    assert editor.count.events == 17


def test_a_document_that_conditions_cannot_show_counts_all_the_same(editor: FilterEditor) -> None:
    editor.document.value = '{"$nor": [{"data.n": {"$mod": [2, 0]}}, {"type": "paid"}]}'

    assert editor.rows == ()
    assert editor.count.events == len(editor.matches) == 20
    editor.joined.value = "any"
    assert editor.count.events == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"data.n": {"$gtt": 5}}', "filter at data.n.$gtt: unknown operator"),
        ('{"data.n": ', "not JSON"),
        ("[1]", "a filter is an object"),
        ('{"$or": []}', "filter at $or"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_last_filter_stays(
    editor: FilterEditor, text: str, said: str
) -> None:
    editor.filter = {"type": "paid"}

    with pytest.raises(FilterError):
        editor.document.value = text

    assert said in editor.notice.text
    assert editor.filter == filter({"type": "paid"})
    assert (editor.count.events, editor.document.value) == (20, text)


def test_the_next_success_clears_the_mistake(editor: FilterEditor) -> None:
    with pytest.raises(FilterError):
        editor.document.value = "{"

    editor.document.value = "{}"

    assert editor.notice.text == ""


def test_the_explanation_is_that_of_the_filter(editor: FilterEditor) -> None:
    editor.filter = {"data.tags": 3, "type": "paid"}
    editor.show_explanation()

    passed = [list(trace.x) for trace in editor.figure.data if trace.name == "passed"]

    assert editor.explanation is not None
    assert passed == [
        editor.explanation.original["rows_out"].to_list(),
        editor.explanation.optimized["rows_out"].to_list(),
    ]
    assert passed[1][-1] == len(editor.matches) == 5


def test_the_explanation_follows_by_itself(editor: FilterEditor) -> None:
    editor.filter = {"data.n": {"$gt": 50}}
    editor._later.join()

    assert "The first 9 of 9 matches" in pages(editor)
    assert "FROM &quot;log&quot; WHERE" in pages(editor)
    assert "Compare  data.n &gt; 50" in pages(editor)
    assert editor.late_notice.text == ""


def test_explained_at_once_the_filter_to_take_along_is_the_one_shown(editor: FilterEditor) -> None:
    editor.filter = {"data.n": {"$gt": 50}}
    editor._later.join()
    editor.filter = {"type": "paid"}
    editor.show_explanation()  # before the tabs would have followed by themselves

    assert "paid" in editor.tabs.children[3].value
    assert "data.n" not in editor.tabs.children[3].value


def test_pictures_go_from_few_conditions_to_many_and_back(editor: FilterEditor) -> None:
    for document in (
        {"type": "paid"},
        {"type": "paid", "data.n": 3, "data.vip": False},
        {},
        {"data.tags": 1},
    ):
        editor.filter = document
        editor.show_explanation()
        lengths = [len(trace.x) for trace in editor.figure.data]
        assert lengths == [len(trace.y) for trace in editor.figure.data]
        assert lengths[2] == editor.explanation.original.height  # type: ignore[union-attr]


def test_text_of_the_log_is_never_markup(editor: FilterEditor) -> None:
    editor.filter = {"type": NASTY, "data.html": NASTY}
    editor._later.join()

    assert NASTY not in pages(editor)
    assert NASTY not in str(editor.figure.to_dict())
    assert "&lt;script&gt;" in pages(editor)


def test_json_and_python_can_be_taken_along(editor: FilterEditor) -> None:
    editor.filter = {"type": "paid"}
    editor._later.join()

    assert "Save filter.json" in pages(editor)
    assert "chosen = ev.filter(" in pages(editor)


def test_the_button_explains_in_a_thread_and_is_free_again(editor: FilterEditor) -> None:
    editor.filter = {"data.tags": 2}
    editor.explain.click()
    assert editor.task is not None
    editor.task.join()

    assert editor.explanation is not None
    assert editor.explanation.matches == 15
    assert not editor.explain.disabled


def test_reset_goes_back_to_the_beginning(log: EventLog) -> None:
    editor = FilterEditor(log, filter={"type": "paid"})
    editor.types.checked = []

    editor.reset.click()

    assert editor.filter == filter({"type": "paid"})
    assert editor.types.checked == [1]
    editor.close()


def test_a_log_without_events_can_be_asked(log: EventLog) -> None:
    editor = FilterEditor(log.between(end=BEGIN))
    row = added(editor, "type")
    for path in editor.facets:
        row.path.value = path

    editor.show_explanation()

    assert editor.count.events == 0
    assert "No event matches" in pages(editor)
    editor.close()


def test_values_that_the_log_does_not_have_are_shown_with_none(editor: FilterEditor) -> None:
    editor.filter = {"type": {"$in": ["paid", "lost"]}}

    tally = editor.rows[0].controls[0]

    assert (tally.names[-1], tally.counts[-1], tally.checked) == ("lost", 0, [1, 3])


def test_a_log_of_one_number_has_a_range_of_one_stop() -> None:
    frame: dict[str, Any] = {
        "id": ["a", "b"],
        "type": "t",
        "source": "s",
        "time": [BEGIN] * 2,
        "data__n": [5, 5],
    }
    editor = FilterEditor(EventLog.from_frame(pl.DataFrame(frame)))

    added(editor, "data.n")

    assert editor.filter == filter({"data.n": {"$ne": None}})
    editor.close()
