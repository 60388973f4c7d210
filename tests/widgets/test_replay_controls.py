import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from evanalytics.clock import ManualClock
from evanalytics.exceptions import ReplayError
from evanalytics.logs.log import EventLog
from evanalytics.logs.reader import read_log
from evanalytics.widgets import ReplayControls
from evanalytics.widgets.base import STRICT_VARIABLE

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES = 120


@pytest.fixture(autouse=True)
def under_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")


def log_of(events: int) -> EventLog:
    """One event a minute, every third a payment."""
    frame = pl.DataFrame(
        {
            "id": [str(place) for place in range(events)],
            "type": ["payment" if place % 3 == 2 else "order" for place in range(events)],
            "source": ["shop"] * events,
            "time": [START + timedelta(minutes=place) for place in range(events)],
        },
        schema={"id": pl.String, "type": pl.String, "source": pl.String, "time": pl.Datetime("us", "UTC")},
    )
    return EventLog.from_frame(frame)


@pytest.fixture(scope="module")
def log() -> EventLog:
    return log_of(MINUTES)


def position(controls: ReplayControls) -> int:
    return controls.replay.progress.position


async def test_the_first_speed_plays_the_log_in_about_twelve_seconds(log: EventLog) -> None:
    controls = ReplayControls(log, clock=ManualClock())

    assert 8 < (MINUTES - 1) * 60 / controls.speed.value < 16


async def test_play_hands_out_the_whole_log(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)

    controls.play()
    await clock.advance("20s")

    assert not controls.is_playing
    assert controls.counts.counts == [80, 40]
    assert "Over: 120 of 120 events" in controls.status.value
    assert controls.button.description == "Play"


async def test_pause_stands_still_and_play_goes_on(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)
    controls.play()
    await clock.advance("3s")

    controls.pause()
    await clock.advance("10s")
    stopped = position(controls)
    controls.play()
    await clock.advance("20s")

    assert 20 < stopped < 50
    assert sum(controls.counts.counts) == MINUTES


async def test_the_button_says_what_it_does_next(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)

    controls.button.click()
    await clock.advance("1s")
    while_playing = controls.button.description
    controls.button.click()
    await clock.advance("1s")

    assert while_playing == "Pause"
    assert controls.button.description == "Play"
    assert "Paused:" in controls.status.value


async def test_a_run_pauses_by_itself(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, max_wall_s=5, clock=clock)

    controls.play()
    await clock.advance("30s")

    assert not controls.is_playing
    assert 0 < position(controls) < MINUTES
    assert "Paused by itself after 5 s" in controls.status.value


async def test_speed_takes_effect_while_it_plays(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)
    controls.play()
    await clock.advance("1s")

    controls.speed.value = 10_000_000
    await clock.advance("100ms")

    assert position(controls) == MINUTES


async def test_moving_the_position_goes_there(log: EventLog) -> None:
    controls = ReplayControls(log, clock=ManualClock())

    controls.position.value = controls.position.stops[100]  # half of 119 minutes
    controls.replay.set_speed(None)
    await controls.run()

    assert sum(controls.counts.counts) == MINUTES - 60


async def test_the_position_follows_the_replay_without_a_jump(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)

    controls.play()
    await clock.advance("20s")

    assert controls.position.value == controls.position.stops[-1]
    assert controls.replay.progress.emitted == MINUTES


async def test_a_log_that_is_over_begins_anew(log: EventLog) -> None:
    controls = ReplayControls(log)
    controls.replay.set_speed(None)

    await controls.run()
    await controls.run()

    assert controls.counts.counts == [80, 40]
    assert controls.replay.progress.emitted == 2 * MINUTES


async def test_restart_counts_from_the_beginning(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)
    controls.play()
    await clock.advance("6s")

    controls.restart.click()
    await clock.advance("1s")

    assert sum(controls.counts.counts) < 20


async def test_it_redraws_at_most_ten_times_a_second(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log_of(5_000), clock=clock)
    drawn: list[str] = []
    controls.status.observe(lambda change: drawn.append(change["new"]), names="value")

    controls.play()
    await clock.advance("2s")

    assert 10 < len(drawn) <= 21
    controls.close()


async def test_closing_stops_the_task(log: EventLog) -> None:
    clock = ManualClock()
    controls = ReplayControls(log, clock=clock)
    controls.play()
    await clock.advance("1s")

    controls.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert not controls.is_playing


async def test_an_error_while_it_plays_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT_VARIABLE)
    path = tmp_path / "gone.ndjson"
    path.write_text('{"id":"1","type":"a","source":"s","time":"2026-01-01T00:00:00Z","data":{"n":1}}\n')
    controls = ReplayControls(read_log(path))
    path.unlink()

    await controls.run()

    assert "gone.ndjson" in controls.notice.text
    assert "Stopped" in controls.status.value
    assert controls.button.description == "Play"


@pytest.mark.parametrize("events", [0, 1])
async def test_the_smallest_logs_are_played(events: int) -> None:
    controls = ReplayControls(log_of(events))

    await controls.run()

    assert sum(controls.counts.counts) == events


def test_without_an_event_loop_play_says_what_is_missing(log: EventLog) -> None:
    with pytest.raises(ReplayError, match="no event loop"):
        ReplayControls(log).play()
