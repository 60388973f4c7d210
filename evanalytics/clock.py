"""Time is passed in: the system's clock, one that tests move by hand, one that runs faster."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from evanalytics.durations import Duration, duration_ns, parse_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What live code asks for time: a monotonic reading, a wall reading, and sleep.

    Intervals and deadlines use `monotonic_ns`, which never goes back; `now` is only for
    stamps that people read.
    """

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary instant; never goes back."""
        ...

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        ...

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once `monotonic_ns()` has reached the deadline; at once if it is past."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        ...


class SystemClock:
    """The clock of the machine."""

    def monotonic_ns(self) -> int:
        """Return the system's monotonic clock, in nanoseconds."""
        return time.monotonic_ns()

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once the monotonic clock has reached the deadline."""
        while (left := deadline_ns - time.monotonic_ns()) > 0:
            await asyncio.sleep(left / 1e9)

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)


class ScaledClock:
    """A clock that runs `speed` times as fast as another one, from zero on.

    A replay at speed 60 runs the policies on this clock, so that a flush interval of 5 s
    takes 83 ms of the wall, and everything measured is in the log's own seconds.
    """

    def __init__(self, speed: float, *, base: Clock | None = None) -> None:
        """Start the clock now; `speed` must be a number above zero."""
        if not speed > 0:
            raise ValueError(f"speed: must be above zero, got {speed!r}")
        self._base = base or SystemClock()
        self._speed = speed
        self._start_ns = self._base.monotonic_ns()
        self._start = self._base.now()

    def monotonic_ns(self) -> int:
        """Return the scaled nanoseconds since this clock was made."""
        return int((self._base.monotonic_ns() - self._start_ns) * self._speed)

    def now(self) -> datetime:
        """Return the wall time at which this clock began plus the scaled time since."""
        return self._start + timedelta(microseconds=self.monotonic_ns() // 1_000)

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once this clock has reached the deadline."""
        while deadline_ns > self.monotonic_ns():
            await self._base.sleep_until_ns(self._start_ns + -int(-deadline_ns // self._speed))

    async def sleep(self, seconds: float) -> None:
        """Return after so many scaled seconds."""
        await self.sleep_until_ns(self.monotonic_ns() + int(seconds * 1e9))


class ManualClock:
    """A clock that stands still until it is moved by hand: for tests and for prediction.

    `advance` wakes sleepers in the order of their deadlines (ties: in the order in which
    they went to sleep), each at exactly its own deadline, and lets every task run until it
    waits again before time moves on.
    """

    def __init__(self, start: datetime = _EPOCH) -> None:
        """Stop the clock at `start` (aware); its monotonic reading begins at zero."""
        self._start = start
        self._now_ns = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def monotonic_ns(self) -> int:
        """Return the nanoseconds by which the clock has been moved."""
        return self._now_ns

    def now(self) -> datetime:
        """Return the start moved on by the same amount."""
        return self._start + timedelta(microseconds=self._now_ns // 1_000)

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once the clock has been moved to the deadline."""
        if deadline_ns <= self._now_ns:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (deadline_ns, next(self._order), waiter))
        await waiter

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        await self.sleep_until_ns(self._now_ns + round(seconds * 1e9))

    async def advance(self, duration: Duration) -> None:
        """Move the clock on, waking every sleeper on the way at its own deadline."""
        await self.advance_to_ns(self._now_ns + duration_ns(parse_duration(duration)))

    async def advance_to_ns(self, target_ns: int) -> None:
        """Move the clock on to a monotonic reading; it never moves back."""
        await settle()
        while (deadline := self.next_deadline_ns()) is not None and deadline <= target_ns:
            self._now_ns = max(self._now_ns, deadline)
            heapq.heappop(self._sleepers)[2].set_result(None)
            await settle()
        self._now_ns = max(self._now_ns, target_ns)

    def next_deadline_ns(self) -> int | None:
        """Return when the first sleeper wakes, or None while nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None


async def settle() -> None:
    """Let every other task of the running loop go on until all of them wait for something.

    asyncio has no public name for "nothing is ready to run". Its own loops keep the ready
    callbacks in `_ready`; for another loop a hundred passes stand in.
    """
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    if ready is None:
        for _ in range(100):
            await asyncio.sleep(0)
        return
    await asyncio.sleep(0)
    while ready:
        await asyncio.sleep(0)
