"""A replay on polars, on DuckDB and the slow reference bring the same rows, for random graphs and logs."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest

import evanalytics as ev
from tests.streams.random_graphs import Case, expected, pipeline, random_case, random_log


def found(case: Case, result: ev.StreamResult, heavy: bool) -> dict[str, Any]:
    """Return a replay's rows in the shape of the reference's."""
    names = ["count", "sum_amount", "min_amount", "max_number", "mean"] + (
        ["median", "parts"] if heavy else []
    )
    labels = [window.label for window in case.windows]
    keys = ["all" if key == "all" else key if isinstance(key, str) else ", ".join(key) for key in case.keys]
    columns = [() if key == "all" else (key,) if isinstance(key, str) else tuple(key) for key in case.keys]

    def windows(node: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        frame = result.results(node).with_columns(pl.col("start", "end").dt.timestamp("us"))
        out = {}
        for row in frame.iter_rows(named=True):
            j = keys.index(row["key"]) if node == "counts" else 0
            values = [row[c] for c in (columns[j] if node == "counts" else ())]
            place = (labels.index(row["window"]), j, row["start"], row["end"], *values)
            assert place not in out
            out[place] = tuple(row[name] for name in names)
        return out

    late = [
        (
            row["seq"],
            labels.index(row["late_for_window"]),
            keys.index(row["late_for_key"]),
            row["missed_windows"],
        )
        for row in result.results("counts", "late").iter_rows(named=True)
    ]
    pairs = result.results("join").drop("ts").to_dicts()
    again = (
        [] if case.two_sources or not case.deduped else result.results("dedupe", "duplicate")["seq"].to_list()
    )
    return {
        "counts": windows("counts"),
        "late": late,
        "pairs": pairs,
        "pair_counts": windows("pair-counts"),
        "again": again,
    }


def check(case: Case, log: ev.EventLog, engine: Any, heavy: bool) -> ev.StreamResult:
    result = pipeline(case, heavy).run(log, engine=engine)
    want, got = expected(case, log, heavy), found(case, result, heavy)

    assert got["counts"] == want["counts"]
    assert sorted(got["late"]) == sorted(want["late"])
    assert by_seqs(got["pairs"]) == by_seqs(want["pairs"])
    assert got["pair_counts"] == want["pair_counts"]
    assert got["again"] == want["again"]
    for side in ("left", "right"):
        for fate, seqs in want["fates"][side].items():
            assert result.count("join", fate, side) == len(seqs), (side, fate)
        assert result.count("join", "in", side) == want[side]
    return result


def by_seqs(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    kept = ("left_seq", "right_seq", "seq", "part", "number", "amount")
    return sorted((tuple(row[c] for c in kept) for row in rows), key=repr)


@pytest.mark.parametrize("block", range(10))
def test_polars_says_what_the_reference_says(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))
        try:
            check(case, log, "polars", heavy=seed % 3 == 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {case}") from error


@pytest.mark.parametrize("block", range(4))
def test_duckdb_says_what_the_reference_says(block: int) -> None:
    for seed in range(block * 8, block * 8 + 8):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))
        try:
            check(case, log, "duckdb", heavy=seed % 3 == 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {case}") from error
