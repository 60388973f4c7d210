from __future__ import annotations

from itertools import pairwise
from statistics import fmean

import pytest

from evanalytics.delivery.service_model import ServiceModel
from evanalytics.exceptions import PolicyError

MS = 1_000_000


def durations_ms(model, requests=20_000):
    return [model.duration_ns(request, 0, 1) / MS for request in range(requests)]


def test_constant_time_is_fixed_and_per_event():
    assert ServiceModel(fixed="20ms", per_event="1ms").duration_ns(request=5, attempt=2, events=7) == 27 * MS


def test_uniform_extra_time_reaches_from_zero_to_its_spread():
    found = durations_ms(ServiceModel(fixed="0s", distribution="uniform", spread="10ms"))

    assert 0 <= min(found) < 0.01
    assert 9.99 < max(found) <= 10


@pytest.mark.parametrize(
    ("distribution", "mean"), [("uniform", 5), ("exponential", 10), ("lognormal", 10 * 1.1331484530668263)]
)
def test_mean_of_the_table_is_the_true_mean(distribution, mean):
    model = ServiceModel(distribution=distribution, spread="10ms", sigma=0.5)

    cells = [(low + high) / 2 for low, high in pairwise(model.extra_table_ns)]

    assert fmean(cells) / MS == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("distribution", ["uniform", "exponential", "lognormal"])
def test_drawn_mean_is_near_the_true_mean(distribution):
    model = ServiceModel(fixed="0s", distribution=distribution, spread="10ms", sigma=0.5)

    true = {"uniform": 5, "exponential": 10, "lognormal": 11.33}[distribution]

    assert fmean(durations_ms(model)) == pytest.approx(true, rel=0.03)


def test_half_of_lognormal_extra_times_are_below_their_spread():
    found = durations_ms(ServiceModel(fixed="0s", distribution="lognormal", spread="10ms"))

    assert sum(time < 10 for time in found) / len(found) == pytest.approx(0.5, abs=0.02)


def test_empirical_extra_times_lie_on_lines_between_the_quantiles():
    model = ServiceModel(fixed="0s", distribution="empirical", quantiles=["0ms", "10ms", "100ms"])
    found = durations_ms(model)

    assert sum(time < 10 for time in found) / len(found) == pytest.approx(0.5, abs=0.02)
    assert sum(time < 55 for time in found) / len(found) == pytest.approx(0.75, abs=0.02)


def test_another_seed_draws_other_times():
    models = [ServiceModel(distribution="uniform", spread="10ms", seed=seed) for seed in (0, 1)]

    assert models[0].duration_ns(0, 0, 1) != models[1].duration_ns(0, 0, 1)


def test_settings_compared_meet_the_same_luck():
    slow, fast = (ServiceModel(fixed=f, distribution="uniform", spread="10ms") for f in ("30ms", "20ms"))

    assert {slow.duration_ns(r, 0, 1) - fast.duration_ns(r, 0, 1) for r in range(50)} == {10 * MS}


@pytest.mark.parametrize(("rate", "failed"), [(0, 0), (1, 1_000)])
def test_rates_of_zero_and_one_are_certain(rate, failed):
    model = ServiceModel(failure_rate=rate)

    assert sum(model.fails(request, 0) for request in range(1_000)) == failed


def test_attempts_fail_at_the_rate_each_for_itself():
    model = ServiceModel(failure_rate=0.25)

    both = sum(model.fails(request, 0) and model.fails(request, 1) for request in range(20_000))

    assert both / 20_000 == pytest.approx(0.0625, abs=0.01)


def test_spread_without_a_distribution_is_refused():
    with pytest.raises(PolicyError, match=r"ServiceModel\.spread: a constant extra time has none"):
        ServiceModel(spread="5ms")


def test_quantiles_out_of_order_are_refused():
    with pytest.raises(PolicyError, match=r"ServiceModel\.quantiles: needs at least two, in ascending order"):
        ServiceModel(distribution="empirical", quantiles=["2ms", "1ms"])


def test_quantiles_of_another_distribution_are_refused():
    with pytest.raises(PolicyError, match=r"ServiceModel\.quantiles: only an empirical extra time has them"):
        ServiceModel(quantiles=["1ms", "2ms"])


def test_lognormal_that_reaches_into_days_is_refused():
    with pytest.raises(PolicyError, match=r"ServiceModel\.sigma: 3 with spread '1h' makes times over 19 h"):
        ServiceModel(distribution="lognormal", spread="1h", sigma=3)
