from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from evanalytics.logs.log import EventLog
from evanalytics.widgets import TrafficExplorer
from evanalytics.widgets.base import STRICT_VARIABLE

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def under_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")


def log_of(types: list[str]) -> EventLog:
    frame = pl.DataFrame(
        {
            "id": [str(place) for place in range(len(types))],
            "type": types,
            "source": [f"source-{place % 3}" for place in range(len(types))],
            "time": [START + timedelta(minutes=place) for place in range(len(types))],
        },
        schema={"id": pl.String, "type": pl.String, "source": pl.String, "time": pl.Datetime("us", "UTC")},
    )
    return EventLog.from_frame(frame)


@pytest.fixture(scope="module")
def log() -> EventLog:
    return log_of(["order.created", "order.created", "payment.processed"] * 100)


def drawn(explorer: TrafficExplorer) -> int:
    """Events in the timeline; each trace repeats its last bin to give it a width."""
    return sum(sum(trace.y[:-1]) for trace in explorer.figure.data)


def texts(explorer: TrafficExplorer) -> list[str]:
    return [annotation.text for annotation in explorer.figure.layout.annotations]


def test_the_whole_log_is_shown_at_first(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    assert len(explorer.shown) == drawn(explorer) == 300
    assert explorer.types.names == ["order.created", "payment.processed"]
    assert explorer.types.counts == [200, 100]


def test_the_time_range_drives_the_pictures(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    explorer.select(start=START + timedelta(minutes=30), end=START + timedelta(minutes=60))

    assert len(explorer.shown) == drawn(explorer) == 30
    assert sum(explorer.types.counts) == sum(explorer.sources.counts) == 30


def test_the_choice_of_types_drives_the_pictures(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    explorer.select(types=["payment.processed"])

    assert len(explorer.shown) == drawn(explorer) == 100
    assert explorer.types.counts == [200, 100]


def test_the_corner_says_how_many_events_are_shown(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    explorer.select(types=["payment.processed"])

    assert any(text.startswith("100 events · ") and text.endswith(" ms") for text in texts(explorer))


def test_the_details_have_followed_when_select_returns(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    explorer.select(types=["payment.processed"])

    corner = explorer.details.layout.annotations[-2].text
    assert corner.startswith("100 events · ")


def test_the_details_wait_until_nothing_changes_any_more(log: EventLog) -> None:
    explorer = TrafficExplorer(log)
    before = explorer.details.board

    explorer.types.checked = [0]

    assert explorer.details.board is before
    explorer.refresh()
    assert explorer.details.board is not before


def test_nothing_chosen_says_what_to_do(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    explorer.types.checked = []

    assert drawn(explorer) == 0
    assert "tick another type" in texts(explorer)[-1]


def test_the_message_goes_when_there_is_something_to_draw(log: EventLog) -> None:
    explorer = TrafficExplorer(log)
    explorer.types.checked = []

    explorer.select()

    assert drawn(explorer) == 300
    assert texts(explorer)[-1] == ""


def test_a_stretch_without_events_is_drawn_empty(log: EventLog) -> None:
    explorer = TrafficExplorer(log)

    explorer.select(start=START + timedelta(seconds=1), end=START + timedelta(seconds=2))

    assert drawn(explorer) == 0
    assert texts(explorer)[-1]


@pytest.mark.parametrize("types", [[], ["a"], ["a", "a", "a"]])
def test_the_smallest_logs_are_drawn(types: list[str]) -> None:
    explorer = TrafficExplorer(log_of(types))

    explorer.types.checked = []
    explorer.select()

    assert drawn(explorer) == len(types)
    assert explorer.notice.text == ""


def test_a_log_without_events_says_so() -> None:
    assert "no events" in texts(TrafficExplorer(log_of([])))[-1]


def test_types_past_the_listed_ones_stand_and_fall_together() -> None:
    explorer = TrafficExplorer(log_of([f"type-{place:03}" for place in range(60)]))

    explorer.types.checked = explorer.types.checked[:-1]

    assert explorer.types.names[-1] == "20 further types"
    assert len(explorer.shown) == 40


def test_names_of_ten_thousand_characters_are_shortened() -> None:
    explorer = TrafficExplorer(log_of(["<script>" + "x" * 10_000]))

    assert len(explorer.types.names[0]) == 200
    assert "<script" not in explorer.figure.to_json()


def test_a_change_is_one_message_to_the_figure(log: EventLog) -> None:
    explorer = TrafficExplorer(log)
    messages = []
    explorer.figure.observe(lambda change: messages.append(change["new"]), names="_py2js_update")

    explorer.time_range.value = (explorer.time_range.start_us, explorer.time_range.end_us - 60_000_000)

    assert len([message for message in messages if message]) == 1
