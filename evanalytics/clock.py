"""Time is passed in: the system's clock, one that tests move by hand, one that runs faster."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from evanalytics.durations import Duration, duration_ns, parse_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Take it back; harmless once it has happened."""
        ...


class Clock(Protocol):
    """What live code asks for time: a monotonic reading, a wall reading, timers and sleep.

    Intervals and deadlines use `monotonic_ns`, which never goes back; `now` is only for
    stamps that people read.
    """

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary instant; never goes back."""
        ...

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        ...

    def call_at_ns(self, deadline_ns: int, callback: Callable[[], object]) -> Timer:
        """Call back once `monotonic_ns()` has reached the deadline: never before, never at once.

        Needs a running event loop, as a timer costs no task.
        """
        ...

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once `monotonic_ns()` has reached the deadline; at once if it is past."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        ...


class SystemClock:
    """The clock of the machine."""

    monotonic_ns = staticmethod(time.monotonic_ns)

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    def call_at_ns(self, deadline_ns: int, callback: Callable[[], object]) -> Timer:
        """Call back once the monotonic clock has reached the deadline."""
        return _LoopTimer(deadline_ns, callback)

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once the monotonic clock has reached the deadline."""
        while (left := deadline_ns - time.monotonic_ns()) > 0:
            await asyncio.sleep(left / 1e9)

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)


class _LoopTimer:
    """A timer of the event loop that never fires early.

    The loop counts in floats and rounds to its resolution; nanoseconds are checked again.
    """

    __slots__ = ("_callback", "_deadline_ns", "_handle")

    def __init__(self, deadline_ns: int, callback: Callable[[], object]) -> None:
        self._deadline_ns = deadline_ns
        self._callback = callback
        self._arm()

    def _arm(self) -> None:
        left = max(self._deadline_ns - time.monotonic_ns(), 0)
        self._handle = asyncio.get_running_loop().call_later(left / 1e9, self._fire)

    def _fire(self) -> None:
        if time.monotonic_ns() < self._deadline_ns:
            self._arm()
        else:
            self._callback()

    def cancel(self) -> None:
        self._handle.cancel()


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

    def call_at_ns(self, deadline_ns: int, callback: Callable[[], object]) -> Timer:
        """Call back once this clock has reached the deadline."""
        return self._base.call_at_ns(self._base_ns(deadline_ns), callback)

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once this clock has reached the deadline."""
        await self._base.sleep_until_ns(self._base_ns(deadline_ns))

    def _base_ns(self, deadline_ns: int) -> int:
        """Return a reading of the base at which this clock has reached the deadline."""
        base = self._start_ns - int(-deadline_ns // self._speed)
        while int((base - self._start_ns) * self._speed) < deadline_ns:  # floats round
            base += 1
        return base

    async def sleep(self, seconds: float) -> None:
        """Return after so many scaled seconds."""
        await self.sleep_until_ns(self.monotonic_ns() + int(seconds * 1e9))


class ManualClock:
    """A clock that stands still until it is moved by hand: for tests and for prediction.

    `advance` fires timers and wakes sleepers in the order of their deadlines (ties: in the
    order in which they were set), each at exactly its own deadline, and lets every task run
    until it waits again before the next one, and before time moves on.
    """

    def __init__(self, start: datetime = _EPOCH) -> None:
        """Stop the clock at `start` (aware); its monotonic reading begins at zero."""
        self._start = start
        self._now_ns = 0
        self._order = itertools.count()
        self._timers: list[tuple[int, int, _ManualTimer]] = []

    def monotonic_ns(self) -> int:
        """Return the nanoseconds by which the clock has been moved."""
        return self._now_ns

    def now(self) -> datetime:
        """Return the start moved on by the same amount."""
        return self._start + timedelta(microseconds=self._now_ns // 1_000)

    def call_at_ns(self, deadline_ns: int, callback: Callable[[], object]) -> Timer:
        """Call back once the clock has been moved to the deadline."""
        if deadline_ns <= self._now_ns:
            return asyncio.get_running_loop().call_soon(callback)
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (deadline_ns, next(self._order), timer))
        return timer

    async def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return once the clock has been moved to the deadline."""
        if deadline_ns <= self._now_ns:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        timer = self.call_at_ns(deadline_ns, partial(_wake, waiter))
        try:
            await waiter
        finally:
            timer.cancel()

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
            heapq.heappop(self._timers)[2].fire()
            await settle()
        self._now_ns = max(self._now_ns, target_ns)

    def next_deadline_ns(self) -> int | None:
        """Return when the first timer fires or sleeper wakes, or None while there is none."""
        while self._timers and self._timers[0][2].is_cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None


async def wait_all(futures: Iterable[asyncio.Future[Any]], *, clock: Clock, timeout: Duration | None) -> None:
    """Return once all futures are done, or once the timeout has passed on the clock.

    None of them is cancelled, whatever happens. Without a timeout it waits as long as it takes.
    """
    pending = {future for future in futures if not future.done()}
    if not pending:
        return
    if timeout is None:
        await asyncio.wait(pending)
        return
    end_ns = clock.monotonic_ns() + duration_ns(parse_duration(timeout, name="timeout"))
    waiting = asyncio.ensure_future(asyncio.wait(pending))
    alarm = clock.call_at_ns(end_ns, waiting.cancel)
    try:
        await asyncio.wait({waiting})
    finally:
        alarm.cancel()
        waiting.cancel()


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


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():  # the sleeper may have been cancelled a moment ago
        waiter.set_result(None)


class _ManualTimer:
    __slots__ = ("_callback", "is_cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self.is_cancelled = False

    def fire(self) -> None:
        self._callback()

    def cancel(self) -> None:
        self.is_cancelled = True
