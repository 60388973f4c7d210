"""The state of one rate limit: when a weight may be taken, and what taking it changes."""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import Protocol

from evanalytics.throttling.policy import RateLimit


class Meter(Protocol):
    """One limit's memory of what was taken; integers of nanoseconds on one clock.

    `take` is only called at an instant that `ready_ns` allows, and instants never go back.
    """

    def ready_ns(self, tokens: int) -> int:
        """Return the earliest instant at which so many tokens may be taken; it may be past."""
        ...

    def take(self, now_ns: int, tokens: int) -> None:
        """Take the tokens now."""
        ...


def meter_of(limit: RateLimit | None, start_ns: int) -> Meter:
    """Return the fresh state of a limit whose time begins at `start_ns`."""
    if limit is None:
        return NoLimit()
    if limit.kind == "token_bucket":
        return TokenBucket(limit, start_ns)
    if limit.kind == "fixed_window":
        return FixedWindow(limit, start_ns)
    return SlidingWindow(limit, start_ns)


class SlidingWindow:
    """Remembers when each of the last `max_requests` unit tokens was taken."""

    __slots__ = ("_per_ns", "_room", "_start_ns", "_taken")

    def __init__(self, limit: RateLimit, start_ns: int) -> None:
        self._per_ns = limit.per_ns
        self._start_ns = start_ns
        self._taken: deque[int] = deque(maxlen=limit.max_requests)
        self._room = limit.max_requests  # room that no earlier token bounds

    def ready_ns(self, tokens: int) -> int:
        """Return when the unit token `max_requests` before the last one wanted is `per` old."""
        before = tokens - self._room
        return self._start_ns if before <= 0 else self._taken[before - 1] + self._per_ns

    def take(self, now_ns: int, tokens: int) -> None:
        """Note so many unit tokens at this instant."""
        if tokens == 1:
            self._taken.append(now_ns)
        else:
            self._taken.extend(repeat(now_ns, tokens))
        if self._room:
            self._room = max(self._room - tokens, 0)


class TokenBucket:
    """Remembers F, the instant at which the bucket is full again."""

    __slots__ = ("_cost_ns", "_full_ns", "_limit", "_slack_ns")

    def __init__(self, limit: RateLimit, start_ns: int) -> None:
        self._limit = limit
        self._full_ns = start_ns
        self._cost_ns = limit.cost_ns(1)
        self._slack_ns = limit.slack_ns(1)

    def ready_ns(self, tokens: int) -> int:
        """Return when the bucket holds so many tokens; above its size, when it is full."""
        slack = self._slack_ns if tokens == 1 else self._limit.slack_ns(tokens)
        return self._full_ns - slack

    def take(self, now_ns: int, tokens: int) -> None:
        """Move the instant at which the bucket is full again by the tokens' cost."""
        cost = self._cost_ns if tokens == 1 else self._limit.cost_ns(tokens)
        full = self._full_ns
        self._full_ns = (full if full > now_ns else now_ns) + cost


class FixedWindow:
    """Remembers the current window's first instant and how much of it is taken."""

    __slots__ = ("_begin_ns", "_max_requests", "_per_ns", "_used")

    def __init__(self, limit: RateLimit, start_ns: int) -> None:
        self._max_requests = limit.max_requests
        self._per_ns = limit.per_ns
        self._begin_ns = start_ns + limit.origin_ns - limit.per_ns
        self._used = 0

    def ready_ns(self, tokens: int) -> int:
        """Return the begin of the current window if it has room, else that of the next."""
        fits = self._used + tokens <= self._max_requests
        return self._begin_ns if fits else self._begin_ns + self._per_ns

    def take(self, now_ns: int, tokens: int) -> None:
        """Count the tokens into the window of this instant."""
        passed = (now_ns - self._begin_ns) // self._per_ns
        if passed:
            self._begin_ns += passed * self._per_ns
            self._used = 0
        self._used += tokens


class NoLimit:
    """Is always ready."""

    __slots__ = ()

    def ready_ns(self, tokens: int) -> int:
        """Return an instant before any other."""
        return -1

    def take(self, now_ns: int, tokens: int) -> None:
        """Change nothing."""
