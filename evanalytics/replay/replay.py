"""A log as live events: handed out one by one at the pace at which they once came, or faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Self, get_args

import numpy as np
import polars as pl

from evanalytics.clock import Clock, SystemClock
from evanalytics.durations import Duration, duration_us, parse_duration
from evanalytics.event import Event
from evanalytics.exceptions import ReplayError
from evanalytics.logs.log import EventLog, Order, events_of
from evanalytics.replay.order import DUE, LogOrder, ReplayOrder, TimeOrder
from evanalytics.replay.pace import Pace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOST_UNBROKEN = 16  # events that are handed out before other tasks get their turn
_NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """How far a replay is.

    Attributes:
        position: The position of the next event, counted from 0 in the replay's order.
        total: Events in the replay; it is over when the position has reached it.
        emitted: Events handed out so far; seeking makes it differ from the position.
        log_time: The instant of the log that was reached; None before the first event.
        lag: How late the last event was handed out, because its consumer (or reading the
            log) took longer than the pace allows; zero at full speed.
    """

    position: int
    total: int
    emitted: int
    log_time: datetime | None
    lag: timedelta


class Replay:
    """Hands out the events of a log on a clock, each when it is due.

    The first event is due at once, every other as long after it as it was in the log, divided
    by the speed. Deadlines are counted from the start in whole nanoseconds, so no error adds
    up; a consumer that takes too long gets what has become due meanwhile at once. However much
    is due, other tasks get their turn after every 16 events, or every longer list: what is sent
    for the first of them does not wait for the last.

    `order="log"` hands events out as they arrived. The log's time is then the latest time
    seen so far: an event that came late is handed out at once after the one before it, and
    stays late. `order="time"` sorts by time, and by arrival where times are equal; it holds
    16 bytes an event, and what of the log is out of order. Otherwise the log is read as it goes,
    16,384 events at a time.

    `async for event in replay` and `async for events in replay.batches()` may be mixed, but by
    one consumer only. `pause`, `resume`, `seek` and `set_speed` may be called by any task of
    the same loop, and take effect at once. A replay that is over goes on after a `seek`.

    Example:
        >>> async def watch(log: EventLog) -> None:
        ...     async for event in Replay(log, speed=60, max_gap="1 minute"):
        ...         print(event.time, event.type)
    """

    def __init__(
        self,
        log: EventLog,
        *,
        speed: float | None = 1.0,
        clock: Clock | None = None,
        order: Order = "log",
        start: datetime | None = None,
        end: datetime | None = None,
        max_gap: Duration | None = None,
    ) -> None:
        """Plan a replay; reading begins when the first event is asked for.

        Args:
            log: What to replay.
            speed: Seconds of the log per second of the clock; None: as fast as possible.
            clock: The machine's clock by default.
            order: "log" (as it arrived) or "time".
            start: Only events whose time is this or later; aware.
            end: Only events whose time is before this; aware.
            max_gap: Pauses in the log that are longer are shortened to this, in the log's time.

        Raises:
            ReplayError: The speed is not above zero, there is no such order, or a bound has no
                time zone.
            DurationError: `max_gap` is no duration.
        """
        if order not in get_args(Order):
            raise ReplayError(f"order: 'log' or 'time', got {order!r}")
        for name, bound in (("start", start), ("end", end)):
            _refuse_without_zone(name, bound)
        self._log = log.between(start, end) if start or end else log
        self._sorted = order == "time"
        self._clock = clock or SystemClock()
        self._pace = Pace(self._clock, speed)
        self._max_gap_us = None if max_gap is None else duration_us(parse_duration(max_gap, name="max_gap"))
        self._wake = asyncio.Event()
        self._target: int | datetime | None = 0
        self._position = self._emitted = self._lag_ns = 0
        self._log_time_us: int | None = None
        # What was read of the log and not handed out yet: events, when each is due in the log's
        # time, and the same on the pace's axis, on which gaps are shortened.
        self._frames: Iterator[pl.DataFrame] = iter(())
        self._events: Iterator[Event] = iter(())
        self._due_us = self._at_us = _NOTHING
        self._next = self._unbroken = 0
        self._last_due_us: int | None = None
        self._last_at_us = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        events = await self._take(1)
        if not events:
            raise StopAsyncIteration
        return events[0]

    async def batches(self, max_size: int = 100) -> AsyncIterator[list[Event]]:
        """Yield what is due as lists of one event or more: the way to replay at high rates.

        Longer lists are no faster: at 1,000 they cost 1.7x as much per event as at 100.
        """
        while events := await self._take(max_size):
            yield events

    @property
    def log(self) -> EventLog:
        """What is replayed."""
        return self._log

    @property
    def position(self) -> int:
        """The position of the next event, counted from 0; behind a `seek` to an instant it is looked up."""
        if self._target is not None:
            self._go_to(self._target)
        return self._position

    @property
    def progress(self) -> ReplayProgress:
        """How far the replay is."""
        reached = self._log_time_us
        return ReplayProgress(
            position=self._position,
            total=len(self._log),
            emitted=self._emitted,
            log_time=None if reached is None else _EPOCH + timedelta(microseconds=reached),
            lag=timedelta(microseconds=self._lag_ns // 1_000),
        )

    @property
    def speed(self) -> float | None:
        """Seconds of the log per second of the clock; None: as fast as possible."""
        return self._pace.speed

    @property
    def is_paused(self) -> bool:
        """Whether the replay stands still."""
        return self._pace.is_paused

    def pause(self) -> None:
        """Stand still: nothing is handed out until `resume`, and the log's time stops."""
        self._pace.pause()

    def resume(self) -> None:
        """Go on; what was left of the wait for the next event is waited."""
        self._pace.resume()
        self._wake.set()

    def set_speed(self, speed: float | None) -> None:
        """Go on at another speed from now.

        Raises:
            ReplayError: The speed is not above zero.
        """
        self._pace.set_speed(speed)
        self._wake.set()

    def seek(self, to: int | datetime) -> None:
        """Go on with the event at a position, or with the first one due at an instant of the log.

        It is due at once. Behind the last event the replay is over.

        Raises:
            ReplayError: There is no such position, or the instant has no time zone.
        """
        if isinstance(to, datetime):
            _refuse_without_zone("seek", to)
        elif not 0 <= to <= len(self._log):
            raise ReplayError(f"seek: positions go from 0 to {len(self._log):,}, got {to!r}")
        self._target = to
        self._wake.set()

    @cached_property
    def _order(self) -> ReplayOrder:
        return TimeOrder(self._log) if self._sorted else LogOrder(self._log)

    async def _take(self, limit: int) -> list[Event]:
        """Return the events that are due, as soon as there are any; none once the log is over."""
        while True:
            if self._target is not None:
                self._go_to(self._target)
            if self._unbroken >= _MOST_UNBROKEN:
                self._unbroken = 0
                await asyncio.sleep(0)
            elif self._pace.is_paused:
                await self._wait()
            elif self._next == len(self._at_us):
                if not self._read():
                    return []
            elif count := min(limit, self._due_count()):
                return self._hand_out(count)
            else:
                await self._wait(self._pace.deadline_ns(int(self._at_us[self._next])))

    def _go_to(self, target: int | datetime) -> None:
        self._target = None
        if isinstance(target, datetime):
            target = self._order.position_at((target - _EPOCH) // _MICROSECOND)
        self._position = target
        self._frames = self._order.frames(target)
        self._due_us = self._at_us = _NOTHING
        self._next, self._last_due_us = 0, None
        self._pace.forget()

    def _read(self) -> bool:
        """Read the next frame of the log; return whether there was one."""
        frame = next(self._frames, None)
        if frame is None:
            return False
        self._events, self._next = events_of(frame), 0
        self._due_us = frame[DUE].to_numpy()
        before = self._due_us[:1] if self._last_due_us is None else self._last_due_us
        gaps = np.diff(self._due_us, prepend=before)
        if self._max_gap_us is not None:
            gaps = np.minimum(gaps, self._max_gap_us)
        self._at_us = self._last_at_us + np.cumsum(gaps)
        if len(frame):
            self._last_due_us, self._last_at_us = int(self._due_us[-1]), int(self._at_us[-1])
        return True

    def _due_count(self) -> int:
        if self._pace.speed is None:
            return len(self._at_us) - self._next
        self._pace.begin(int(self._at_us[self._next]))
        return int(np.searchsorted(self._at_us, self._pace.reached_us(), side="right")) - self._next

    def _hand_out(self, count: int) -> list[Event]:
        events = list(islice(self._events, count))
        self._lag_ns = 0
        if self._pace.speed is not None:
            deadline_ns = self._pace.deadline_ns(int(self._at_us[self._next]))
            self._lag_ns = self._clock.monotonic_ns() - deadline_ns
        self._next += count
        self._unbroken += count
        self._position += count
        self._emitted += count
        self._log_time_us = int(self._due_us[self._next - 1])
        return events

    async def _wait(self, deadline_ns: int | None = None) -> None:
        """Wait for a control to be used, or for a deadline."""
        self._unbroken = 0
        self._wake.clear()
        timer = None if deadline_ns is None else self._clock.call_at_ns(deadline_ns, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()


def _refuse_without_zone(name: str, instant: datetime | None) -> None:
    if instant is not None and instant.tzinfo is None:
        raise ReplayError(f"{name}: needs a datetime with a time zone, got {instant!r}; say tzinfo=UTC")
