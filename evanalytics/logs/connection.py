"""DuckDB connections as evanalytics wants them: UTC, offline, no surprises."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """Return a new in-memory connection that downloads nothing and counts time in UTC."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # of its cursors, too
    return connection


def connect_spilling(
    memory_bytes: int | None = None, folder: str | os.PathLike[str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Return such a connection for tables that may outgrow the memory; their rows have no order.

    Args:
        memory_bytes: How much DuckDB may hold before it spills; its process takes some more. None:
            what DuckDB thinks fit, 80 % of the machine's memory.
        folder: Where it spills to; by default a folder of its own among the temporary files, which
            goes with the connection.
    """
    connection = connect()
    own = Path(tempfile.gettempdir()) / f"evanalytics-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    settings: dict[str, object] = {
        "temp_directory": str(folder or own),
        "preserve_insertion_order": False,
        "allocator_background_threads": True,  # what is free goes back while a query runs
    }
    if memory_bytes is not None:
        settings["memory_limit"] = f"{memory_bytes / 2**20:.3f}MiB"
    for name, value in settings.items():
        connection.execute(f"SET {name} = $value", {"value": value})
    return connection


def quote_name(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
