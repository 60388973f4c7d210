from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.replay.order import LogOrder, ReplayOrder, TimeOrder

TIMES = st.lists(st.integers(-20, 20), max_size=40)


class EveryOther:
    """A filter, so that `seq` has gaps."""

    def compile(self, schema: LogSchema) -> nw.Expr:
        return nw.col("seq") % 2 == 1


def log(times: list[int], *, gaps: bool = False) -> EventLog:
    spread = [time for time in times for _ in range(2)] if gaps else times
    frame = pl.DataFrame({"time": spread}, schema={"time": pl.Int64}).select(
        pl.int_range(pl.len()).cast(pl.String).alias("id"),
        pl.lit("order").alias("type"),
        pl.lit("shop").alias("source"),
        pl.col("time").cast(pl.Datetime("us", "UTC")),
    )
    whole = EventLog.from_frame(frame)
    return whole.where(EveryOther()) if gaps else whole


def replayed(order: ReplayOrder, position: int) -> list[tuple[int, int, int]]:
    """Return (seq, ts, due) of every event from a position on."""
    return [row for frame in order.frames(position) for row in frame.select("seq", "ts", "due").iter_rows()]


@settings(deadline=None)
@given(TIMES, st.booleans(), st.data())
def test_log_order_keeps_arrival_and_makes_late_events_due_at_once(
    times: list[int], gaps: bool, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(times)))
    seqs = range(1, 2 * len(times), 2) if gaps else range(len(times))
    expected = list(zip(seqs, times, accumulate(times, max), strict=True))

    assert replayed(LogOrder(log(times, gaps=gaps), rows=7), position) == expected[position:]


@settings(deadline=None)
@given(TIMES, st.booleans(), st.data())
def test_time_order_sorts_by_time_then_arrival(times: list[int], gaps: bool, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(times)))
    seqs = range(1, 2 * len(times), 2) if gaps else range(len(times))
    by_time = sorted(zip(seqs, times, strict=True), key=lambda pair: (pair[1], pair[0]))
    expected = [(seq, time, time) for seq, time in by_time]

    assert replayed(TimeOrder(log(times, gaps=gaps), rows=7), position) == expected[position:]


@pytest.mark.parametrize("kind", [LogOrder, TimeOrder])
@settings(deadline=None)
@given(times=TIMES, instant=st.integers(-25, 25))
def test_position_at_an_instant_is_that_of_the_first_event_due_then_or_later(
    kind: type[LogOrder] | type[TimeOrder], times: list[int], instant: int
) -> None:
    due = list(accumulate(times, max)) if kind is LogOrder else sorted(times)

    assert kind(log(times), rows=7).position_at(instant) == bisect_left(due, instant)


def test_a_log_backwards_is_sorted_whole() -> None:
    times = list(range(100_000, 0, -1))

    assert [ts for _, ts, _ in replayed(TimeOrder(log(times)), 0)] == times[::-1]


def test_frames_carry_the_payload_as_text() -> None:
    frame = pl.DataFrame({"id": ["1"], "type": ["a"], "source": ["b"], "data__total": [5]}).with_columns(
        time=pl.lit(0).cast(pl.Datetime("us", "UTC"))
    )

    (shown,) = LogOrder(EventLog.from_frame(frame)).frames(0)

    assert shown["data"].to_list() == ['{"total":5}']
