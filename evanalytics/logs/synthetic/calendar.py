"""When people order: hours of the day, days of the week, a daily newsletter, a flash sale on Fridays."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from evanalytics.logs.synthetic.draws import Bools, Ints

START = datetime(2025, 11, 28, tzinfo=UTC)  # a Friday, "Black Friday"
SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
START_US = int(START.timestamp()) * SECOND

_MINUTES = 1440
_HOURS = (6, 4, 3, 3, 4, 7, 14, 24, 36, 45, 50, 54, 60, 56, 52, 52, 56, 66, 78, 88, 90, 70, 40, 18)
_DAYS = (140, 100, 85, 120, 90, 90, 95)  # from Friday on
_NEWSLETTER = (9 * 60, 20, 2)  # from minute, for minutes, extra orders at its start (times the usual)
_FLASH_SALE = (18 * 60, 30, 6)


class Calendar:
    """The minute in which each order is placed, for `orders` orders in so many days, and so on for ever.

    Within a minute orders come evenly spread; the next period repeats the first.
    """

    def __init__(self, *, orders: int, days: int) -> None:
        """Lay out the period; `days` whole days from `START`."""
        weights = np.concatenate([_day(number % 7) for number in range(days)])
        total = sum(weights.tolist())
        ends = [end * (orders << 16) // total for end in np.cumsum(weights).tolist()]
        self._ends = np.array(ends, dtype=np.int64)
        self._period, self._period_us = orders << 16, days * DAY

    def minute(self, position: Ints) -> Ints:
        """Return when the minute begins that holds a position, counted in 65536ths of an order."""
        minute: Ints = np.searchsorted(self._ends, position % self._period, side="right")
        return START_US + position // self._period * self._period_us + minute * MINUTE


def in_flash_sale(time: Ints) -> Bools:
    """Return whether an order placed then takes part in a flash sale."""
    first, minutes, _ = _FLASH_SALE
    since_friday = (time - START_US) % (7 * DAY)
    return (since_friday >= first * MINUTE) & (since_friday < (first + minutes) * MINUTE)


def _day(weekday: int) -> Ints:
    hours = np.array((*_HOURS, _HOURS[0]), dtype=np.int64)
    hour, minute = np.divmod(np.arange(_MINUTES), 60)
    weights: Ints = (hours[hour] * (60 - minute) + hours[hour + 1] * minute) * _DAYS[weekday]
    for first, minutes, extra in (_NEWSLETTER, _FLASH_SALE) if weekday == 0 else (_NEWSLETTER,):
        left = minutes - np.arange(minutes)
        weights[first : first + minutes] += weights[first : first + minutes] * extra * left // minutes
    return weights
