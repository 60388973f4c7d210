from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest

from evanalytics.exceptions import ServiceError
from evanalytics.service.database import MEMORY, connect


def refusal(path: Path) -> str:
    with pytest.raises(ServiceError) as refused:
        connect(str(path), memory_limit="1GB")
    return str(refused.value)


def test_a_new_file_gets_its_tables(tmp_path: Path) -> None:
    with connect(str(tmp_path / "new.duckdb"), memory_limit="1GB") as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()

    assert tables == [("event_store",), ("events",), ("subscriptions",)]


def test_memory_needs_no_file() -> None:
    with connect(MEMORY, memory_limit="1GB") as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(0,)]


def test_duckdb_fetches_no_extension(tmp_path: Path) -> None:
    with connect(MEMORY, memory_limit="1GB") as connection:
        settings = connection.execute(
            "SELECT value FROM duckdb_settings() WHERE name IN ('autoinstall_known_extensions', "
            "'autoload_known_extensions')"
        ).fetchall()

    assert settings == [("false",), ("false",)]


def test_text_is_refused_with_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"id": 1, "type": "order"}')

    assert 'begins with b\'{"id": 1, "t\', so it is no DuckDB file' in refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    path.touch()

    assert refusal(path) == f"{path} is empty, so it is no DuckDB file; choose another path for the events"


def test_a_file_of_sqlite_is_refused_without_the_network(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()

    assert "begins with b'SQLite forma', so it is no DuckDB file" in refusal(path)


def test_a_duckdb_file_of_somebody_else_is_refused_by_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "sales.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE sales (a INTEGER)")
        connection.execute("CREATE TABLE events (a INTEGER)")

    assert "no event store (it holds events, sales)" in refusal(path)


def test_a_refused_file_can_be_opened_by_others(tmp_path: Path) -> None:
    path = tmp_path / "sales.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE sales (a INTEGER)")
    refusal(path)

    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sales").fetchall() == [(0,)]


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.duckdb"
    with connect(str(path), memory_limit="1GB") as connection:
        connection.execute("UPDATE event_store SET version = 2")

    assert refusal(path) == f"{path} holds an event store of version 2; this evanalytics knows version 1"


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.duckdb"
    connect(str(path), memory_limit="1GB").close()
    path.write_bytes(path.read_bytes()[:5000])

    assert f"{path} cannot be opened as an event store: " in refusal(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "events.duckdb"

    assert str(path) in refusal(path)
    assert "No such file or directory" in refusal(path)
