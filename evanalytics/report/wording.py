"""Numbers, shares, times and sizes as a report writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evanalytics.tuning.constraints import format_ns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_LONG = (("d", 86_400), ("h", 3_600), ("min", 60))


def share(part: float, whole: float = 1.0) -> str:
    """Return a share in percent; one that is not nothing never reads as nothing, nor one below all as all.

    Example:
        >>> share(1, 3), share(1, 100_000), share(0.99999), share(0, 5), share(5, 5)
        ('33.3 %', '< 0.1 %', '> 99.9 %', '0 %', '100 %')
    """
    value = part / whole if whole else 0.0
    if value in (0.0, 1.0):
        return f"{value:.0%}".replace("%", " %")
    if value < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if value >= 0.9995 else f"{value * 100:.1f} %"


def number(value: float) -> str:
    """Return a number to three digits, or whole with commas.

    Example:
        >>> number(12345.6), number(0.012345), number(7.0)
        ('12,346', '0.0123', '7')
    """
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def rate(per_second: float) -> str:
    """Return a rate in events per second, minute, hour or day, whichever reads best.

    Example:
        >>> rate(12.34), rate(0.0773), rate(0.0002), rate(1e-6)
        ('12.3 per second', '4.64 per minute', '0.72 per hour', '0.0864 per day')
    """
    for unit, seconds in (("second", 1), ("minute", 60), ("hour", 3_600)):
        if per_second * seconds >= 0.5:
            return f"{number(per_second * seconds)} per {unit}"
    return f"{number(per_second * 86_400)} per day"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    Example:
        >>> counted(1, "event"), counted(1200, "event")
        ('1 event', '1,200 events')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """Return a number of bytes with a fitting unit.

    Example:
        >>> size(1_316_160), size(32)
        ('1.32 MB', '32 bytes')
    """
    for unit, one in _BYTES:
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count:.0f} bytes"


def lasting(duration: timedelta) -> str:
    """Return how long something lasts, in its two largest units.

    Example:
        >>> lasting(timedelta(hours=25, minutes=3)), lasting(timedelta(milliseconds=1_500))
        ('1 d 1 h', '1.5 s')
    """
    seconds = duration / timedelta(seconds=1)
    for place, (unit, one) in enumerate(_LONG):
        if seconds >= one:
            rest, (below, small) = seconds % one, (*_LONG, ("s", 1))[place + 1]
            return f"{seconds // one:.0f} {unit}" + (f" {rest // small:.0f} {below}" if rest >= small else "")
    return format_ns(round(seconds * 1e9)).replace("us", "µs").replace("0 ns", "0 s")


def seconds_lasting(seconds: float) -> str:
    """Return how long so many seconds last."""
    return lasting(timedelta(seconds=seconds))


def instant(time: datetime) -> str:
    """Return an instant to the second (UTC)."""
    return f"{time:%Y-%m-%d %H:%M:%S}"


def instant_of(us: int) -> str:
    """Return an instant given in microseconds since 1970."""
    return instant(_EPOCH + timedelta(microseconds=us))
