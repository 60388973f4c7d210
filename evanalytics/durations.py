"""Durations at the door: `timedelta` or text such as "5s"; integers of microseconds inside."""

from __future__ import annotations

import re
from datetime import timedelta

from evanalytics.exceptions import DurationError

Duration = timedelta | str

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_SPELLINGS = {
    "us": ("us", "µs", "μs", "microsecond", "microseconds"),
    "ms": ("ms", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_UNIT_OF = {spelling: unit for unit, names in _SPELLINGS.items() for spelling in names}
_PART = re.compile(r"\s*(\d+)(?:\.(\d+))?\s*([a-zµμ]+)\s*,?", re.ASCII)
_MAX_US = 2**62 // 1_000  # so that nanoseconds, and sums of two, still fit into 64 bits


def parse_duration(value: Duration, *, name: str = "duration", allow_zero: bool = True) -> timedelta:
    """Return a duration given as a `timedelta` or as text.

    Text is one or more numbers with units: "500ms", "1 hour", "1h30m", "0.5 s". A bare
    number is refused, for nobody can tell its unit. Zero is allowed unless told otherwise.

    Args:
        value: The duration. Units from microseconds ("us") to weeks ("w").
        name: What the duration is for; errors begin with it.
        allow_zero: Whether an empty duration makes sense here.

    Raises:
        DurationError: The value is no duration, is negative, is finer than a microsecond,
            or is longer than 146 years.

    Example:
        >>> parse_duration("1h30m")
        datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta):
        us = value // timedelta(microseconds=1)
    elif isinstance(value, str):
        us = _parse_text(value, name)
    else:
        raise DurationError(
            f"{name}: a duration needs its unit, got {value!r}; write '5s' or timedelta(seconds=5)"
        )
    if us < 0 or (us == 0 and not allow_zero):
        least = "zero or more" if allow_zero else "more than zero"
        raise DurationError(f"{name}: must be {least}, got {value!r}")
    if us > _MAX_US:
        raise DurationError(f"{name}: longer than 146 years, got {value!r}")
    return timedelta(microseconds=us)


def duration_us(value: timedelta) -> int:
    """Return a duration as whole microseconds.

    Example:
        >>> duration_us(timedelta(milliseconds=5))
        5000
    """
    return value // timedelta(microseconds=1)


def duration_ns(value: timedelta) -> int:
    """Return a duration as nanoseconds.

    Example:
        >>> duration_ns(timedelta(microseconds=5))
        5000
    """
    return duration_us(value) * 1_000


def format_duration(value: timedelta) -> str:
    """Return text that `parse_duration` reads back as the same duration.

    The largest unit that divides the duration without a rest is used.

    Example:
        >>> format_duration(timedelta(minutes=90)), format_duration(timedelta(seconds=5))
        ('90m', '5s')
    """
    us = duration_us(value)
    for unit in ("d", "h", "m", "s", "ms"):
        if us and us % _UNITS_US[unit] == 0:
            return f"{us // _UNITS_US[unit]}{unit}"
    return f"{us}us" if us else "0s"


def _parse_text(text: str, name: str) -> int:
    hint = "write a number and a unit, such as '5s', '500ms', '1 hour' or '1h30m'"
    rest, total = text.strip().lower(), 0
    if not rest:
        raise DurationError(f"{name}: empty text; {hint}")
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise DurationError(f"{name}: cannot read {text!r}; {hint}")
        whole, fraction, spelling = part.groups()
        unit = _UNIT_OF.get(spelling)
        if unit is None:
            raise DurationError(f"{name}: unknown unit {spelling!r} in {text!r}; {hint}")
        total += int(whole) * _UNITS_US[unit] + _fraction_us(fraction or "", unit, text, name)
        rest = rest[part.end() :]
    return total


def _fraction_us(digits: str, unit: str, text: str, name: str) -> int:
    us, rest = divmod(int(digits or "0") * _UNITS_US[unit], int(10 ** len(digits)))
    if rest:
        raise DurationError(f"{name}: {text!r} is finer than a microsecond")
    return us
