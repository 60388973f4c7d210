from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from evanalytics import compiled
from evanalytics.delivery.simulate import simulate
from tests.agreement.live_run import expected
from tests.agreement.simulated_run import arrivals_of, quick_quantiles, rounded_up, simulated
from tests.strategies import Scenario, random_scenario, scenarios

WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from tests.agreement.live_run import expected
from tests.agreement.simulated_run import quick_quantiles, rounded_up, simulated
from tests.strategies import random_scenario
for seed in range(250):
    scenario = random_scenario(seed)
    outcome = simulated(scenario)
    assert outcome == expected(scenario), f"seed {seed}: {scenario}"
    assert quick_quantiles(scenario) == rounded_up(outcome.latencies), f"seed {seed}: {scenario}"
assert not any(name.startswith("numba.") for name in sys.modules)
"""


@pytest.mark.parametrize("block", range(10))
def test_kernels_equal_the_oracle_on_a_thousand_seeded_scenarios(block):
    for seed in range(block * 100, block * 100 + 100):
        scenario = random_scenario(seed)

        assert simulated(scenario) == expected(scenario), f"seed {seed}: {scenario}"


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_kernels_equal_the_oracle_on_scenarios_that_shrink(scenario: Scenario):
    assert simulated(scenario) == expected(scenario)


def test_numpy_equals_the_oracle_where_it_stands_in_for_kernels(monkeypatch):
    monkeypatch.setattr(compiled, "IS_COMPILED", False)

    for seed in range(300):
        scenario = random_scenario(seed)

        assert simulated(scenario) == expected(scenario), f"seed {seed}: {scenario}"


def test_without_numba_nothing_is_different():
    root = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA], cwd=root, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2_000:]


def test_the_quick_way_finds_the_same_latencies_rounded_up():
    for seed in range(500):
        scenario = random_scenario(seed)
        exact = simulate(arrivals_of(scenario), scenario.batch, scenario.throttle, scenario.delivery)

        assert quick_quantiles(scenario) == rounded_up(exact.latency_ns.to_list()), f"seed {seed}: {scenario}"


def test_the_waits_of_each_request_add_up_to_its_time_from_release_to_finish():
    for seed in range(500):
        scenario = random_scenario(seed)
        result = simulate(arrivals_of(scenario), scenario.batch, scenario.throttle, scenario.delivery)
        waits = result.requests.select("slot_ns", "tokens_ns", "backoff_ns", "service_ns")
        taken = result.requests["finish_ns"] - result.requests["release_ns"]

        assert (waits.sum_horizontal() == taken).all(), f"seed {seed}: {scenario}"
        assert all(column.min() >= 0 for column in waits), f"seed {seed}: {scenario}"


def test_nobody_waits_for_slots_or_tokens_that_have_no_bound():
    for seed in range(500):
        scenario = random_scenario(seed)
        requests = simulate(
            arrivals_of(scenario), scenario.batch, scenario.throttle, scenario.delivery
        ).requests

        if scenario.delivery.max_in_flight is None:
            assert requests["slot_ns"].sum() == 0, f"seed {seed}: {scenario}"
        if scenario.throttle.limit_of("publish") is None:
            assert requests["tokens_ns"].sum() == 0, f"seed {seed}: {scenario}"
