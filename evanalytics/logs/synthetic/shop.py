"""The shop behind the sample log: who orders what, and what follows from an order.

Everything is a function of the seed and the order's number, so an order can be computed again
wherever it is needed and nothing is kept. Times are microseconds since 1970, money is counted
in quarters (0.25) of the currency: sums of either are exact.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from evanalytics.logs.synthetic.calendar import HOUR, MINUTE, Calendar, in_flash_sale
from evanalytics.logs.synthetic.draws import (
    Bools,
    Choice,
    Ints,
    Quantiles,
    Zipf,
    draw32,
    draw64,
    happens,
    key_of,
)

CREATED, EDITED, PAID, PAID_AGAIN, SHIPPED, COMPLETED, CANCELLED = STEPS = range(7)
"""What can happen to an order, each at most once; the order of arrival at equal instants."""
NEVER = -1
WEB, APP = range(2)
CARD, WALLET, LINK, TRANSFER, INSTALMENT = range(5)
STANDARD, EXPRESS, PICKUP = range(3)
NO_COUPON, WELCOME10, BLACK20 = range(3)
ORDERS_PER_GROUP = 128
"""A group's orders are placed at random in the group's time: their numbers were given before."""
EARLIEST_US = -3_000_000
"""No event happens earlier than this after its order (a wallet pays first)."""

# How long things take: {per mille of cases: seconds}.
_PAYMENT_DELAY = {
    CARD: Quantiles.of_seconds({0: 8, 500: 65, 900: 240, 990: 540, 1000: 1500}),
    WALLET: Quantiles.of_seconds({0: -3, 800: -0.2, 1000: 0}),
    LINK: Quantiles.of_seconds({0: 30, 500: 720, 900: 3300, 970: 5400, 1000: 14_400}),
    TRANSFER: Quantiles.of_seconds({0: 600, 200: 3000, 500: 10_800, 900: 28_800, 1000: 50_400}),
    INSTALMENT: Quantiles.of_seconds({0: 3600, 1000: 3600}),
}
_EDIT_DELAY = Quantiles.of_seconds({0: 5, 500: 40, 1000: 600})
_RETRY_DELAY = Quantiles.of_seconds({0: 15, 500: 45, 1000: 180})
_SHIPPING_DELAY = Quantiles.of_seconds({0: 900, 500: 4500, 900: 12_000, 1000: 18_000})
_DELIVERY_DELAY = Quantiles.of_seconds({0: 600, 500: 3000, 900: 8400, 1000: 14_400})
_PICKUP_DELAY = Quantiles.of_seconds({0: 1200, 500: 7200, 1000: 28_800})
_CANCELLED_AFTER = 2 * HOUR

_METHOD = Choice((58, 14, 16, 9, 3))
_SHIPPING = Choice((66, 20, 14))
_COUNTRY = Choice((34, 14, 9, 13, 24, 6))
_MORE_ITEMS = Choice((42, 23, 13, 8, 5, 4, 2, 1, 1, 1))
_PERCENT_OFF = np.array((0, 10, 20))  # by coupon
_UNIT_PRICE = Quantiles({0: 8, 500: 56, 900: 220, 990: 800, 1000: 3600})


class Shop:
    """A shop that takes about `orders` orders in `days` days, and goes on after them.

    Every method takes order numbers (0, 1, 2, ...) and returns one value for each.
    """

    def __init__(self, *, seed: int, orders: int, days: int) -> None:
        """Open the shop; it has a sixth as many customers as orders, but at least 50."""
        self.seed = seed
        self.customers = max(50, orders // 6)
        self._popularity = Zipf(self.customers, flatness=20)
        self._calendar = Calendar(orders=orders, days=days)
        self._key = cache(lambda name: key_of(seed, name))

    def placed(self, order: Ints) -> Ints:
        """Return when an order is placed."""
        bits = draw64(self._key("placed"), order)
        within = (bits >> np.uint64(64 - 23)).astype(np.int64)  # ORDERS_PER_GROUP << 16 positions
        minute = self._calendar.minute((order // ORDERS_PER_GROUP * ORDERS_PER_GROUP << 16) + within)
        return minute + ((bits & np.uint64(0xFFFFFFFF)).astype(np.int64) * MINUTE >> 32)

    def begins(self, group: int) -> int:
        """Return an instant before every event of a group of orders and of the groups after it."""
        position = np.array([group * ORDERS_PER_GROUP << 16], dtype=np.int64)
        return int(self._calendar.minute(position)[0]) + EARLIEST_US

    def by_phone(self, order: Ints) -> Bools:
        """Return whether it was taken by phone: another system keeps it, only its payments are ours."""
        return self._happens("phone", order, 12)

    def channel(self, order: Ints) -> Ints:
        """Return WEB or APP."""
        return self._happens("app", order, 400).astype(np.int64)

    def customer(self, order: Ints) -> Ints:
        """Return the customer's number, or -1 for a guest."""
        rank = self._popularity.draw(self._draw("customer", order))
        shuffled = rank * 1_000_000_007 % self.customers  # the factor is prime: one to one
        return np.where(self._happens("guest", order, 40), -1, shuffled)

    def country(self, order: Ints) -> Ints:
        """Return a code of the country: a customer's own; a guest's varies."""
        customer = self.customer(order)
        return _COUNTRY.draw(self._draw("country", np.where(customer < 0, -1 - order, customer)))

    def shipping(self, order: Ints) -> Ints:
        """Return STANDARD, EXPRESS or PICKUP."""
        return _SHIPPING.draw(self._draw("shipping", order))

    def method(self, order: Ints) -> Ints:
        """Return how it is paid: CARD, WALLET, LINK, TRANSFER or INSTALMENT."""
        return _METHOD.draw(self._draw("method", order))

    def coupon(self, order: Ints) -> Ints:
        """Return BLACK20 for most orders of a flash sale, WELCOME10 for some others, or NO_COUPON."""
        sale = in_flash_sale(self.placed(order)) & self._happens("black20", order, 700)
        return np.where(sale, BLACK20, np.where(self._happens("welcome", order, 80), WELCOME10, NO_COUPON))

    def edited(self, order: Ints) -> Bools:
        """Return whether the customer adds an item before paying; a wallet leaves no time for it."""
        return self._happens("edited", order, 150) & np.not_equal(self.method(order), WALLET)

    def pays(self, order: Ints) -> Bools:
        """Return whether there is a payment at all."""
        return ~self._happens("unpaid", order, 60)

    def declined(self, order: Ints) -> Bools:
        """Return whether the first payment is declined, as happens to cards."""
        by_card = np.equal(self.method(order), CARD)
        return self._happens("declined", order, 60) & by_card & self.pays(order)

    def items(self, order: Ints) -> Ints:
        """Return the number of items as first ordered."""
        return 1 + _MORE_ITEMS.draw(self._draw("items", order))

    def total(self, order: Ints, *, items: Ints, coupon: Ints) -> Ints:
        """Return what so many items cost in this order with this coupon, in quarters."""
        full = items * _UNIT_PRICE.draw(self._draw("price", order))
        discount: Ints = full * _PERCENT_OFF[coupon] // 100
        return full - discount

    def timeline(self, order: Ints) -> Ints:
        """Return when each step happens, or NEVER: one row per step, one column per order."""
        placed, phone = self.placed(order), self.by_phone(order)
        pays, declined = self.pays(order), self.declined(order)
        retried = declined & self._happens("retried", order, 800)
        settled = pays & (retried | ~declined)
        cancelled = ~settled & self._happens("cancelled", order, 800)
        waiting = self._payment_delay(order)
        paid = placed + waiting
        again = paid + _RETRY_DELAY.draw(self._draw("retry delay", order))
        edit = np.minimum(_EDIT_DELAY.draw(self._draw("edit delay", order)), waiting // 2)
        shipped, completed, ships = self._fulfilment(order, np.where(retried, again, paid))

        steps: dict[int, tuple[Ints, Bools]] = {
            CREATED: (placed, ~phone),
            EDITED: (placed + edit, ~phone & self.edited(order)),
            PAID: (paid, pays),
            PAID_AGAIN: (again, retried),
            SHIPPED: (shipped, ~phone & settled & ships),
            COMPLETED: (completed, ~phone & settled),
            CANCELLED: (placed + _CANCELLED_AFTER, ~phone & cancelled),
        }
        return np.stack([np.where(occurs, time, NEVER) for time, occurs in (steps[step] for step in STEPS)])

    def _payment_delay(self, order: Ints) -> Ints:
        bits, method = self._draw("payment delay", order), self.method(order)
        delay = np.empty_like(order)
        for code, quantiles in _PAYMENT_DELAY.items():
            paid_so = method == code
            delay[paid_so] = quantiles.draw(bits[paid_so])
        return delay

    def _fulfilment(self, order: Ints, settled: Ints) -> tuple[Ints, Ints, Bools]:
        ships = self.shipping(order) != PICKUP
        bits = self._draw("completion delay", order)
        shipped = settled + _SHIPPING_DELAY.draw(self._draw("shipping delay", order))
        delivered = shipped + _DELIVERY_DELAY.draw(bits)
        return shipped, np.where(ships, delivered, settled + _PICKUP_DELAY.draw(bits)), ships

    def _draw(self, name: str, index: Ints) -> Ints:
        return draw32(self._key(name), index)

    def _happens(self, name: str, index: Ints, per_mille: int) -> Bools:
        return happens(self._draw(name, index), per_mille)
