"""A replay on polars, on DuckDB and the slow reference bring the same rows, for random graphs and logs."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pytest

import evanalytics as ev
from evanalytics.streams import aggregation, joining, windows
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
    on = {"engine": engine} if isinstance(engine, str) and "://" not in engine else {"spark": engine}
    result = pipeline(case, heavy).run(log, **on)  # type: ignore[arg-type]
    want, got = expected(case, log, heavy), found(case, result, heavy)

    assert got["counts"] == want["counts"]
    assert sorted(got["late"]) == sorted(want["late"])
    assert by_seqs(got["pairs"]) == by_seqs(want["pairs"])
    assert got["pair_counts"] == want["pair_counts"]
    assert got["again"] == want["again"]
    for source, rows in want["ahead"].items():
        assert result.count(source, "ahead") == rows
    for side in ("left", "right"):
        for fate, seqs in want["fates"][side].items():
            assert result.count("join", fate, side) == len(seqs), (side, fate)
        assert result.count("join", "in", side) == want[side]
    return result


def by_seqs(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    kept = ("left_seq", "right_seq", "seq", "part", "number", "amount")
    return sorted((tuple(row[c] for c in kept) for row in rows), key=repr)


@pytest.mark.parametrize("block", range(6))
def test_polars_says_what_the_reference_says(block: int) -> None:
    for seed in range(block * 12, block * 12 + 12):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))
        try:
            check(case, log, "polars", heavy=seed % 3 == 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {case}") from error


@pytest.mark.parametrize("block", range(4))
def test_duckdb_says_what_the_reference_says(block: int) -> None:
    for seed in range(block * 5, block * 5 + 5):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))
        try:
            check(case, log, "duckdb", heavy=seed % 3 == 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {case}") from error


def shuffled(log: ev.EventLog, seed: int) -> ev.EventLog:
    frame = log.lazy.collect().sample(fraction=1.0, shuffle=True, seed=seed)
    return ev.EventLog(frame.lazy(), schema=log.schema, report=log.report, payloads=log._payloads)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_rows_shuffled_with_their_seq_kept_bring_the_same(engine: Any) -> None:
    for seed in range(1_000, 1_004):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, 60))
        plain = found(case, pipeline(case, heavy=False).run(log, engine=engine), heavy=False)
        mixed = found(case, pipeline(case, heavy=False).run(shuffled(log, seed), engine=engine), heavy=False)

        assert mixed["counts"] == plain["counts"]
        assert sorted(mixed["late"]) == sorted(plain["late"])
        assert by_seqs(mixed["pairs"]) == by_seqs(plain["pairs"])


def test_a_join_on_time_buckets_brings_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_HOT", -1)
    for seed in range(2_000, 2_015):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, 60))
        check(case, log, "polars", heavy=False)


def caught(monkeypatch: pytest.MonkeyPatch, seeds: range = range(3_000, 3_025)) -> bool:
    """Return whether the comparison notices what has been changed."""
    for seed in seeds:
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, 60))
        try:
            check(case, log, "polars", heavy=False)
        except AssertionError:
            return True
    return False


def late_one_too_late(frame: Any, window: Any, span: Any) -> Any:
    return WITH_LAG(frame.with_columns((nw.col("__wm") - 1).alias("__wm")), window, span)


def gap_included(frame: Any, window: Any, key: Any) -> Any:
    return NUMBERED(frame, ev.SessionWindow(window.gap + timedelta(microseconds=1)), key)


def bound_excluded(frame: Any, key: Any, window_us: int) -> Any:
    return CLASSIFIED(frame, key, window_us - 1)


def floor_to_zero(value: nw.Expr, by: int, least: int) -> nw.Expr:
    return (value + (value < 0).cast(nw.Int64) * (by - 1)) // by


def hops_lost(frame: Any, window: Any) -> Any:
    return HOPPED(frame, window).filter(nw.col("__pane") >= 0)


def no_watermark_of_the_later(left: Any, right: Any, node: Any, further: Any) -> Any:
    return PAIRED(left.with_columns(nw.col("left____wm") + 1), right, node, further)


WITH_LAG, NUMBERED, HOPPED = aggregation.with_lag, aggregation.numbered_sessions, aggregation._hopped
CLASSIFIED, PAIRED = joining.classified, joining._paired
BUGS = {
    "a row is late only once the watermark is past the end": (aggregation, "with_lag", late_one_too_late),
    "a gap that is just reached joins the session": (aggregation, "numbered_sessions", gap_included),
    "a row at the edge of its join window is late": (joining, "classified", bound_excluded),
    "times before 1970 round to zero": (windows, "floor_divided", floor_to_zero),
    "the first partial windows are dropped": (aggregation, "_hopped", hops_lost),
    "pairs are judged by a watermark one microsecond off": (joining, "_paired", no_watermark_of_the_later),
}


def test_without_a_bug_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not caught(monkeypatch)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    module, name, wrong = BUGS[bug]
    monkeypatch.setattr(module, name, wrong)

    assert caught(monkeypatch)
