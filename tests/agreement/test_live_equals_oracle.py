from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.agreement.live_run import expected, live
from tests.strategies import Scenario, random_scenario, scenarios


@pytest.mark.parametrize("block", range(10))
def test_live_classes_equal_the_oracle_on_a_thousand_seeded_scenarios(block):
    for seed in range(block * 100, block * 100 + 100):
        scenario = random_scenario(seed)

        assert live(scenario) == expected(scenario), f"seed {seed}: {scenario}"


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_live_classes_equal_the_oracle_on_scenarios_that_shrink(scenario: Scenario):
    assert live(scenario) == expected(scenario)
