"""What is true of a sample log: counted while it is made, so that every reader can be judged by it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from evanalytics.exceptions import SampleError
from evanalytics.logs.synthetic.arrivals import (
    AT_1_H,
    BEYOND_1_H,
    FIRST_PAIR,
    WITHIN_1_H,
    WITHIN_10_MIN,
    Arrivals,
)
from evanalytics.logs.synthetic.columns import PAYMENT_STATUSES, STATUSES, TYPES, Details
from evanalytics.logs.synthetic.draws import Bools, Ints
from evanalytics.logs.synthetic.shop import CREATED, PAID, PAID_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleAnswers:
    """The known answers of one sample log.

    "Unique" means after de-duplication by id; a pair is an `order.created` and a
    `payment.processed` with the same `data.orderId`, both unique. An order or payment that has
    pairs only beyond an hour has exactly one; so an outer join within one hour leaves
    `orders_without_payment + pairs_beyond_1h` orders and `payments_without_order +
    pairs_beyond_1h` payments unmatched.

    Attributes:
        seed: What the log was drawn from, together with `events` and `days`.
        days: How many days the events were laid out for.
        events: Rows in the log.
        duplicates: Rows whose id an earlier row has.
        out_of_order: Rows whose time is below that of an earlier row.
        start_us: The earliest time, in microseconds since 1970.
        end_us: The latest time, in microseconds since 1970.
        customers: Distinct values of `data.customerId`, null not among them.
        events_by_type: Rows by type.
        unique_events_by_type: The same, unique.
        total_by_status: Sums of `data.total` over rows, by `data.status`.
        unique_total_by_status: The same, unique.
        amount_by_status: Sums of `data.amount` over rows, by `data.status`.
        unique_amount_by_status: The same, unique.
        pairs_within_10_min: Pairs at most 10 minutes apart.
        pairs_within_1h: Pairs at most 1 hour apart, those within 10 minutes included.
        pairs_at_1h: Pairs exactly 1 hour apart; `pairs_within_1h` has them.
        pairs_beyond_1h: Pairs more than 1 hour apart.
        orders_without_payment: Unique `order.created` without any pair.
        payments_without_order: Unique `payment.processed` without any pair.
    """

    seed: int
    days: int
    events: int
    duplicates: int
    out_of_order: int
    start_us: int
    end_us: int
    customers: int
    events_by_type: dict[str, int]
    unique_events_by_type: dict[str, int]
    total_by_status: dict[str, float]
    unique_total_by_status: dict[str, float]
    amount_by_status: dict[str, float]
    unique_amount_by_status: dict[str, float]
    pairs_within_10_min: int
    pairs_within_1h: int
    pairs_at_1h: int
    pairs_beyond_1h: int
    orders_without_payment: int
    payments_without_order: int

    def to_json(self) -> str:
        """Return the answers as indented JSON text."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> SampleAnswers:
        """Return the answers that `to_json` wrote.

        Raises:
            SampleError: The text is something else.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise SampleError(f"not the answers of a sample log: {error}") from error


class Tally:
    """Counts a sample log while it goes by, batch by batch in order of arrival."""

    def __init__(self, *, customers: int) -> None:
        """Begin; `customers` is one more than the highest customer number."""
        self._rows = np.zeros((2, len(TYPES)), dtype=np.int64)  # first arrivals, copies
        self._quarters = np.zeros((2, len(STATUSES)), dtype=np.int64)
        self._pairs = np.zeros(2 * FIRST_PAIR, dtype=np.int64)
        self._customers = np.zeros(customers, dtype=np.bool_)
        self._out_of_order = 0
        self._start_us, self._end_us = np.iinfo(np.int64).max, np.iinfo(np.int64).min

    def add(self, events: Arrivals, details: Details) -> None:
        """Count one batch."""
        copy = events.is_copy
        self._rows += _count(copy, details.step, len(TYPES))
        self._quarters += _count(copy, details.status, len(STATUSES), weights=details.quarters)
        self._pairs += np.bincount(events.pairs, minlength=len(self._pairs))
        self._customers[details.customer[details.customer >= 0]] = True
        latest = np.maximum.accumulate(np.concatenate(([self._end_us], events.time)))
        self._out_of_order += int(np.count_nonzero(events.time < latest[:-1]))
        self._start_us = min(self._start_us, int(events.time.min()))
        self._end_us = int(latest[-1])

    def answers(self, *, seed: int, days: int) -> SampleAnswers:
        """Return the answers for what went by."""
        first, rows = self._rows[0], self._rows.sum(axis=0)
        first_money, money = self._quarters[0], self._quarters.sum(axis=0)
        gaps, paid_orders = self._gaps(), int(self._pairs[FIRST_PAIR:].sum())
        return SampleAnswers(
            seed=seed,
            days=days,
            events=int(rows.sum()),
            duplicates=int(self._rows[1].sum()),
            out_of_order=self._out_of_order,
            start_us=self._start_us,
            end_us=self._end_us,
            customers=int(np.count_nonzero(self._customers)),
            events_by_type=_counts(rows),
            unique_events_by_type=_counts(first),
            total_by_status=_sums(money, of_payments=False),
            unique_total_by_status=_sums(first_money, of_payments=False),
            amount_by_status=_sums(money, of_payments=True),
            unique_amount_by_status=_sums(first_money, of_payments=True),
            pairs_within_10_min=gaps[WITHIN_10_MIN],
            pairs_within_1h=gaps[WITHIN_10_MIN] + gaps[WITHIN_1_H] + gaps[AT_1_H],
            pairs_at_1h=gaps[AT_1_H],
            pairs_beyond_1h=gaps[BEYOND_1_H],
            orders_without_payment=int(first[CREATED]) - paid_orders,
            payments_without_order=int(first[PAID] + first[PAID_AGAIN]) - sum(gaps.values()),
        )

    def _gaps(self) -> dict[int, int]:
        code = np.arange(len(self._pairs))
        of_paid, of_paid_again = code & 7, (code >> 3) & 7
        return {
            gap: int(self._pairs[of_paid == gap].sum() + self._pairs[of_paid_again == gap].sum())
            for gap in (WITHIN_10_MIN, WITHIN_1_H, AT_1_H, BEYOND_1_H)
        }


def _count(copy: Bools, code: Ints, codes: int, weights: Ints | None = None) -> Ints:
    """Return counts or sums as integers: one row of first arrivals, one of copies; exact below 2**53."""
    return np.bincount(code + codes * copy, weights, minlength=2 * codes).reshape(2, codes).astype(np.int64)


def _counts(rows: Ints) -> dict[str, int]:
    counts = dict.fromkeys(TYPES, 0)
    for name, count in zip(TYPES, rows.tolist(), strict=True):
        counts[name] += count
    return {name: count for name, count in counts.items() if count}


def _sums(quarters: Ints, *, of_payments: bool) -> dict[str, float]:
    sums = dict.fromkeys(STATUSES, 0)
    for name, amount in zip(STATUSES, quarters.tolist(), strict=True):
        sums[name] += amount
    return {
        name: amount / 4
        for name, amount in sums.items()
        if amount and (name in PAYMENT_STATUSES) == of_payments
    }
