from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from evanalytics.clock import Clock, ManualClock, settle
from evanalytics.exceptions import DurationError, ReplayError
from evanalytics.logs.log import EventLog
from evanalytics.replay import Replay

START = datetime(2026, 1, 1, tzinfo=UTC)
MS = 1_000_000
Got = list[tuple[float, str]]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def log(*seconds: float) -> EventLog:
    """Return a log of events a, b, c, ... that happened at these seconds."""
    rows = [(chr(ord("a") + i), "order", "shop", at(when)) for i, when in enumerate(seconds)]
    times = pl.Datetime("us", "UTC")
    schema = {"id": pl.String, "type": pl.String, "source": pl.String, "time": times}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return EventLog.from_frame(frame)


async def note(replay: Replay, clock: Clock, got: Got) -> None:
    async for event in replay:
        got.append((clock.monotonic_ns() / 1e9, event.id))


def timeline(events: EventLog, **options: Any) -> Got:
    """Return when (in seconds) which event is handed out."""

    async def main() -> Got:
        clock, got = ManualClock(), Got()
        consumer = asyncio.ensure_future(note(Replay(events, clock=clock, **options), clock, got))
        await clock.advance("1 day")
        await consumer
        return got

    return asyncio.run(main())


class Rig:
    """A replay whose events are noted as they come, on a clock moved by hand."""

    def __init__(self, events: EventLog, **options: Any) -> None:
        self.clock = ManualClock()
        self.replay = Replay(events, clock=self.clock, **options)
        self.got = Got()
        self.consumer = asyncio.ensure_future(note(self.replay, self.clock, self.got))

    async def over(self) -> Got:
        await self.clock.advance("1 day")
        await self.consumer
        return self.got


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(main)


def test_the_first_event_comes_at_once_and_the_others_as_far_apart_as_they_were() -> None:
    assert timeline(log(5, 7, 7.5)) == [(0, "a"), (2, "b"), (2.5, "c")]


def test_speed_divides_the_gaps() -> None:
    assert timeline(log(0, 60, 90), speed=60) == [(0, "a"), (1, "b"), (1.5, "c")]


def test_events_of_one_instant_come_at_one_instant() -> None:
    assert timeline(log(0, 1, 1, 1)) == [(0, "a"), (1, "b"), (1, "c"), (1, "d")]


def test_as_fast_as_possible_waits_for_nothing() -> None:
    assert timeline(log(0, 3600, 86400 * 400), speed=None) == [(0, "a"), (0, "b"), (0, "c")]


def test_a_late_event_comes_at_once_after_the_one_before_it() -> None:
    assert timeline(log(0, 10, 4, 12)) == [(0, "a"), (10, "b"), (10, "c"), (12, "d")]


def test_a_late_event_keeps_its_time() -> None:
    async def main() -> list[datetime]:
        return [event.time async for event in Replay(log(0, 10, 4), speed=None)]

    assert run(main()) == [at(0), at(10), at(4)]


def test_by_time_events_are_sorted() -> None:
    assert timeline(log(0, 10, 4, 10), order="time") == [(0, "a"), (4, "c"), (10, "b"), (10, "d")]


def test_an_empty_log_is_over_at_once() -> None:
    assert timeline(log()) == []


@pytest.mark.parametrize("order", ["log", "time"])
def test_bounds_cut_a_slice_by_time(order: Any) -> None:
    assert timeline(log(0, 5, 6, 9), start=at(5), end=at(9), order=order) == [(0, "b"), (1, "c")]


def test_long_pauses_are_shortened() -> None:
    assert timeline(log(0, 2, 3602, 3603), max_gap="10s") == [(0, "a"), (2, "b"), (12, "c"), (13, "d")]


def test_nothing_adds_up_over_many_events() -> None:
    count, speed = 20_000, 3.7
    frame = pl.select(
        pl.int_range(count).cast(pl.String).alias("id"),
        pl.lit("order").alias("type"),
        pl.lit("shop").alias("source"),
        (pl.int_range(count) * 7).cast(pl.Datetime("us", "UTC")).alias("time"),
    )

    async def main() -> list[int]:
        clock = ManualClock()
        stamps = list[int]()

        async def consume() -> None:
            async for _ in Replay(EventLog.from_frame(frame), speed=speed, clock=clock):
                stamps.append(clock.monotonic_ns())

        consumer = asyncio.ensure_future(consume())
        await clock.advance("1s")
        await consumer
        return stamps

    top, bottom = speed.as_integer_ratio()
    assert run(main()) == [-(-i * 7_000 * bottom // top) for i in range(count)]


def test_a_pause_does_not_count() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 12))
        await rig.clock.advance("4s")
        rig.replay.pause()
        await rig.clock.advance("100s")
        rig.replay.resume()
        return await rig.over()

    assert run(main()) == [(0, "a"), (110, "b"), (112, "c")]


