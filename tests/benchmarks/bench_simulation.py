"""Retuning and sweeping: what a slider and a grid cost, beside SimPy and plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.metrics import measure
from evanalytics.tuning.settings import Grid, Settings, spread_out
from evanalytics.tuning.sweep import sweep
from tests.benchmarks.measure import Row, median_s
from tests.benchmarks.plain_python import simulate_in_python
from tests.benchmarks.simpy_model import SimpyModel
from tests.benchmarks.traffic import bursty_traffic

LIMIT = RateLimit(2_000, "1s")
DELIVERY = DeliveryPolicy(max_in_flight=64)


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    million = bursty_traffic(1_000_000)
    yield from _peers(million)
    yield from _retunes(million)
    yield _sweep(million)
    yield from _tables(million)
    yield from _large()


def settings(size: int, *, group_by: str | None = "type", delivery: DeliveryPolicy = DELIVERY) -> Settings:
    """Return settings with a batch size, a sliding window and a fixed service time."""
    batch = BatchPolicy(max_batch_size=size, flush_interval="1s", group_by=group_by)
    return Settings(batch, ThrottlePolicy(LIMIT), delivery)


def _peers(million: Arrivals) -> Iterator[Row]:
    """One retune, beside the same simulation by others: SimPy with a process per request, a plain loop."""
    few = bursty_traffic(100_000)
    times, types = few.time_ns.tolist(), few.types.tolist()
    for size in (1, 10, 100):
        chosen = settings(size)
        ours = median_s(partial(measure, million, chosen), runs=15) / 1e6
        python = median_s(partial(_in_python, times, types, chosen), runs=3) / 1e5
        simpy = median_s(partial(_in_simpy, times, types, chosen), runs=1, warm_up=False) / 1e5
        what = f"retune, batch {size}, per event"
        yield Row(what, ours, 15, f"{simpy / ours:,.0f}x SimPy ({simpy * 1e9:,.0f} ns)", "300x")
        yield Row(what, ours, 15, f"{python / ours:,.0f}x plain Python ({python * 1e9:,.0f} ns)", "60x")


def _retunes(million: Arrivals) -> Iterator[Row]:
    uneven = DeliveryPolicy(max_in_flight=64, service=ServiceModel(distribution="lognormal", spread="10ms"))
    failing = DeliveryPolicy(max_in_flight=64, service=ServiceModel(failure_rate=0.05))
    cases = {
        "fixed service time": (10, "type", DELIVERY),
        "fixed service time, whole batches": (10, None, DELIVERY),
        "lognormal service time": (100, "type", uneven),
        "failures and retries": (100, "type", failing),
    }
    for name, (size, group_by, delivery) in cases.items():
        chosen = settings(size, group_by=group_by, delivery=delivery)
        time = median_s(partial(measure, million, chosen))
        yield Row(f"retune 1M events, batch {size}, {name}", time, 7, "", "20 ms")


def _sweep(million: Arrivals) -> Row:
    grid = Grid(
        Settings(throttle=ThrottlePolicy(LIMIT), delivery=DELIVERY),
        max_batch_size=spread_out(10, 1_000, 10),
        flush_interval=["20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "30s"],
        max_requests=[100, 200, 500, 1_000, 2_000],
        max_in_flight=[8, 64],
    )
    time = median_s(partial(sweep, million, grid, progress=False), runs=1, warm_up=False)
    return Row(
        f"sweep {len(grid):,} settings x 1M events",
        time,
        1,
        f"{time / len(grid) * 1e3:.2g} ms a setting",
        "6 s",
    )


def _tables(million: Arrivals) -> Iterator[Row]:
    chosen = settings(100)
    policies = chosen.batch, chosen.throttle, chosen.delivery
    yield Row(
        "simulate 1M events, every latency", median_s(lambda: simulate(million, *policies).latency_ns), 7
    )
    yield Row("simulate 1M events, table of events", median_s(lambda: simulate(million, *policies).events), 7)
    yield Row(
        "simulate 1M events, table of requests", median_s(lambda: simulate(million, *policies).requests), 7
    )


def _large() -> Iterator[Row]:
    ten_million = bursty_traffic(10_000_000)
    for size in (10, 100, 1_000):
        time = median_s(partial(measure, ten_million, settings(size)), runs=5)
        yield Row(f"retune 10M events, batch {size}, fixed service time", time, 5, "", "100 ms")


def _in_python(times: list[int], types: list[int], chosen: Settings) -> int:
    latencies = sorted(simulate_in_python(times, types, chosen))
    return latencies[len(latencies) * 99 // 100]


def _in_simpy(times: list[int], types: list[int], chosen: Settings) -> int:
    latencies = SimpyModel(times, types, chosen.batch, chosen.throttle, chosen.delivery).run()
    return sorted(latencies)[len(latencies) * 99 // 100]
