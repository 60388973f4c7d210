"""Source adapters: the same log as a frame of another engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from evanalytics.logs.connection import connect

if TYPE_CHECKING:
    import duckdb


def to_duckdb(
    lazy: pl.LazyFrame, connection: duckdb.DuckDBPyConnection | None = None
) -> duckdb.DuckDBPyRelation:
    """Return a polars frame as a DuckDB relation that reads it lazily.

    DuckDB pulls only the columns and rows that a query needs through polars' own scan.
    """
    connection = connection or connect()
    name = f"log_{id(lazy)}"
    connection.register(name, lazy)
    return connection.table(name)
