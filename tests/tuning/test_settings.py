from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.exceptions import PolicyError, TuningError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.settings import Grid, Settings, knob_table, spread_out
from tests.strategies import Scenario, scenarios

LIMITED = Settings(throttle=ThrottlePolicy(RateLimit(100, "1s"), operations={"query": RateLimit(7, "1s")}))


@given(scenarios())
def test_settings_go_to_json_and_come_back_equal(scenario: Scenario):
    settings = Settings(scenario.batch, scenario.throttle, scenario.delivery)

    assert Settings.from_json(settings.to_json()) == settings


def test_settings_are_made_of_policies():
    with pytest.raises(PolicyError, match="Settings: needs a BatchPolicy, got 5"):
        Settings(batch=5)


def test_every_knob_turns():
    turned = LIMITED.turned(max_batch_size=3, flush_interval="2s", max_requests=50, max_in_flight=None)

    assert turned.knobs() == {
        "max_batch_size": 3,
        "flush_interval_us": 2_000_000,
        "max_requests": 50,
        "burst": None,
        "max_in_flight": None,
    }


def test_the_limit_of_another_operation_stays():
    turned = LIMITED.turned(max_requests=50)

    assert turned.throttle.limit_of("query") == RateLimit(7, "1s")


def test_a_bucket_that_holds_what_flows_in_goes_on_doing_so():
    bucket = Settings(throttle=ThrottlePolicy(RateLimit(100, "1s", kind="token_bucket")))

    assert bucket.turned(max_requests=50).knobs()["burst"] == 50


def test_a_bucket_of_another_size_keeps_it():
    bucket = Settings(throttle=ThrottlePolicy(RateLimit(100, "1s", kind="token_bucket", burst=9)))

    assert bucket.turned(max_requests=50).knobs()["burst"] == 9


def test_an_unknown_knob_is_refused():
    with pytest.raises(
        TuningError, match="batch_size: there is no such knob; there are max_batch_size, flush_interval"
    ):
        Settings().turned(batch_size=5)


def test_a_limit_that_is_not_there_cannot_be_turned():
    with pytest.raises(TuningError, match="max_requests: 'publish' has no limit to turn; start from"):
        Settings().turned(max_requests=5)


def test_a_grid_holds_every_combination():
    grid = Grid(LIMITED, max_batch_size=[1, 2], flush_interval=["1s", timedelta(seconds=2)])

    table = knob_table(grid)

    assert table["max_batch_size"].to_list() == [1, 1, 2, 2]
    assert table["flush_interval_us"].to_list() == [1_000_000, 2_000_000] * 2


def test_a_grid_without_knobs_is_its_base():
    assert list(Grid(LIMITED)) == [LIMITED]


@pytest.mark.parametrize("values", [[], "1s", 5])
def test_a_knob_needs_a_list_of_values(values):
    with pytest.raises(TuningError, match=r"Grid\.flush_interval: needs a list of values to try"):
        Grid(flush_interval=values)


def test_a_value_that_makes_no_sense_is_refused_by_its_policy():
    with pytest.raises(PolicyError, match=r"BatchPolicy\.max_batch_size"):
        Grid(max_batch_size=[0])


def test_numbers_spread_out_keep_their_ends_and_have_no_doubles():
    assert spread_out(1, 3, 10) == [1, 2, 3]


def test_the_batch_policy_of_the_base_stays_where_it_is_not_turned():
    base = Settings(batch=BatchPolicy(max_batch_bytes=5))

    assert Grid(base, max_batch_size=[1])[0].batch.max_batch_bytes == 5


def test_settings_are_shown_as_the_python_that_makes_them():
    settings = Settings(
        BatchPolicy(max_batch_size=7, flush_interval="2s"), ThrottlePolicy(RateLimit(5, "1s"))
    )
    kinds = (Settings, BatchPolicy, ThrottlePolicy, RateLimit, DeliveryPolicy, Retry, ServiceModel)
    names = {kind.__name__: kind for kind in kinds}

    assert eval(repr(settings), names) == settings
