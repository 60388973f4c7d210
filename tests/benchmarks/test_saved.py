"""The saved table: rows of a benchmark are replaced by newer ones, the others stay, each with its date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Row, shown
from tests.benchmarks.saved import markdown, run_of, save, versions


def run(date: str, *rows: Row, load: float = 0.5) -> dict[str, Any]:
    made = run_of(rows, load=load)
    return {**made, "date": date, "machine": "2 cores", "versions": {"polars": "2.1.0"}}


def test_a_newer_run_replaces_the_rows_of_its_benchmark_alone(tmp_path: Path) -> None:
    save(
        {"live": run("2026-01-01", Row("add", 1e-6, 7)), "reading": run("2026-01-01", Row("read", 2.0, 5))},
        tmp_path,
    )

    table = save({"live": run("2026-02-02", Row("add", 2e-6, 7, "3x peer", "2x"))}, tmp_path).read_text()

    assert "| live | add | 2 us | 7 | 3x peer | 2x |" in table
    assert "| reading | read | 2 s | 5 |  |  |" in table
    assert "1 us" not in table
    assert table.index("## 2026-02-02") < table.index("| live") < table.index("## 2026-01-01")


def test_runs_under_the_same_circumstances_share_a_table() -> None:
    text = markdown({"a": run("2026-01-01", Row("x", 1.0, 1)), "b": run("2026-01-01", Row("y", 1.0, 1))})

    assert text.count("## 2026-01-01") == text.count("| benchmark |") == 1
    assert "2 cores, load 0.5 at the start. polars 2.1.0." in text


def test_a_bar_in_a_cell_stays_in_it() -> None:
    assert r"a \| b" in markdown({"a": run("2026-01-01", Row("a | b", 1.0, 1))})


def test_the_json_holds_what_was_measured(tmp_path: Path) -> None:
    save({"live": run("2026-01-01", Row("add", 1.5e-6, 7, "3x peer"))}, tmp_path)

    kept = json.loads((tmp_path / "benchmarks.json").read_text())

    row = {"what": "add", "median_s": 1.5e-6, "runs": 7, "peer": "3x peer", "aim": ""}
    assert kept["live"]["rows"] == [row]
    assert kept["live"]["load"] == 0.5


def test_versions_are_those_that_are_installed() -> None:
    assert {"evanalytics", "polars", "duckdb"} <= set(versions())
    assert "no-such-library" not in versions()


def test_a_row_that_is_no_time_shows_none() -> None:
    assert [shown(0.0), shown(1.5), shown(2e-9)] == ["", "1.5 s", "2 ns"]
