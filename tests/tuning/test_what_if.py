from __future__ import annotations

import numpy as np
import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import PolicyError, TuningError
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.what_if import PRESETS, Burst, flash_sale, retry_storm, slow_consumer, what_if
from tests.benchmarks.traffic import bursty_traffic

S = 1_000_000_000
ARRIVALS = bursty_traffic(4_000)


def test_the_same_traffic_is_the_same_log():
    same = what_if(ARRIVALS)

    assert same.time_ns.tolist() == ARRIVALS.time_ns.tolist()
    assert same.seq.tolist() == ARRIVALS.seq.tolist()


def test_twice_the_traffic_has_every_event_twice():
    doubled = what_if(ARRIVALS, traffic=2)

    assert np.bincount(doubled.seq).tolist() == [2] * 4_000


def test_half_the_traffic_leaves_out_about_half():
    assert 1_800 < len(what_if(ARRIVALS, traffic=0.5)) < 2_200


def test_every_event_stays_where_it_was_and_its_copies_come_before_the_next():
    doubled = what_if(ARRIVALS, traffic=2)

    for seq, arrival in enumerate(ARRIVALS.time_ns[:-1].tolist()):
        times = doubled.time_ns[doubled.seq == seq].tolist()
        assert times[0] == arrival
        assert times[1] <= ARRIVALS.time_ns[seq + 1]


def test_a_burst_multiplies_the_traffic_inside_it_only():
    burst = Burst(at="1s", lasting="500ms", factor=3)

    copies = np.bincount(what_if(ARRIVALS, bursts=[burst]).seq)

    inside = (ARRIVALS.time_ns >= S) & (ARRIVALS.time_ns < 3 * S // 2)
    assert inside.sum() > 0
    assert set(copies[inside]) == {3}
    assert set(copies[~inside]) == {1}


def test_a_burst_of_nothing_is_an_outage():
    gone = what_if(ARRIVALS, bursts=[Burst(at="1s", lasting="500ms", factor=0)])

    assert not np.any((gone.time_ns >= S) & (gone.time_ns < 3 * S // 2))


def test_an_empty_log_stays_empty():
    assert len(what_if([], traffic=5)) == 0


def test_far_too_many_events_are_refused():
    with pytest.raises(TuningError, match=r"there would be 300,000,000 events"):
        what_if(np.zeros(300_000, np.int64), traffic=1_000)


@pytest.mark.parametrize("traffic", [-1, 1_001, "twice"])
def test_traffic_is_a_sensible_number(traffic):
    with pytest.raises(PolicyError, match=r"what_if\.traffic: needs a number from 0 to 1000"):
        what_if([0], traffic=traffic)


def test_a_burst_goes_to_json_and_comes_back_equal():
    burst = Burst(at="1h", lasting="5m", factor=10)

    assert Burst.from_json(burst.to_json()) == burst


def test_a_flash_sale_comes_at_the_busiest_moment():
    arrivals, settings = flash_sale(ARRIVALS, Settings())

    copies = np.bincount(arrivals.seq)
    assert settings == Settings()
    assert set(copies) == {1, 10}
    assert 40 < (copies == 10).sum() < 800


def test_a_flash_sale_may_come_after_years():
    day = 86_400 * S
    arrivals = Arrivals.of_times([0, 100 * day, *[700 * day] * 5, 800 * day])

    assert np.bincount(flash_sale(arrivals, Settings())[0].seq).tolist() == [1, 1, *[10] * 5, 1]


def test_a_retry_storm_lets_calls_fail():
    assert retry_storm(ARRIVALS, Settings())[1].delivery.service.failure_rate == 0.3


def test_a_slow_consumer_takes_five_times_as_long():
    before, after = Settings(), slow_consumer(ARRIVALS, Settings())[1]

    assert after.delivery.service.fixed == 5 * before.delivery.service.fixed


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_takes_an_empty_log(name):
    arrivals, _ = PRESETS[name](what_if([]), Settings())

    assert len(arrivals) == 0
