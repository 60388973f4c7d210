from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from evanalytics.logs.synthetic.arrivals import Arrivals, arrivals
from evanalytics.logs.synthetic.calendar import DAY, HOUR, MINUTE, START_US
from evanalytics.logs.synthetic.draws import Bools
from evanalytics.logs.synthetic.shop import PAID, PAID_AGAIN, Shop

EVENTS = 40_000
OUTAGE = START_US + DAY + 10 * HOUR + 40 * MINUTE
OUTAGE_ENDS = OUTAGE + 25 * MINUTE


def collected(events: int, groups_per_block: int = 256) -> Arrivals:
    shop = Shop(seed=7, orders=EVENTS // 4, days=3)
    log = Arrivals.none()
    for batch in arrivals(shop, events=events, groups_per_block=groups_per_block):
        log = log.then(batch)
    return log


@cache
def log() -> Arrivals:
    return collected(EVENTS)


def payments(events: Arrivals) -> Bools:
    return np.isin(events.step, (PAID, PAID_AGAIN))


def test_log_has_as_many_events_as_asked_for() -> None:
    assert len(log()) == EVENTS


def test_events_come_in_order_of_arrival() -> None:
    assert (np.diff(log().arrival) >= 0).all()


def test_nothing_arrives_before_it_happens() -> None:
    assert (log().arrival > log().time).all()


@pytest.mark.parametrize("groups", [1, 3, 1000])
def test_log_does_not_depend_on_the_size_of_a_block(groups: int) -> None:
    assert np.array_equal(collected(EVENTS, groups).number, log().number)


def test_number_settles_ties() -> None:
    crowded = Shop(seed=7, orders=100_000_000, days=1)
    events = next(arrivals(crowded, events=40_000))
    tie = np.diff(events.arrival) == 0

    assert tie.any()
    assert (np.diff(events.number)[tie] > 0).all()


def test_shorter_cut_is_a_prefix() -> None:
    assert np.array_equal(collected(1_234).number, log().number[:1_234])


def test_a_copy_follows_its_original_with_the_same_time() -> None:
    copies = np.flatnonzero(log().is_copy)
    position = {number: at for at, number in enumerate(log().number.tolist())}
    originals = np.array([position[number - 1] for number in log().number[copies].tolist()])

    assert (originals < copies).all()
    assert np.array_equal(log().time[originals], log().time[copies])


def test_no_event_comes_more_than_twice() -> None:
    assert len(np.unique(log().number)) == EVENTS


def test_about_twelve_in_a_thousand_are_redelivered() -> None:
    assert np.mean(log().is_copy) == pytest.approx(0.012, abs=0.002)


def test_some_events_are_over_half_an_hour_late() -> None:
    assert (log().arrival - log().time > 30 * MINUTE).any()


def test_no_payment_arrives_during_the_outage() -> None:
    first = log().take(payments(log()) & ~log().is_copy)

    assert not ((first.arrival >= OUTAGE) & (first.arrival < OUTAGE_ENDS)).any()


def test_payments_of_the_outage_arrive_at_a_run_after_it() -> None:
    during = log().take(payments(log()) & ~log().is_copy & (log().time > OUTAGE) & (log().time < OUTAGE_ENDS))

    assert len(during) > 20
    assert np.quantile(during.arrival, 0.95) < OUTAGE_ENDS + 2 * MINUTE
