"""Logs larger than memory on one machine: peak memory, time and cost per event, with the answers checked.

`EVANALYTICS_PAST_MEMORY_EVENTS=50000000 python -m tests.benchmarks past_memory` runs on as many events, and
on a fifth of them; `EVANALYTICS_PAST_MEMORY_FOLDER` says where the logs are written (30 bytes an event).
Each task has a process of its own, for which 2 GiB are all the memory there is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

import evanalytics as ev
from evanalytics.logs.synthetic.writing import read_answers
from tests.benchmarks.measure import Row
from tests.streams.seed_pipeline import order_analytics

EVENTS = int(os.environ.get("EVANALYTICS_PAST_MEMORY_EVENTS", 2_000_000))
FOLDER = os.environ.get("EVANALYTICS_PAST_MEMORY_FOLDER")
MEMORY = 2 * 2**30
HOME = Path(__file__).parents[2]
SETTINGS = ev.Grid(  # such as one would try on a log of four events a second
    max_batch_size=[50, 100, 200, 500, 1_000],
    flush_interval=["5s", "10s", "30s", "60s", "120s"],
    max_in_flight=[1, 2, 4, 8],
)


def rows() -> Iterator[Row]:
    """Yield one row per task and size."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        logs = {events: _written(Path(folder), events) for events in (EVENTS // 5, EVENTS)}
        for task in TASKS:
            costs = {}
            for events, path in logs.items():
                seconds, peak = _measured(task, path)
                costs[events] = seconds / events
                ratio = costs[events] / costs[EVENTS // 5]
                peer = f"peak RSS {peak / 2**30:.2f} GiB, {costs[events] * 1e6:.2f} us/event, {ratio:.2f}x"
                yield Row(f"{task}, {events / 1e6:g}M events", seconds, 1, peer, "2 GiB, 1.5x")


def pipeline(log: ev.EventLog, path: str) -> None:
    """Run the seed's pipeline, its pairs and windows counted and forgotten."""
    result = order_analytics().run(log, engine="duckdb", keep=False, memory_bytes=MEMORY)
    by_type = read_answers(path).events_by_type
    orders = sum(by_type.get(f"order.{kind}", 0) for kind in ("created", "updated", "completed"))
    assert result.count("event-filter", "rows", "orders") == orders
    assert result.count("event-filter", "rows", "payments") == by_type["payment.processed"]
    daily = [result.count("order-metrics", what, "1d · all") for what in ("counted", "late")]
    assert sum(daily) == orders


def pairs(log: ev.EventLog, path: str) -> None:
    """Drop repeated ids, join orders and payments within an hour: all of it is known."""
    processor = ev.StreamProcessor("known")
    source = processor.add_source("events", watermark=ev.Watermark("30d"))
    once = source.connect_to(processor.add_node("once", ev.DedupeNode("id")))
    kinds = {"left": ev.filter({"type": "order.created"}), "right": ev.filter({"type": "payment.processed"})}
    split = once.connect_to(processor.add_node("split", ev.FilterNode(kinds)))
    columns = {"order": "data.orderId"}
    sides = {
        side: split.connect_to(processor.add_node(f"{side}-columns", ev.TransformNode(columns)), side)
        for side in kinds
    }
    join = processor.add_node("join", ev.JoinNode(left_key="order", right_key="order", join_window="1h"))
    for side, stream in sides.items():
        stream.connect_to(join, side)
    join.connect_to(processor.add_node("sink", ev.SinkNode(len)))
    result, answers = processor.run(log, engine="duckdb", keep=False, memory_bytes=MEMORY), read_answers(path)
    assert result.count("once", "duplicate") == answers.duplicates
    assert result.count("join", "pairs") == answers.pairs_within_1h
    alone = answers.orders_without_payment + answers.pairs_beyond_1h
    assert result.count("join", "unmatched", "left") == alone


def filter(log: ev.EventLog, path: str) -> None:
    """Add up what a filter chooses."""
    chosen = log.where(ev.filter({"type": "order.created", "data.status": {"$ne": None}}))
    sums = chosen.lazy.group_by("data__status").agg(pl.len(), pl.col("data__total").sum()).collect()
    answers = read_answers(path)
    assert sums["len"].sum() == answers.events_by_type["order.created"]


def sweep(log: ev.EventLog, path: str) -> None:
    """Try a hundred settings."""
    found = ev.sweep(log, SETTINGS, progress=False)
    assert found["events"].to_list() == [read_answers(path).events] * 100


TASKS: dict[str, Callable[[ev.EventLog, str], None]] = {
    "pipeline": pipeline,
    "pairs": pairs,
    "filter": filter,
    "sweep": sweep,
}


def _written(folder: Path, events: int) -> str:
    path = str(folder / f"{events}.parquet")
    ev.write_sample(path, events=events, days=max(events // 333_333, 1), progress=False)
    return path


def _measured(task: str, path: str) -> tuple[float, int]:
    """Return the seconds of a task in a process of its own, and the most memory it has had (bytes)."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_past_memory", task, path]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HOME)
    seconds, peak = out.stdout.split()[-2:]
    return float(seconds), int(peak)


def _peak_bytes() -> int:
    """Return the most memory that this process has had: Linux's VmHWM, what started it not included."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    begin = time.perf_counter()
    TASKS[sys.argv[1]](ev.read_log(sys.argv[2], progress=False), sys.argv[2])
    print(time.perf_counter() - begin, _peak_bytes())
