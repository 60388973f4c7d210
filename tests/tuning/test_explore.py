"""What a tuner shows beside its sliders."""

import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.tuning.explore import LatencyGoal, constraints_of, explain, latency_goal, map_settings
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
    assert latency_goal("requests <= 5000") == LatencyGoal("p99_ns", None)


def test_a_goal_is_about_the_latency_that_it_names() -> None:
    goal = latency_goal("requests <= 5000, p99.9 <= 5s")

    assert (goal.name, goal.most_s) == ("p99.9", 5.0)
    assert goal.beside == ("p50_ns", "p99_ns", "p99_9_ns", "max_ns")


def test_lost_events_miss_every_bound() -> None:
    goal = latency_goal("max <= 5s")

    assert [goal.is_missed_by(late) for late in (5_000_000_000, 5_000_000_001, None)] == [False, True, True]
    assert not LatencyGoal().is_missed_by(None)
