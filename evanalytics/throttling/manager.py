"""Live throttling: callers wait their turn for tokens, one line per operation."""

from __future__ import annotations

from types import TracebackType

from evanalytics.clock import Clock, SystemClock
from evanalytics.throttling.line import Line, ThrottleStatistics
from evanalytics.throttling.policy import ThrottlePolicy


class ThrottleManager:
    """Grants tokens per operation, strictly in the order in which they were asked for.

    The rules, edges included, are those of the policy's `RateLimit` records; a token is taken
    at the instant at which the caller goes on. Nobody overtakes: a newcomer waits behind whoever
    waits, and a heavy waiter is not passed by light ones. A waiter that is cancelled leaves the line,
    spends nothing, and those behind it are served as if it had never been there.

    All callers belong to one event loop. An operation with no limit never waits.

    Args:
        policy: The limits.
        clock: Where time comes from; the system's by default. Fixed windows count from its
            reading now.

    Example:
        >>> import asyncio
        >>> from evanalytics.throttling.policy import RateLimit
        >>> async def main():
        ...     manager = ThrottleManager(ThrottlePolicy(RateLimit(2, "1h")))
        ...     await manager.acquire("query")
        ...     async with manager.throttle("query"):
        ...         return manager.try_acquire("query")
        >>> asyncio.run(main())
        False
    """

    def __init__(self, policy: ThrottlePolicy, *, clock: Clock | None = None) -> None:
        self.policy = policy
        self._clock = clock or SystemClock()
        self._now_ns = self._clock.monotonic_ns
        self._start_ns = self._now_ns()
        self._lines: dict[str, Line] = {}

    async def acquire(self, operation: str, tokens: int = 1, *, deadline_ns: int | None = None) -> None:
        """Return once the tokens are granted; they are spent then.

        Args:
            operation: Whose limit to respect.
            tokens: How many; at least 1.
            deadline_ns: A reading of the clock; at it, the waiter gives up.

        Raises:
            ThrottleError: The limit can never grant so many tokens at once.
            ThrottleTimeoutError: The deadline came first; nothing was spent.
        """
        line = self._lines.get(operation) or self._line(operation)
        if tokens != 1:
            line.check(tokens)
        if not line.waiters and deadline_ns is None:  # the common case, without a further call
            now = self._now_ns()
            if line.meter.ready_ns(tokens) <= now:
                line.meter.take(now, tokens)
                line.granted += 1
                line.tokens += tokens
                return
        await line.wait(tokens, deadline_ns)

    def try_acquire(self, operation: str, tokens: int = 1) -> bool:
        """Return whether the tokens could be had at once; if so, they are spent.

        Raises:
            ThrottleError: The limit can never grant so many tokens at once.
        """
        line = self._lines.get(operation) or self._line(operation)
        line.check(tokens)
        return line.try_take(tokens)

    def wait_ns(self, operation: str, tokens: int = 1) -> int:
        """Return in how many nanoseconds the tokens could be had if nobody else asked meanwhile.

        Raises:
            ThrottleError: The limit can never grant so many tokens at once.
        """
        line = self._line(operation)
        line.check(tokens)
        return max(line.meter.ready_ns(tokens) - self._now_ns(), 0)

    def throttle(self, operation: str, tokens: int = 1) -> Throttled:
        """Return an async context manager that acquires the tokens on entry."""
        return Throttled(self, operation, tokens)

    def check(self, operation: str, tokens: int) -> None:
        """Refuse a number of tokens that the operation's limit can never grant at once.

        Raises:
            ThrottleError: It says how many would do.
        """
        self._line(operation).check(tokens)

    def statistics(self, operation: str) -> ThrottleStatistics:
        """Return what happened in an operation's line so far."""
        return self._lines[operation].statistics() if operation in self._lines else ThrottleStatistics()

    def _line(self, operation: str) -> Line:
        line = self._lines.get(operation)
        if line is None:
            limit = self.policy.limit_of(operation)
            line = self._lines[operation] = Line(operation, limit, self._clock, self._start_ns)
        return line


class Throttled:
    """What `ThrottleManager.throttle` returns: tokens on entry, nothing on exit."""

    __slots__ = ("_manager", "_operation", "_tokens")

    def __init__(self, manager: ThrottleManager, operation: str, tokens: int) -> None:
        self._manager = manager
        self._operation = operation
        self._tokens = tokens

    async def __aenter__(self) -> None:
        await self._manager.acquire(self._operation, self._tokens)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None