def test_nothing_comes_while_paused() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10))
        rig.replay.pause()
        await rig.clock.advance("1h")
        return rig.got

    assert run(main()) == []


def test_a_replay_paused_before_its_start_begins_when_resumed() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10))
        rig.replay.pause()
        await rig.clock.advance("5s")
        rig.replay.resume()
        return await rig.over()

    assert run(main()) == [(5, "a"), (15, "b")]


def test_pausing_and_resuming_twice_is_harmless() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10))
        await rig.clock.advance("4s")
        rig.replay.pause()
        await rig.clock.advance("1s")
        rig.replay.pause()
        await rig.clock.advance("1s")
        rig.replay.resume()
        rig.replay.resume()
        return await rig.over()

    assert run(main()) == [(0, "a"), (12, "b")]


def test_the_consumer_may_pause_within_its_loop() -> None:
    async def main() -> tuple[str, bool]:
        replay, got = Replay(log(0, 0, 0), speed=None), ""

        async def consume() -> None:
            nonlocal got
            async for event in replay:
                got += event.id
                replay.pause()

        consumer = asyncio.ensure_future(consume())
        await settle()
        consumer.cancel()
        return got, replay.is_paused

    assert run(main()) == ("a", True)


def test_another_speed_takes_effect_in_the_middle_of_a_wait() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 20))
        await rig.clock.advance("4s")
        rig.replay.set_speed(2)
        return await rig.over()

    assert run(main()) == [(0, "a"), (7, "b"), (12, "c")]


def test_full_speed_takes_effect_in_the_middle_of_a_wait() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 20))
        await rig.clock.advance("4s")
        rig.replay.set_speed(None)
        return await rig.over()

    assert run(main()) == [(0, "a"), (4, "b"), (4, "c")]


def test_speed_can_be_read() -> None:
    replay = Replay(log(0), speed=2)
    replay.set_speed(3)

    assert replay.speed == 3


@pytest.mark.parametrize("order", ["log", "time"])
@pytest.mark.parametrize("to", [2, at(20), at(15)], ids=str)
def test_seeking_goes_on_at_once_with_the_event_there(to: int | datetime, order: Any) -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 20, 23), order=order)
        await rig.clock.advance("4s")
        rig.replay.seek(to)
        return await rig.over()

    assert run(main()) == [(0, "a"), (4, "c"), (7, "d")]


def test_seeking_back_hands_events_out_again() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 1, 5))
        await rig.clock.advance("2s")
        rig.replay.seek(0)
        return await rig.over()

    assert run(main()) == [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (7, "c")]


def test_behind_a_late_event_the_gap_is_that_of_the_whole_log() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 4, 12))
        rig.replay.seek(2)
        return await rig.over()

    assert run(main()) == [(0, "c"), (2, "d")]


def test_seeking_while_paused_takes_effect_when_resumed() -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 20))
        await rig.clock.advance("1s")
        rig.replay.pause()
        rig.replay.seek(2)
        await rig.clock.advance("1s")
        rig.replay.resume()
        return await rig.over()

    assert run(main()) == [(0, "a"), (2, "c")]


def test_seeking_before_the_start_is_where_it_starts() -> None:
    async def main() -> list[str]:
        replay = Replay(log(0, 10, 20), speed=None)
        replay.seek(1)
        return [event.id async for event in replay]

    assert run(main()) == ["b", "c"]


@pytest.mark.parametrize("to", [3, at(21)], ids=str)
def test_behind_the_last_event_the_replay_is_over(to: int | datetime) -> None:
    async def main() -> Got:
        rig = Rig(log(0, 10, 20))
        await rig.clock.advance("1s")
        rig.replay.seek(to)
        return await rig.over()

    assert run(main()) == [(0, "a")]


def test_a_replay_that_is_over_goes_on_after_a_seek() -> None:
    async def main() -> list[str]:
        replay = Replay(log(0, 1, 2), speed=None)
        first = [event.id async for event in replay]
        replay.seek(1)
        return first + [event.id async for event in replay]

    assert run(main()) == ["a", "b", "c", "b", "c"]


def test_a_slow_consumer_catches_up() -> None:
    async def main() -> tuple[Got, list[float]]:
        clock, got, lags = ManualClock(), Got(), list[float]()
        replay = Replay(log(0, 1, 2, 9), clock=clock)

        async def consume() -> None:
            async for event in replay:
                got.append((clock.monotonic_ns() / 1e9, event.id))
                lags.append(replay.progress.lag.total_seconds())
                if event.id == "a":
                    await clock.sleep(5)

        consumer = asyncio.ensure_future(consume())
        await clock.advance("1h")
        await consumer
        return got, lags

    assert run(main()) == ([(0, "a"), (5, "b"), (5, "c"), (9, "d")], [0, 4, 3, 0])


