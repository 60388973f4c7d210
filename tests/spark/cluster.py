"""The same answers on a real cluster: `python -m tests.spark.cluster [--kill] [MASTER | sc://...] [EVENTS]`.

Without a master a standalone one with two workers is started on this machine's loopback, and stopped in
the end. `--kill` kills one of the two while the graph runs; the other has to finish it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import evanalytics as ev
from tests.spark.conftest import SETTINGS
from tests.streams.seed_pipeline import order_analytics

MASTER = "spark://127.0.0.1:7177"
STAGE = 12
"""A worker is killed once a stage of this number runs."""


def main(arguments: list[str]) -> int:
    """Run the graph, a Bloom index and a sweep, and compare them with polars."""
    kill = "--kill" in arguments
    others = [argument for argument in arguments if argument != "--kill"]
    master = next((argument for argument in others if not argument.isdigit()), "")
    events = next((int(argument) for argument in others if argument.isdigit()), 20_000)
    with tempfile.TemporaryDirectory() as folder, workers(start=not master) as processes:
        os.chmod(folder, 0o755)
        path = f"{folder}/shop.parquet"
        ev.write_sample(path, events=events, progress=False)
        log = ev.read_log(path, progress=False)
        spark = session(master or MASTER)
        return compare(log, spark, processes[-1] if kill else None)


def compare(log: ev.EventLog, spark: Any, victim: subprocess.Popen[bytes] | None) -> int:
    """Return 0 if everything is equal."""
    if victim is not None:
        threading.Thread(target=kill_once_busy, args=(spark, victim), daemon=True).start()
    begin = time.perf_counter()
    there = order_analytics().run(log, spark=spark)
    say(f"graph on {there.engine}: {len(log):,} events in {time.perf_counter() - begin:.0f} s")
    here = order_analytics().run(log, engine="polars")
    found = {
        "counts": there.counts.sort("node", "part", "what").equals(here.counts.sort("node", "part", "what"))
    }
    for node in ("order-metrics", "order-payment-join"):
        found[node] = there.results(node).equals(here.results(node))
    index = ev.BloomFilterIndex(capacity=len(log))
    index.add_many(log.lazy.select("id").collect()["id"])
    found["Bloom bits"] = ev.index_on_spark(log.frame("spark", spark=spark), capacity=len(log)) == index
    grid = ev.Grid(max_batch_size=[1, 100], flush_interval=["1s", "10s"])
    table = ev.sweep_by_source(log, grid, progress=False)
    found["sweep by source"] = ev.sweep_by_source(log, grid, spark=spark).equals(table)
    if victim is not None:
        found["a worker was killed on the way"] = victim.poll() is not None
    for what, equal in found.items():
        say(f"{what}: {'equal' if equal else 'NOT EQUAL'}")
    return 0 if all(found.values()) else 1


def session(master: str) -> Any:
    """Return a session on a master, or a Connect server's address as it is."""
    if master.startswith("sc://"):
        return master
    from pyspark.sql import (
        SparkSession,
    )  # where PySpark is missing, this file is still looked at for doctests

    builder = SparkSession.builder.master(master).appName("evanalytics-cluster")
    settings = SETTINGS | {"spark.executor.memory": "1g", "spark.cores.max": "2", "spark.executor.cores": "1"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    say(f"Spark {made.version} on {master}")
    return made


def kill_once_busy(spark: Any, victim: subprocess.Popen[bytes]) -> None:
    """Kill a worker with all that it has started, in the middle of a run."""
    tracker = spark.sparkContext.statusTracker()
    while not any(stage >= STAGE for stage in tracker.getActiveStageIds()):
        time.sleep(0.05)
    os.killpg(victim.pid, signal.SIGKILL)
    say(f"killed a worker while stages {list(tracker.getActiveStageIds())} ran")


@contextmanager
def workers(*, start: bool) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start a master and two workers, and stop them in the end."""
    if not start:
        yield []
        return
    host, port = MASTER.removeprefix("spark://").split(":")
    deploy = "org.apache.spark.deploy"
    worker = [f"{deploy}.worker.Worker", MASTER, "--host", host, "-c", "1", "-m", "1g", "--webui-port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            [f"{deploy}.master.Master", "--host", host, "--port", port, "--webui-port", "0"],
            *([*worker, "-d", f"{folder}/{number}"] for number in range(2)),
        ]
        environment = os.environ | {"SPARK_HOME": str(_home()), "SPARK_LOCAL_IP": host}
        processes: list[subprocess.Popen[bytes]] = []
        try:
            processes.extend(_started(command, environment) for command in commands)
            say("a master and two workers started on loopback")
            yield processes
        finally:
            for process in reversed(processes):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait()


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start one of Spark's own programs, in a process group that can be killed together."""
    nowhere = subprocess.DEVNULL
    program = [str(_home() / "bin" / "spark-class"), *command]
    return subprocess.Popen(program, env=environment, start_new_session=True, stdout=nowhere, stderr=nowhere)


def _home() -> Path:
    """Return the folder of PySpark, which brings all of Spark."""
    found = find_spec("pyspark")
    assert found is not None, "install PySpark first: make test-spark"
    assert found.origin is not None
    return Path(found.origin).parent


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
