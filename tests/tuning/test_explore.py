"""What a tuner shows beside its sliders."""

import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.tuning.explore import constraints_of, explain, latency_goal_s, map_settings
from evanalytics.tuning.settings import Settings

ARRIVALS = Arrivals.of_times([number * 1_000_000 for number in range(300)])


def test_the_causes_add_up_to_the_mean_latency() -> None:
    waits = explain(ARRIVALS, Settings()).waits

    batches = ARRIVALS.time_ns.reshape(3, 100)
    mean_ns = (batches[:, -1:] - batches).mean() + 20_000_000

    assert (waits["mean_ns"] * waits["events"]).sum() / len(ARRIVALS) == pytest.approx(mean_ns)


def test_the_map_spans_batch_sizes_and_intervals() -> None:
    grid = map_settings(ARRIVALS, Settings())

    assert grid.select("max_batch_size", "flush_interval_us").n_unique() == len(grid) == 120


def test_several_constraints_are_separated_by_commas() -> None:
    assert constraints_of("p99 <= 2s, max <= 1m") == ["p99 <= 2s", "max <= 1m"]


@pytest.mark.parametrize("text", ["", "fast", "p99 <= soon"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(TuningError):
        constraints_of(text)


def test_a_goal_without_a_latency_draws_no_line() -> None:
    assert latency_goal_s("requests <= 5000") is None
