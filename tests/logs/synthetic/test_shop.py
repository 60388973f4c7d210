from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from evanalytics.logs.synthetic.calendar import DAY, HOUR, MINUTE, START_US, Calendar, in_flash_sale
from evanalytics.logs.synthetic.draws import Bools, Ints
from evanalytics.logs.synthetic.shop import (
    BLACK20,
    CANCELLED,
    COMPLETED,
    CREATED,
    EDITED,
    INSTALMENT,
    NEVER,
    ORDERS_PER_GROUP,
    PAID,
    PAID_AGAIN,
    PICKUP,
    SHIPPED,
    STEPS,
    WALLET,
    Shop,
)

ORDERS = 20_480
SHOP = Shop(seed=7, orders=ORDERS, days=3)
ORDER = np.arange(ORDERS)
TIMELINE = SHOP.timeline(ORDER)  # a row per step


def happened(step: int) -> Bools:
    occurs: Bools = TIMELINE[step] != NEVER
    return occurs


def orders_between(start: int, end: int) -> int:
    placed = SHOP.placed(ORDER) - START_US
    return int(np.count_nonzero((placed >= start) & (placed < end)))


def test_orders_fall_into_the_days_of_the_period() -> None:
    placed = SHOP.placed(ORDER)

    assert placed.min() >= START_US
    assert placed.max() < START_US + 3 * DAY


def test_period_repeats_without_end() -> None:
    calendar = Calendar(orders=100, days=3)
    position = np.array([7 << 16])

    later = calendar.minute(position + (200 << 16))

    assert later - calendar.minute(position) == 6 * DAY


def test_evening_is_busier_than_night() -> None:
    assert orders_between(DAY + 19 * HOUR, DAY + 21 * HOUR) > 10 * orders_between(
        DAY + 2 * HOUR, DAY + 4 * HOUR
    )


def test_flash_sale_is_a_burst() -> None:
    sale, before = 18 * HOUR, 17 * HOUR

    assert orders_between(sale, sale + 5 * MINUTE) > 5 * orders_between(before, before + 5 * MINUTE)


def test_flash_sale_lasts_half_an_hour_from_six_on_fridays() -> None:
    sale = START_US + 18 * HOUR
    times = np.array([sale - 1, sale, sale + 30 * MINUTE - 1, sale + 30 * MINUTE, sale + DAY, sale + 7 * DAY])

    assert in_flash_sale(times).tolist() == [False, True, True, False, False, True]


def test_coupon_of_the_sale_is_used_in_the_sale_only() -> None:
    used = SHOP.coupon(ORDER) == BLACK20

    assert used.any()
    assert in_flash_sale(SHOP.placed(ORDER[used])).all()


def test_nothing_happens_before_its_group_begins() -> None:
    for group in range(ORDERS // ORDERS_PER_GROUP):
        later = TIMELINE[:, group * ORDERS_PER_GROUP :]

        assert later[later != NEVER].min() >= SHOP.begins(group)


def test_wallets_pay_before_the_order_is_placed() -> None:
    by_wallet = (SHOP.method(ORDER) == WALLET) & happened(PAID) & happened(CREATED)
    early = TIMELINE[CREATED, by_wallet] - TIMELINE[PAID, by_wallet]

    assert (early.min(), early.max()) == pytest.approx((0, 3e6), abs=1e5)


def test_instalments_are_paid_exactly_an_hour_later() -> None:
    so_paid = (SHOP.method(ORDER) == INSTALMENT) & happened(PAID) & happened(CREATED)

    assert np.unique(TIMELINE[PAID, so_paid] - TIMELINE[CREATED, so_paid]).tolist() == [HOUR]


def test_edit_lies_between_order_and_payment() -> None:
    edited = happened(EDITED) & happened(PAID)

    assert (TIMELINE[CREATED, edited] <= TIMELINE[EDITED, edited]).all()
    assert (TIMELINE[EDITED, edited] <= TIMELINE[PAID, edited]).all()


def test_second_payment_follows_a_declined_one() -> None:
    assert SHOP.declined(ORDER[happened(PAID_AGAIN)]).all()
    assert (TIMELINE[PAID_AGAIN] > TIMELINE[PAID])[happened(PAID_AGAIN)].all()


def test_unsettled_orders_are_cancelled_two_hours_later_or_never() -> None:
    cancelled = happened(CANCELLED)

    assert not (cancelled & happened(COMPLETED)).any()
    assert np.unique((TIMELINE[CANCELLED] - TIMELINE[CREATED])[cancelled]).tolist() == [2 * HOUR]


def test_what_is_picked_up_is_not_shipped() -> None:
    assert not (SHOP.shipping(ORDER) == PICKUP)[happened(SHIPPED)].any()


def test_shipping_comes_before_completion() -> None:
    shipped = happened(SHIPPED)

    assert (TIMELINE[SHIPPED] < TIMELINE[COMPLETED])[shipped].all()


def test_phone_orders_leave_payments_only() -> None:
    steps = [step for step in STEPS if happened(step)[SHOP.by_phone(ORDER)].any()]

    assert steps == [PAID, PAID_AGAIN]


def test_customers_are_numbered_below_their_count() -> None:
    customer = SHOP.customer(ORDER)

    assert customer.min() == -1
    assert customer.max() < SHOP.customers


def test_a_customer_keeps_the_country() -> None:
    customer, country = SHOP.customer(ORDER), SHOP.country(ORDER)
    pairs = set(zip(customer[customer >= 0].tolist(), country[customer >= 0].tolist(), strict=True))

    assert len(pairs) == len({customer for customer, _ in pairs})


def test_facts_do_not_depend_on_what_else_is_asked() -> None:
    some: Ints = ORDER[::37]

    assert np.array_equal(SHOP.timeline(some), TIMELINE[:, ::37])


def test_start_of_the_calendar_is_midnight() -> None:
    assert timedelta(microseconds=START_US) % timedelta(days=1) == timedelta(0)
