"""What a graph costs on each engine, by the size of the log; and whether all of them say the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import polars as pl

from evanalytics.logs.log import EventLog
from evanalytics.streams.processor import EngineName, StreamProcessor

_SCHEMA = {
    "engine": pl.String(), "events": pl.Int64(), "seconds": pl.Float64(), "us_per_event": pl.Float64(),
    "equal": pl.Boolean(),
}  # fmt: skip


def engine_costs(
    processor: StreamProcessor,
    logs: Sequence[EventLog],
    *,
    engines: Sequence[EngineName] = ("polars", "duckdb"),
    spark: Any = None,
    memory_bytes: int | None = None,
) -> pl.DataFrame:
    """Run a graph over logs of several sizes on several engines, for `ev.plots.engine_costs`.

    Args:
        processor: The graph; its rows are not kept, its sinks get none.
        logs: The logs.
        engines: The engines.
        spark: A SparkSession, or a Spark Connect address, if Spark is one of them.
        memory_bytes: As of `StreamProcessor.run`.

    Returns:
        A row per log and engine: `engine` (String), `events` (Int64), `seconds`, `us_per_event`
        (Float64; null for a log without events), and `equal` (Boolean): whether every row met the
        same fate as on the first engine.

    Raises:
        StreamError: Something is wrong with the graph.
        EngineError: Spark is one of the engines, and there is no PySpark or no session.
    """
    rows = []
    for log in logs:
        first: pl.DataFrame | None = None
        for engine in engines:
            begin = time.perf_counter()
            result = processor.run(log, engine=engine, keep=False, spark=spark, memory_bytes=memory_bytes)
            seconds = time.perf_counter() - begin
            fates = result.counts.sort("node", "part", "what")
            first = fates if first is None else first
            each_us = seconds / len(log) * 1e6 if len(log) else None
            rows.append((engine, len(log), seconds, each_us, fates.equals(first)))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
