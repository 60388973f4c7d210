from __future__ import annotations

from functools import partial

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.exceptions import PolicyError, SimulationError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.metrics import COLUMNS, measure
from evanalytics.tuning.settings import Grid, Settings
from evanalytics.tuning.sweep import in_threads, sweep
from tests.benchmarks.traffic import bursty_traffic

LIMITED = Settings(throttle=ThrottlePolicy(RateLimit(100, "1s")))


def test_each_row_is_what_the_setting_does_alone():
    arrivals = bursty_traffic(500)
    grid = Grid(LIMITED, max_requests=[50, 100], max_batch_size=[5, 20], max_in_flight=[1, None])

    table = sweep(arrivals, grid, progress=False)

    assert table["setting"].to_list() == list(range(8))
    assert table.select(COLUMNS).to_dicts() == [measure(arrivals, one).to_dict() for one in grid]
    assert table["max_requests"].to_list() == [50] * 4 + [100] * 4


def test_settings_that_contradict_the_log_say_so_in_their_row():
    base = Settings(throttle=ThrottlePolicy(RateLimit(2, "1s"), tokens_per="event"))
    grid = Grid(base, max_batch_size=[2, 3])

    table = sweep([0, 0, 0], grid, progress=False)

    assert table["requests"].to_list() == [2, None]
    assert table["refused"][0] is None
    assert "never grants more than 2 tokens at once" in table["refused"][1]


def test_settings_that_count_bytes_need_sizes():
    with pytest.raises(PolicyError, match="give the events' sizes"):
        sweep([0], [Settings(BatchPolicy(max_batch_bytes=5))], progress=False)


def test_a_log_without_events_is_refused():
    with pytest.raises(SimulationError, match="there are no events"):
        sweep([], Grid(LIMITED), progress=False)


def test_no_settings_make_no_rows():
    assert len(sweep([0], [], progress=False)) == 0


def test_the_error_of_a_task_is_raised():
    def fail():
        raise KeyError("the third")

    with pytest.raises(KeyError, match="the third"):
        in_threads([list, list, fail, list], title="tasks", progress=False)


def test_results_come_in_the_order_of_their_tasks():
    tasks = [partial(pow, 2, number) for number in range(50)]

    assert in_threads(tasks, title="tasks", progress=False) == [2**number for number in range(50)]
