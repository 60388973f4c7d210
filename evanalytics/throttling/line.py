"""The line in which callers wait for the tokens of one operation."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial

from evanalytics.clock import Clock, Timer
from evanalytics.exceptions import ThrottleError, ThrottleTimeoutError
from evanalytics.throttling.meters import Meter, meter_of
from evanalytics.throttling.policy import RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleStatistics:
    """What happened in the line of one operation so far.

    Attributes:
        granted: Calls of `acquire` and `try_acquire` that got their tokens.
        tokens: Tokens they got.
        waited: How many of them had to wait.
        waited_ns: How long these waited, in all.
        longest_wait_ns: The longest of these waits.
        given_up: Waiters that were cancelled or timed out; they got no tokens.
        waiting: Waiters in line now.
    """

    granted: int = 0
    tokens: int = 0
    waited: int = 0
    waited_ns: int = 0
    longest_wait_ns: int = 0
    given_up: int = 0
    waiting: int = 0


class Line:
    """The waiters for the tokens of one operation, and one timer, which wakes the first.

    The first waiter takes its tokens itself when it goes on, and wakes the next. So one that is
    cancelled between being woken and going on has spent nothing, and until then it is still
    first in line, so that nobody slips in.
    """

    def __init__(self, operation: str, limit: RateLimit | None, clock: Clock, start_ns: int) -> None:
        self.operation = operation
        self.limit = limit
        self.meter: Meter = meter_of(limit, start_ns)
        self.waiters: deque[_Waiter] = deque()
        self.granted = self.tokens = self.waited = self.given_up = 0
        self.waited_ns = self.longest_wait_ns = 0
        self._clock = clock
        self._timer: Timer | None = None

    def check(self, tokens: int) -> None:
        """Refuse a number of tokens that can never be had at once."""
        most = self.limit.max_tokens if self.limit else None
        if type(tokens) is not int or tokens < 1:
            raise ThrottleError(
                f"{self.operation}: needs a whole number of tokens, 1 or more, got {tokens!r}"
            )
        if most is not None and tokens > most:
            raise ThrottleError(
                f"{self.operation}: {tokens} tokens at once can never be had from {self.limit!r}; "
                f"ask for at most {most} at a time"
            )

    def try_take(self, tokens: int) -> bool:
        """Take the tokens if they are there and nobody waits; return whether."""
        now = self._clock.monotonic_ns()
        if self.waiters or self.meter.ready_ns(tokens) > now:
            return False
        self._take(now, tokens)
        return True

    async def wait(self, tokens: int, deadline_ns: int | None) -> None:
        """Return with the tokens once it is this caller's turn."""
        asked_ns = self._clock.monotonic_ns()
        if deadline_ns is not None:
            if asked_ns >= deadline_ns:
                raise self._timeout()
            if self.try_take(tokens):
                return
        waiter = _Waiter(tokens)
        self.waiters.append(waiter)
        if len(self.waiters) == 1:
            self._wake_first()
        try:
            if deadline_ns is None:
                await waiter.turn
            else:
                await self._turn_before(waiter, deadline_ns)
        except BaseException:
            self._leave(waiter)
            raise
        now = self._clock.monotonic_ns()
        self.waiters.popleft()
        self._take(now, tokens)
        self._count_wait(now - asked_ns)
        self._wake_first()

    async def _turn_before(self, waiter: _Waiter, deadline_ns: int) -> None:
        alarm = self._clock.call_at_ns(deadline_ns, partial(self._expire, waiter))
        try:
            await waiter.turn
        finally:
            alarm.cancel()
        if self._clock.monotonic_ns() >= deadline_ns:  # woken at the very deadline: it wins
            raise self._timeout()

    def _wake_first(self) -> None:
        waiters = self.waiters
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while waiters and waiters[0].is_gone:
            waiters.popleft()
        if not waiters or waiters[0].turn.done():
            return
        ready_ns = self.meter.ready_ns(waiters[0].tokens)
        if ready_ns <= self._clock.monotonic_ns():
            waiters[0].turn.set_result(None)
        else:
            self._timer = self._clock.call_at_ns(ready_ns, self._wake_first)

    def _leave(self, waiter: _Waiter) -> None:
        self.given_up += 1
        if self.waiters and self.waiters[0] is waiter:
            self.waiters.popleft()
            self._wake_first()

    def _expire(self, waiter: _Waiter) -> None:
        if not waiter.turn.done():
            waiter.is_late = True
            waiter.turn.set_result(None)

    def _timeout(self) -> ThrottleTimeoutError:
        return ThrottleTimeoutError(f"{self.operation}: no tokens before the deadline")

    def _take(self, now_ns: int, tokens: int) -> None:
        self.meter.take(now_ns, tokens)
        self.granted += 1
        self.tokens += tokens

    def _count_wait(self, waited_ns: int) -> None:
        self.waited += 1
        self.waited_ns += waited_ns
        self.longest_wait_ns = max(self.longest_wait_ns, waited_ns)

    def statistics(self) -> ThrottleStatistics:
        """Return what happened so far."""
        return ThrottleStatistics(
            granted=self.granted,
            tokens=self.tokens,
            waited=self.waited,
            waited_ns=self.waited_ns,
            longest_wait_ns=self.longest_wait_ns,
            given_up=self.given_up,
            waiting=sum(not waiter.is_gone for waiter in self.waiters),
        )


class _Waiter:
    __slots__ = ("is_late", "tokens", "turn")

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.is_late = False
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_gone(self) -> bool:
        return self.is_late or self.turn.cancelled()
