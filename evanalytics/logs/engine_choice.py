"""Engines by their names."""

from __future__ import annotations

from typing import Any

from evanalytics.exceptions import EngineError
from evanalytics.logs.duckdb_engine import DuckDBEngine
from evanalytics.logs.engines import FrameEngine, PolarsEngine
from evanalytics.logs.spark import SparkEngine


def engine_of(name: str, *, spark: Any = None, memory_bytes: int | None = None) -> FrameEngine:
    """Return the engine of a name.

    Args:
        name: "polars", "duckdb" or "spark".
        spark: The session for Spark, or a Spark Connect address.
        memory_bytes: How much DuckDB holds before it spills.

    Raises:
        EngineError: There is no such engine, or no session for it.
    """
    if name == "polars":
        return PolarsEngine()
    if name == "duckdb":
        return DuckDBEngine(memory_bytes=memory_bytes)
    if name != "spark":
        raise EngineError(f"engine: needs 'polars', 'duckdb' or 'spark', got {name!r}")
    if spark is None:
        raise EngineError(
            "engine: 'spark' needs a session; give spark=SparkSession... or spark='sc://host:15002'"
        )
    return SparkEngine(spark)
