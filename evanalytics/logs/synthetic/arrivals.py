"""The events of a shop in the order in which they reach the log: late ones, redelivered ones, a backlog."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evanalytics.logs.synthetic.calendar import DAY, HOUR, MINUTE, START_US
from evanalytics.logs.synthetic.draws import Bools, Ints, Quantiles, draw32, happens, key_of
from evanalytics.logs.synthetic.shop import (
    APP,
    CREATED,
    EDITED,
    NEVER,
    ORDERS_PER_GROUP,
    PAID,
    PAID_AGAIN,
    STEPS,
    Shop,
)

# How long an event is on its way to the log: {per mille of cases: seconds}.
_LATENESS = Quantiles.of_seconds({0: 0.01, 900: 0.03, 990: 1, 999: 20, 1000: 120})
_APP_LATENESS = Quantiles.of_seconds({0: 0.02, 500: 0.05, 850: 0.4, 970: 12, 990: 180, 998: 1800, 1000: 9000})
_REDELIVERY_DELAY = Quantiles.of_seconds({0: 1, 500: 5, 900: 60, 990: 600, 1000: 1800})
_REDELIVERED = 12  # per mille of events

_OUTAGE_BEGINS = START_US + DAY + 10 * HOUR + 40 * MINUTE
_OUTAGE_ENDS = _OUTAGE_BEGINS + 25 * MINUTE
_CATCHING_UP = 16  # times as fast as the payments were made

WITHIN_10_MIN, WITHIN_1_H, AT_1_H, BEYOND_1_H = range(1, 5)
FIRST_PAIR = 64


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Events as numbers, one element each.

    Attributes:
        number: 16 * order + 2 * step, plus 1 for a redelivered copy.
        time: When it happened.
        arrival: When it reached the log.
        pairs: Which (order.created, payment.processed) pairs of its order are complete with
            its arrival: the gap of the one with PAID, plus 8 times the gap of the one with
            PAID_AGAIN (0: none), plus FIRST_PAIR if the order had no pair before.
    """

    number: Ints
    time: Ints
    arrival: Ints
    pairs: Ints

    @property
    def order(self) -> Ints:
        """The numbers of the orders."""
        return self.number >> 4

    @property
    def step(self) -> Ints:
        """What happened to the order."""
        return (self.number >> 1) & 7

    @property
    def is_copy(self) -> Bools:
        """Whether the event has been in the log before."""
        return (self.number & 1).astype(np.bool_)

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def none(cls) -> Arrivals:
        """Return no events."""
        return cls(*(np.zeros(0, dtype=np.int64) for _ in range(4)))

    def take(self, rows: Ints | Bools) -> Arrivals:
        """Return some of the events."""
        return Arrivals(self.number[rows], self.time[rows], self.arrival[rows], self.pairs[rows])

    def then(self, other: Arrivals) -> Arrivals:
        """Return these events followed by others."""
        return Arrivals(
            np.concatenate((self.number, other.number)),
            np.concatenate((self.time, other.time)),
            np.concatenate((self.arrival, other.arrival)),
            np.concatenate((self.pairs, other.pairs)),
        )


def arrivals(shop: Shop, *, events: int, groups_per_block: int = 256) -> Iterator[Arrivals]:
    """Yield the first `events` events in order of arrival, then of number, batch by batch.

    Orders are made block by block, and nothing arrives before its block begins: so what has
    arrived before the next block begins is complete, and only events still under way are kept.
    These stay sorted by number, which settles ties; so the size of a block (by default 32,768
    orders, 126,000 events) changes the batches alone.
    """
    under_way = Arrivals.none()
    for group in itertools.count(step=groups_per_block):
        next_group = group + groups_per_block
        order = np.arange(group * ORDERS_PER_GROUP, next_group * ORDERS_PER_GROUP)
        under_way = under_way.then(_events_of(shop, order))
        has_arrived = under_way.arrival < shop.begins(next_group)
        batch = under_way.take(has_arrived)
        under_way = under_way.take(~has_arrived)
        batch = batch.take(np.argsort(batch.arrival, kind="stable")[:events])
        if len(batch):
            yield batch
        events -= len(batch)
        if not events:
            return


def _events_of(shop: Shop, order: Ints) -> Arrivals:
    number = (order << 4) + (np.array(STEPS)[:, None] << 1)
    time = shop.timeline(order)
    arrival = _held_up(time + _lateness(shop, order, number))
    happened = time != NEVER
    grids = number, time, arrival, _pairs(time, arrival, happened)
    return _redelivered(shop.seed, Arrivals(*(grid.T[happened.T] for grid in grids)))


def _lateness(shop: Shop, order: Ints, number: Ints) -> Ints:
    bits = draw32(key_of(shop.seed, "lateness"), number)
    late = _LATENESS.draw(bits)
    by_app = shop.channel(order) == APP
    for step in (CREATED, EDITED):
        late[step, by_app] = _APP_LATENESS.draw(bits[step, by_app])
    return late


def _held_up(arrival: Ints) -> Ints:
    """Let payments that would arrive while their gateway is down arrive after it, at a run."""
    for step in (PAID, PAID_AGAIN):
        held = (arrival[step] >= _OUTAGE_BEGINS) & (arrival[step] < _OUTAGE_ENDS)
        arrival[step, held] = _OUTAGE_ENDS + (arrival[step, held] - _OUTAGE_BEGINS) // _CATCHING_UP
    return arrival


def _pairs(time: Ints, arrival: Ints, happened: Bools) -> Ints:
    """Return `Arrivals.pairs`; each pair is counted at its later event, at the payment in a tie."""
    codes = np.zeros_like(time)
    gaps = {step: _gap(time, happened, step) for step in (PAID, PAID_AGAIN)}
    after = {step: arrival[step] >= arrival[CREATED] for step in gaps}
    for step, scale in ((PAID, 1), (PAID_AGAIN, 8)):
        codes[step] = scale * gaps[step] * after[step]
        codes[CREATED] += scale * gaps[step] * ~after[step]
    is_first = codes > 0
    again_first = is_first[PAID_AGAIN] & (arrival[PAID_AGAIN] < arrival[PAID])
    is_first[PAID] &= ~is_first[CREATED] & ~again_first
    is_first[PAID_AGAIN] &= ~is_first[CREATED] & ~is_first[PAID]
    return codes + FIRST_PAIR * is_first


def _gap(time: Ints, happened: Bools, step: int) -> Ints:
    gap = np.abs(time[step] - time[CREATED])
    code = WITHIN_10_MIN + (gap > 10 * MINUTE) + (gap >= HOUR) + (gap > HOUR)
    return np.where(happened[step] & happened[CREATED], code, 0)


def _redelivered(seed: int, events: Arrivals) -> Arrivals:
    """Return the events with a copy, which arrives later, behind some of them."""
    twice = happens(draw32(key_of(seed, "redelivered"), events.number), _REDELIVERED)
    events = events.take(np.repeat(np.arange(len(events)), 1 + twice))
    copy = np.zeros(len(events), dtype=np.bool_)
    copy[1:] = events.number[1:] == events.number[:-1]
    delay = _REDELIVERY_DELAY.draw(draw32(key_of(seed, "redelivery delay"), events.number))
    arrival = events.arrival + np.where(copy, delay, 0)
    return Arrivals(events.number + copy, events.time, arrival, np.where(copy, 0, events.pairs))
