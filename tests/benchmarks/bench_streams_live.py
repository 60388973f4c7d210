"""Live micro-batches beside the replay of the same log, on the order analytics: speed, latency, memory."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import evanalytics as ev
from evanalytics.streams.feeds import Offset
from evanalytics.streams.graph_state import GraphState
from evanalytics.streams.micro_batches import batches_of_log
from tests.benchmarks.measure import Row, median_s
from tests.streams.seed_pipeline import order_analytics

RUNS = 3
EVENTS = 1_000_000
LARGE = 10_000_000
DAYS = 3


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "orders.parquet"
        ev.write_sample(small, events=EVENTS, days=DAYS, progress=False)
        log = ev.read_log(small, progress=False)
        replay = median_s(lambda: order_analytics().run(log, engine="polars"), runs=RUNS)
        for size, aim in ((100_000, "0.5x, 10k: 200k/s"), (10_000, "p50 50 ms")):
            yield _graph(log, size, replay, aim)
        yield _whole_run(log)
        large = Path(folder) / "large.parquet"
        ev.write_sample(large, events=LARGE, days=DAYS * LARGE // EVENTS, progress=False)  # at the same rate
        yield _memory(small, large)


def push_all(log: ev.EventLog, size: int, look: Callable[[], object] = lambda: None) -> list[float]:
    """Push a log through the pipeline's state; return how long each micro-batch took."""
    state, took = GraphState(order_analytics().graph, log.schema), []
    for batch in batches_of_log(log, size, Offset(), state):
        begin = time.perf_counter()
        state.push(batch.log)
        took.append(time.perf_counter() - begin)
        look()
    state.close()
    return took


def _graph(log: ev.EventLog, size: int, replay: float, aim: str) -> Row:
    times: list[float] = []
    seconds = median_s(lambda: times.extend(push_all(log, size)), runs=RUNS)
    p50 = statistics.median(times) * 1e3
    told = f"{replay / seconds:.2f}x replay, {EVENTS / seconds:,.0f}/s, p50 {p50:.0f} ms"
    return Row(f"live, micro-batches of {size:,}", seconds, RUNS, told, aim)


def _whole_run(log: ev.EventLog) -> Row:
    """With sinks: rows are cut into batches of 100 and 50, and each is awaited."""

    async def go() -> None:
        policy = ev.BatchPolicy(max_batch_size=100_000, flush_interval="1s")
        await (await order_analytics().start(log, micro_batch=policy)).wait()

    replay = median_s(lambda: order_analytics().run(log, engine="polars", sinks=True), runs=1)
    seconds = median_s(lambda: asyncio.run(go()), runs=1, warm_up=False)
    return Row("live run with sinks", seconds, 1, f"{replay / seconds:.2f}x replay with sinks")


def _memory(small: Path, large: Path) -> Row:
    peaks = [_peak_mb(path) for path in (small, large)]
    told = f"{peaks[0]:,.0f} MB at {EVENTS:,}, {peaks[1]:,.0f} MB at {LARGE:,}"
    return Row(f"highest memory after a micro-batch, {peaks[1] / peaks[0]:.2f}x", 0.0, 1, told, "1.1x")


def _peak_mb(path: Path) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.bench_streams_live", str(path)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    seen: list[float] = []
    push_all(ev.read_log(sys.argv[1], progress=False), 100_000, lambda: seen.append(_resident_mb()))
    print(max(seen))
