"""Local days of a time zone: which one an instant is in, and when one begins, at any distance from now."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw

DAY_US = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVEN_DAY = (date(1800, 1, 1) - date(1970, 1, 1)).days
"""Before, no zone has ever changed its offset."""
_LEAP_DAY = (date(2000, 3, 1) - date(1970, 1, 1)).days
"""From here on the calendar repeats every 400 years, of which the last century has the leap day."""
_RULED_DAY = (date(2100, 3, 1) - date(1970, 1, 1)).days
"""From here on zones go by rules such as "the last Sunday of March", so the calendar says it all."""
_YEARS_400, _YEARS_100, _YEARS_28, _YEARS_4 = (days * DAY_US for days in (146_097, 36_524, 10_227, 1_461))

Instant = TypeVar("Instant", int, nw.Expr)


def shift_at(ts: nw.Expr, tz: str, span: tuple[int, int]) -> nw.Expr:
    """Return what to take from each instant of a span so that division by 24 hours gives its local day."""
    ruled, most = _RULED_DAY * DAY_US, _RULED_DAY * DAY_US + _YEARS_28
    near = nw.when(ts >= ruled).then(_alike(ts)).otherwise(ts) if span[1] >= most else ts
    low, high = min(max(span[0] // DAY_US, _EVEN_DAY), _RULED_DAY), min(span[1], most) // DAY_US
    first, changes = _shifts(tz, low - 2, max(high, low) + 2)
    shift: nw.Expr = nw.lit(first, nw.Int64)
    for since, by in changes:
        shift = shift + ((near if since >= ruled else ts) >= since).cast(nw.Int64) * by
    return shift


def day_start_us(tz: str, day: int) -> int:
    """Return the first instant of a zone's local day, days counted from 1970-01-01."""
    near = max(day, _EVEN_DAY)
    if near > _RULED_DAY:
        near = _alike(near * DAY_US) // DAY_US
    local = (_EPOCH + timedelta(days=near)).replace(tzinfo=ZoneInfo(tz))
    return (local.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) + (day - near) * DAY_US


def _alike(instant: Instant) -> Instant:
    """Return the same instant of a year between 2100 and 2128 that has the same dates and weekdays.

    Counted from the first of March, the days of a century are those of any other, and its weekdays are
    those of 28 years, again and again. A century moves the weekdays on by five, as four years do: so
    the n-th century after 2100 is these 28 years, begun 4 n years later.

    Args:
        instant: Microseconds since 1970; 2100-03-01 or later.
    """
    past = (instant - _LEAP_DAY * DAY_US) % _YEARS_400
    century = past // _YEARS_100
    century = century - century // 4  # the leap day that ends 400 years
    return (past - century * (_YEARS_100 - _YEARS_4) + 6 * _YEARS_4) % _YEARS_28 + _RULED_DAY * DAY_US


@lru_cache(maxsize=64)
def _shifts(tz: str, first_day: int, last_day: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return the shift of the first of these local days, and (from when, by how much) it changes.

    A day of 25 hours changes it after 24 of them, so that the last hour still counts as that day.
    """
    starts = {day: day_start_us(tz, day) for day in range(first_day, last_day + 2)}
    shift = {day: start - day * DAY_US for day, start in starts.items()}
    changes = tuple(
        (min(starts[day] + DAY_US, starts[day + 1]), shift[day + 1] - shift[day])
        for day in range(first_day, last_day + 1)
        if shift[day + 1] != shift[day]
    )
    return shift[first_day], changes
