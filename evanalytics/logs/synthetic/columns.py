"""The events of the sample log as columns: flat typed `data__*`, as the library keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from evanalytics.logs import schema
from evanalytics.logs.synthetic.arrivals import Arrivals
from evanalytics.logs.synthetic.draws import Bools, Ints
from evanalytics.logs.synthetic.identifiers import event_ids, numbered
from evanalytics.logs.synthetic.shop import (
    CANCELLED,
    COMPLETED,
    CREATED,
    EDITED,
    PAID,
    PAID_AGAIN,
    PICKUP,
    Shop,
)

TYPES = (
    "order.created",
    "order.updated",
    "payment.processed",
    "payment.processed",
    "order.updated",
    "order.completed",
    "order.cancelled",
)
"""The event type of each step."""
STATUSES = ("PENDING", "PENDING", "APPROVED", "APPROVED", "SHIPPED", "COMPLETED", "CANCELLED", "DECLINED")
"""The status after each step, and that of a payment declined."""
PAYMENT_STATUSES = ("APPROVED", "DECLINED")
SOURCES = ("web-shop", "mobile-app", "payment-gateway", "order-service")

_DECLINED = 7
_COUNTRIES = ("DE", "FR", "NL", "GB", "US", "PL")
_CURRENCIES = ("EUR", "EUR", "EUR", "GBP", "USD", "PLN")
_METHODS = ("card", "wallet", "payment_link", "bank_transfer", "instalment")
_SHIPPING = ("standard", "express", "pickup")
_COUPONS = (None, "WELCOME10", "BLACK20")
_REASONS = ("unpaid", "declined")


@dataclass(frozen=True, slots=True)
class Details:
    """What columns and answers both need of a batch of events, one element each.

    Attributes:
        order: The order's number.
        step: What happened to it.
        status: An index into `STATUSES`.
        quarters: The order's total, or the payment's amount, in quarters.
        customer: The customer's number; -1 for guests and for payments, which name none.
        items: The number of items.
        coupon: An index into the coupons.
        is_payment: Whether it is a payment.
    """

    order: Ints
    step: Ints
    status: Ints
    quarters: Ints
    customer: Ints
    items: Ints
    coupon: Ints
    is_payment: Bools


def details_of(shop: Shop, events: Arrivals) -> Details:
    """Compute the details of a batch again from the orders' numbers."""
    order, step = events.order, events.step
    is_payment = (step == PAID) | (step == PAID_AGAIN)
    items = shop.items(order) + (shop.edited(order) & (step != CREATED))
    coupon = shop.coupon(order)
    return Details(
        order=order,
        step=step,
        status=np.where((step == PAID) & shop.declined(order), _DECLINED, step),
        quarters=shop.total(order, items=items, coupon=coupon),
        customer=np.where(is_payment, -1, shop.customer(order)),
        items=items,
        coupon=coupon,
        is_payment=is_payment,
    )


def frame_of(shop: Shop, events: Arrivals, details: Details) -> pl.DataFrame:
    """Return a batch of events as a frame: id, type, source, time and the payload's columns."""
    order, step, pays = details.order, details.step, details.is_payment
    basket = (step == CREATED) | (step == EDITED)
    shipping = ~pays & (step != CANCELLED) & (step != COMPLETED)
    country, method = shop.country(order), shop.shipping(order)
    payment = 2 * order + (step == PAID_AGAIN)
    money = pl.Series(details.quarters) * 0.25
    columns = {
        "id": event_ids(shop.seed, events.number >> 1),
        "type": _words(TYPES, step),
        "source": _words(SOURCES, np.where(basket, shop.channel(order), np.where(pays, 2, 3))),
        "time": pl.Series(events.time).cast(schema.ENVELOPE[schema.TIME]),
        "data__orderId": numbered("o", order),
        "data__customerId": numbered("c", details.customer, only=details.customer >= 0),
        "data__id": numbered("p", payment, only=pays),
        "data__status": _words(STATUSES, details.status),
        "data__total": _only(money, ~pays),
        "data__amount": _only(money, pays),
        "data__currency": _words(_CURRENCIES, country),
        "data__items": _only(pl.Series(details.items), basket),
        "data__coupon": _words(_COUPONS, details.coupon, only=basket),
        "data__shipping__method": _words(_SHIPPING, method, only=shipping),
        "data__shipping__country": _words(_COUNTRIES, country, only=shipping & (method != PICKUP)),
        "data__method": _words(_METHODS, shop.method(order), only=pays),
        "data__reason": _words(_REASONS, shop.declined(order).astype(np.int64), only=step == CANCELLED),
    }
    return pl.DataFrame(columns)


def _words(words: Sequence[str | None], code: Ints, *, only: Bools | None = None) -> pl.Series:
    code = code if only is None else np.where(only, code, len(words))
    return pl.Series([*words, None], dtype=pl.String).gather(pl.Series(code.astype(np.uint32)))


def _only(values: pl.Series, where: Bools) -> pl.Series:
    return pl.select(pl.when(pl.Series(where)).then(values)).to_series()
