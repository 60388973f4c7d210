"""The DuckDB file behind an event store: its tables, and what keeps it from being opened."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from evanalytics.exceptions import ServiceError, ServiceLockedError

if TYPE_CHECKING:
    import duckdb

MEMORY = ":memory:"

_VERSION = 1
_TABLES = """
    CREATE TABLE events (
        seq BIGINT NOT NULL,
        id VARCHAR NOT NULL,
        type VARCHAR NOT NULL,
        source VARCHAR NOT NULL,
        time TIMESTAMPTZ NOT NULL,
        subject VARCHAR,
        data VARCHAR,
        extensions VARCHAR
    );
    CREATE TABLE subscriptions (name VARCHAR PRIMARY KEY, position BIGINT NOT NULL);
    CREATE TABLE event_store (version INTEGER NOT NULL)"""
"""`seq` is the order of arrival, 0 to n-1; `data` and `extensions` are JSON text."""

_LOCKED = re.compile(r"could not set lock|being used by another process|already open in", re.IGNORECASE)
_PID = re.compile(r"\(PID (\d+)\)")


def connect(path: str, *, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open an event store, or make one where there is no file yet.

    Args:
        path: The file, or ":memory:".
        memory_limit: What DuckDB may hold of a file in memory, such as "1GB".

    Raises:
        ServiceLockedError: Another process has the file open.
        ServiceError: The file is damaged, is something else, or cannot be made.
    """
    import duckdb

    _refuse_other_formats(path)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,  # else DuckDB goes to the network by itself
        "autoload_known_extensions": False,
    }
    if path != MEMORY:
        config["memory_limit"] = memory_limit
    try:
        connection = duckdb.connect(path, config=config)
    except duckdb.Error as error:
        raise _refusal(path, error) from error
    try:
        _prepare(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def first_line(error: Exception) -> str:
    """Return what DuckDB says, without the query and the advice that follow."""
    return str(error).partition("\n")[0]


def _refuse_other_formats(path: str) -> None:
    if path == MEMORY or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        head = file.read(12)
    if head[8:] != b"DUCK":
        found = f"begins with {head[:12]!r}" if head else "is empty"
        raise ServiceError(f"{path} {found}, so it is no DuckDB file; choose another path for the events")


def _refusal(path: str, error: Exception) -> ServiceError:
    text = str(error)
    if not _LOCKED.search(text):
        return ServiceError(f"{path} cannot be opened as an event store: {first_line(error)}")
    pid = _PID.search(text)
    who = f"another process (pid {pid[1]})" if pid else "another process"
    return ServiceLockedError(
        f"{path} is open in {who}, and DuckDB lets in one at a time: "
        f"close it there (a notebook: shut its kernel down), or share it with `evanalytics serve --db {path}`"
    )


def _prepare(path: str, connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    try:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        if not tables:
            connection.begin()
            connection.execute(_TABLES)
            connection.execute("INSERT INTO event_store VALUES (?)", [_VERSION])
            connection.commit()
        elif "event_store" not in tables:
            raise ServiceError(
                f"{path} is a DuckDB file but no event store (it holds {', '.join(sorted(tables)[:5])}); "
                "choose another path, or read a table of it with read_log"
            )
        (version,) = connection.execute("SELECT max(version) FROM event_store").fetchall()[0]
    except duckdb.Error as error:
        raise _refusal(path, error) from error
    if version != _VERSION:
        raise ServiceError(
            f"{path} holds an event store of version {version}; this evanalytics knows version {_VERSION}"
        )
