"""Counts of a live run, by the second."""

from __future__ import annotations

from evanalytics.clock import ManualClock
from evanalytics.tuning.live_metrics import LiveMetrics

SECOND = 1_000_000_000


async def test_seconds_in_which_nothing_happens_are_there_too() -> None:
    clock = ManualClock()
    metrics = LiveMetrics(clock)
    metrics.accept(queue_depth=1)
    await clock.advance("3s")
    metrics.accept(queue_depth=5, events=2)

    assert metrics.rates()["second"].to_list() == [0, 1, 2, 3]
    assert metrics.rates()["accepted"].to_list() == [1, 0, 0, 2]
    assert metrics.rates()["queue_depth"].to_list() == [1, 0, 0, 5]


async def test_only_the_last_hour_is_kept_and_the_totals_of_all() -> None:
    clock = ManualClock()
    metrics = LiveMetrics(clock)
    metrics.accept(queue_depth=1)
    await clock.advance("100h")
    metrics.accept(queue_depth=1)

    assert metrics.rates().height == 3_600
    assert metrics.rates()["second"][-1] == 360_000
    assert metrics.totals()["accepted"] == 2


def test_latencies_are_counted_four_bins_to_a_doubling() -> None:
    metrics = LiveMetrics(ManualClock())
    metrics.deliver([SECOND, SECOND + 1, 2 * SECOND])
    frame = metrics.latency()

    assert frame["events"].to_list() == [2, 1]
    assert (frame["up_to_ms"] >= [1_000.0, 2_000.0]).all()
    assert (frame["up_to_ms"] <= [1_250.0, 2_500.0]).all()


def test_a_run_of_nothing_has_frames() -> None:
    metrics = LiveMetrics(ManualClock())

    assert metrics.latency().height == 0
    assert metrics.rates().height == 1
