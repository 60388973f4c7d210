"""Windows: which of them an instant belongs to, in integer arithmetic on microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import narwhals.stable.v2 as nw

from evanalytics.durations import Duration, duration_us, format_duration
from evanalytics.exceptions import PolicyError
from evanalytics.records import Record, duration
from evanalytics.streams.local_days import DAY_US, day_start_us, shift_at

Span = tuple[int, int]
"""The earliest and the latest instant that a log speaks of, in microseconds since 1970."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class TumblingWindow(Record):
    """Windows side by side: [k * width, (k + 1) * width), counted from 1970-01-01T00:00.

    Attributes:
        width: More than zero, at most 366 days.
        tz: A time zone such as "America/Chicago" for windows of whole local days, of which some have
            23 or 25 hours. None: UTC.

    Raises:
        PolicyError: A width of zero, a zone that is not known, or a zone with a width that is no
            whole number of days.

    Example:
        >>> TumblingWindow("1 minute").label, TumblingWindow("1d", tz="Europe/Berlin").label
        ('1m', '1d Europe/Berlin')
    """

    width: timedelta
    tz: str | None

    def __init__(self, width: Duration, *, tz: str | None = None) -> None:
        width = duration(width, "TumblingWindow.width", allow_zero=False)
        if tz is not None:
            _check_zone(tz, width)
        self._fill(width=width, tz=tz)

    @property
    def label(self) -> str:
        """What results call the window."""
        return format_duration(self.width) + ("" if self.tz is None else f" {self.tz}")

    @property
    def panes(self) -> int:
        """How many windows an instant belongs to."""
        return 1

    def pane(self, ts: nw.Expr, span: Span) -> nw.Expr:
        """Return the number of the window that holds an instant within a span."""
        if self.tz is None:
            return floor_divided(ts, duration_us(self.width), span[0])
        days = self.width // timedelta(days=1)
        least = span[0] - 2 * DAY_US  # no zone is that far from UTC
        day = floor_divided(ts - shift_at(ts, self.tz, span), DAY_US, least)
        return day if days == 1 else floor_divided(day, days, least // DAY_US)

    def start_us(self, pane: int) -> int:
        """Return when a window begins, in microseconds since 1970."""
        if self.tz is None:
            return pane * duration_us(self.width)
        return day_start_us(self.tz, pane * (self.width // timedelta(days=1)))

    def end_us(self, pane: int) -> int:
        """Return when a window ends: the first instant that is not in it."""
        return self.start_us(pane + 1)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class HoppingWindow(Record):
    """Windows that overlap: [k * hop, k * hop + width), each event in width / hop of them.

    The partial windows at the beginning of a log are kept.

    Attributes:
        width: A whole multiple of `hop`, at most 366 days.
        hop: From one window's start to the next one's; more than zero.

    Raises:
        PolicyError: A duration of zero, or a width that is no multiple of the hop.

    Example:
        >>> HoppingWindow("1h", "5m").label
        '1h/5m'
    """

    width: timedelta
    hop: timedelta

    def __init__(self, width: Duration, hop: Duration) -> None:
        width = duration(width, "HoppingWindow.width", allow_zero=False)
        hop = duration(hop, "HoppingWindow.hop", allow_zero=False)
        if width % hop:
            raise PolicyError(
                f"HoppingWindow.width: needs a multiple of the hop ({format_duration(hop)}), "
                f"got {format_duration(width)}"
            )
        self._fill(width=width, hop=hop)

    @property
    def label(self) -> str:
        """What results call the window."""
        return f"{format_duration(self.width)}/{format_duration(self.hop)}"

    @property
    def panes(self) -> int:
        """How many windows an instant belongs to."""
        return self.width // self.hop

    def pane(self, ts: nw.Expr, span: Span) -> nw.Expr:
        """Return the number of the last window that holds an instant within a span."""
        return floor_divided(ts, duration_us(self.hop), span[0])

    def start_us(self, pane: int) -> int:
        """Return when a window begins, in microseconds since 1970."""
        return pane * duration_us(self.hop)

    def end_us(self, pane: int) -> int:
        """Return when a window ends: the first instant that is not in it."""
        return self.start_us(pane) + duration_us(self.width)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class SessionWindow(Record):
    """Windows of activity: one ends when its key has been silent for the gap.

    A row whose time is `gap` or more after the one before it (by time, of its key) opens the next
    session. A session reaches from its first row's time to its last one's plus the gap. A row is late
    when the watermark at its arrival has reached its time plus the gap.

    Attributes:
        gap: More than zero, at most 366 days.

    Raises:
        PolicyError: The gap is zero or no duration.

    Example:
        >>> SessionWindow("30m").label
        'session 30m'
    """

    gap: timedelta

    def __init__(self, gap: Duration) -> None:
        self._fill(gap=duration(gap, "SessionWindow.gap", allow_zero=False))

    @property
    def label(self) -> str:
        """What results call the window."""
        return f"session {format_duration(self.gap)}"

    @property
    def panes(self) -> int:
        """How many windows an instant belongs to."""
        return 1

    @property
    def gap_us(self) -> int:
        """The gap in microseconds."""
        return duration_us(self.gap)


PanedWindow = TumblingWindow | HoppingWindow
Window = PanedWindow | SessionWindow


def floor_divided(value: nw.Expr, by: int, least: int) -> nw.Expr:
    """Return the quotient rounded down, also of negative values, alike on every engine.

    DuckDB rounds towards zero and Spark divides as doubles; so what is divided is counted from `least`,
    where it is not negative, and small enough to be exact as a double for 285 years of microseconds.

    Args:
        value: Whole numbers.
        by: More than zero.
        least: No value that matters is below; of those that are, polars alone rounds all down.
    """
    if by == 1:
        return value
    first = least // by
    return (value - first * by) // by + first if first else value // by


def _check_zone(tz: str, width: timedelta) -> None:
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PolicyError(
            f"TumblingWindow.tz: no time zone {tz!r}; write one such as 'Europe/Berlin'"
        ) from error
    if width % timedelta(days=1):
        raise PolicyError(
            f"TumblingWindow.tz: a zone needs windows of whole days, got {format_duration(width)}; "
            "shorter ones are the same in UTC"
        )