def test_batches_hold_what_is_due() -> None:
    async def main() -> list[str]:
        clock, got = ManualClock(), list[str]()

        async def consume() -> None:
            async for events in Replay(log(0, 0, 1, 2, 2), clock=clock).batches():
                got.append("".join(event.id for event in events))

        consumer = asyncio.ensure_future(consume())
        await clock.advance("1h")
        await consumer
        return got

    assert run(main()) == ["ab", "c", "de"]


def test_batches_hold_at_most_what_is_asked_for() -> None:
    async def main() -> list[int]:
        return [len(events) async for events in Replay(log(*range(5)), speed=None).batches(2)]

    assert run(main()) == [2, 2, 1]


def test_every_event_of_many_frames_comes_once_and_in_order() -> None:
    count = 40_000
    frame = pl.select(
        pl.int_range(count).cast(pl.String).alias("id"),
        pl.lit("order").alias("type"),
        pl.lit("shop").alias("source"),
        (pl.int_range(count) * 7919 % count).cast(pl.Datetime("us", "UTC")).alias("time"),
    )

    async def main(order: Any) -> list[str]:
        replay = Replay(EventLog.from_frame(frame), speed=None, order=order)
        return [event.id async for events in replay.batches() for event in events]

    assert run(main("log")) == frame["id"].to_list()
    assert run(main("time")) == frame.sort("time")["id"].to_list()


@pytest.mark.parametrize("speed", [None, 1.0])
def test_however_much_is_due_others_get_their_turn(speed: float | None) -> None:
    async def main() -> list[int]:
        """Return after how many events each turn of another task came."""
        got, turns = Got(), list[int]()

        async def count_turns() -> None:
            while True:
                turns.append(len(got))
                await asyncio.sleep(0)

        clock = ManualClock()
        other = asyncio.ensure_future(count_turns())
        await note(Replay(log(*[0] * 100), speed=speed, clock=clock), clock, got)
        other.cancel()
        return turns

    assert {16, 32, 48, 64, 80, 96} <= set(run(main()))


def test_a_cancelled_wait_loses_nothing() -> None:
    async def main() -> str:
        clock = ManualClock()
        replay = Replay(log(0, 10, 20), clock=clock)
        first = (await anext(replay)).id
        waiting = asyncio.ensure_future(anext(replay))
        await clock.advance("5s")
        waiting.cancel()
        await settle()
        waiting = asyncio.ensure_future(anext(replay))
        await clock.advance("5s")
        return first + (await waiting).id

    assert run(main()) == "ab"


def test_a_cancelled_wait_leaves_no_timer() -> None:
    async def main() -> int | None:
        clock = ManualClock()
        replay = Replay(log(0, 10), clock=clock)
        await anext(replay)
        waiting = asyncio.ensure_future(anext(replay))
        await settle()
        waiting.cancel()
        await settle()
        return clock.next_deadline_ns()

    assert run(main()) is None


def test_progress_tells_position_time_and_total() -> None:
    async def main() -> list[tuple[int, int, int, datetime | None]]:
        seen, replay = [], Replay(log(0, 10, 4), speed=None)

        def look() -> None:
            progress = replay.progress
            seen.append((progress.position, progress.total, progress.emitted, progress.log_time))

        look()
        async for _ in replay:
            look()
        replay.seek(1)
        await anext(replay)
        look()
        return seen

    assert run(main()) == [
        (0, 3, 0, None),
        (1, 3, 1, at(0)),
        (2, 3, 2, at(10)),
        (3, 3, 3, at(10)),
        (2, 3, 4, at(10)),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 0}, "speed: a number above zero, or None for as fast as possible, got 0"),
        ({"order": "id"}, "order: 'log' or 'time', got 'id'"),
        ({"start": datetime(2026, 1, 1)}, "start: needs a datetime with a time zone"),
        ({"end": datetime(2026, 1, 1)}, "end: needs a datetime with a time zone"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        Replay(log(0), **options)


def test_a_gap_needs_its_unit() -> None:
    with pytest.raises(DurationError, match="max_gap: a duration needs its unit"):
        Replay(log(0), max_gap=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (-1, "seek: positions go from 0 to 2, got -1"),
        (3, "seek: positions go from 0 to 2, got 3"),
        (datetime(2026, 1, 1), "seek: needs a datetime with a time zone"),
    ],
    ids=str,
)
def test_seeking_nowhere_is_refused(to: int | datetime, message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        Replay(log(0, 1)).seek(to)
