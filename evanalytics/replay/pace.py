"""The pace of a replay: when an instant of the log's time is due on a clock."""

from __future__ import annotations

import math

from evanalytics.clock import Clock
from evanalytics.exceptions import ReplayError


class Pace:
    """Ties the log's time (microseconds from any origin) to a clock, at a speed, with breaks.

    Everything is counted in whole nanoseconds from one pair of instants, so no error adds up;
    a deadline is rounded up, so nothing is early.

    Attributes:
        speed: Seconds of the log per second of the clock; None: everything is due at once.
        is_paused: Whether the log's time stands still.
    """

    def __init__(self, clock: Clock, speed: float | None) -> None:
        """Wait for `begin`.

        Raises:
            ReplayError: The speed is not above zero, or not finite.
        """
        self._clock = clock
        self._start: tuple[int, int] | None = None  # the log's ns, and the clock's ns at that instant
        self._stopped_at: int | None = None  # the log's ns
        self.is_paused = False
        self.speed = _checked(speed)

    def begin(self, log_us: int) -> None:
        """Let the log's time begin now at an instant, unless it is running already."""
        if self._start is None:
            self._start = log_us * 1_000, self._clock.monotonic_ns()

    def forget(self) -> None:
        """Let the log's time begin anew with the next `begin`."""
        self._start = self._stopped_at = None

    def reached_us(self) -> int:
        """Return the log's time now, rounded down; needs a speed, and to have begun."""
        reached = self._reached_ns()
        assert reached is not None
        return reached // 1_000

    def deadline_ns(self, log_us: int) -> int:
        """Return when on the clock an instant is due; needs a speed, and to have begun."""
        assert self._start is not None
        assert self.speed is not None
        log_ns, clock_ns = self._start
        seconds, per_seconds = self.speed.as_integer_ratio()
        return clock_ns - (log_ns - log_us * 1_000) * per_seconds // seconds

    def pause(self) -> None:
        """Stop the log's time."""
        if not self.is_paused:
            self._stopped_at = self._reached_ns()
            self.is_paused = True

    def resume(self) -> None:
        """Let the log's time go on where it was stopped."""
        if self.is_paused:
            self.is_paused = False
            self._go_on_at(self._stopped_at)

    def set_speed(self, speed: float | None) -> None:
        """Go on at another speed from now.

        Raises:
            ReplayError: The speed is not above zero, or not finite.
        """
        speed, reached = _checked(speed), self._reached_ns()
        self.speed = speed
        if not self.is_paused:
            self._go_on_at(reached)

    def _go_on_at(self, log_ns: int | None) -> None:
        self._start = None if log_ns is None else (log_ns, self._clock.monotonic_ns())

    def _reached_ns(self) -> int | None:
        if self.is_paused:
            return self._stopped_at
        if self._start is None or self.speed is None:
            return None
        log_ns, clock_ns = self._start
        seconds, per_seconds = self.speed.as_integer_ratio()
        return log_ns + (self._clock.monotonic_ns() - clock_ns) * seconds // per_seconds


def _checked(speed: float | None) -> float | None:
    if speed is not None and not 0 < speed < math.inf:
        raise ReplayError(f"speed: a number above zero, or None for as fast as possible, got {speed!r}")
    return speed
