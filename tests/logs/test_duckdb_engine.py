"""What DuckDB does in its own way where a log is larger than memory, on small ones: polars says the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.logs.duckdb_engine import DuckDBEngine
from tests.streams.random_graphs import pipeline, random_case, random_log
from tests.streams.seed_pipeline import order_analytics


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every log is cut as one is that does not fit into memory, and lies in a file."""
    asked, true = list[str](), DuckDBEngine._file
    monkeypatch.setattr(DuckDBEngine, "join_slices", lambda self, cells: 3)
    monkeypatch.setattr(DuckDBEngine, "_file", lambda self: asked.append("file") or true(self))
    yield
    assert asked


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("logs")
    paths = [folder / f"{number}.parquet" for number in range(2)]
    for number, path in enumerate(paths):
        ev.write_sample(path, events=3_000, days=2, seed=number, progress=False)
    return paths


def rows_of(result: ev.StreamResult) -> list[pl.DataFrame]:
    found = [
        result.results("order-payment-join"),
        result.results("order-metrics"),
        result.results("order-metrics", "late"),
    ]
    return [frame.sort(frame.columns, nulls_last=True) for frame in found]


@pytest.mark.usefixtures("large")
def test_spans_and_slices_bring_what_polars_brings(files: list[Path]) -> None:
    log = ev.read_log(files, progress=False)

    spilt, whole = (order_analytics().run(log, engine=engine) for engine in ("duckdb", "polars"))

    for ours, theirs in zip(rows_of(spilt), rows_of(whole), strict=True):
        assert ours.equals(theirs.select(ours.columns))
    assert spilt.counts.sort("node", "part", "what").equals(whole.counts.sort("node", "part", "what"))


@pytest.mark.usefixtures("large")
def test_pairs_that_are_handed_on_slice_by_slice_are_each_handed_on_once(files: list[Path]) -> None:
    log, handed = ev.read_log(files, progress=False), list[pl.DataFrame]()
    pairs = order_analytics().run(log, engine="polars").results("order-payment-join")

    order_analytics(handed.append).run(log, engine="duckdb", keep=False, sinks=True)

    ids = pl.concat(frame.select("left_seq", "right_seq") for frame in handed if "left_seq" in frame.columns)
    assert ids.sort(pl.all()).equals(pairs.select(ids.columns).sort(pl.all()))


@pytest.mark.usefixtures("large")
def test_random_graphs_over_files_are_the_same(tmp_path: Path) -> None:
    for seed in range(12):
        draw = random.Random(seed)
        case, path = random_case(draw), tmp_path / f"{seed}.parquet"
        rows = random_log(draw, 60).with_columns(
            pl.col("data__amount").fill_nan(None)
        )  # NaN is read by polars
        rows.write_parquet(path)
        log = ev.read_log(path, progress=False)
        found = [
            pipeline(case, heavy=seed % 3 == 0).run(log, engine=engine) for engine in ("duckdb", "polars")
        ]

        counts = [one.counts.sort("node", "part", "what") for one in found]
        assert counts[0].equals(counts[1]), f"seed {seed}"


def test_rows_that_do_not_come_in_order_are_sorted() -> None:
    engine = DuckDBEngine()
    rows = pl.DataFrame({"seq": [2, 0, 1, 3], "ts": [5, 9, 1, 2]})

    held = engine.hold_in_order(lambda: engine.running_max(engine.load(rows), "ts", "highest"))

    assert dict(engine.collect(held).select("seq", "highest").rows()) == {0: 9, 1: 9, 2: 9, 3: 9}


def test_equal_floats_of_two_hashes_are_the_same_key() -> None:
    engine = DuckDBEngine()
    rows = engine.load(pl.DataFrame({"seq": [0, 1, 2, 3], "x": [0.0, -0.0, None, None]}))

    held = engine.collect(engine.hold_marked(rows, ["x"], "again"))

    assert dict(held.select("seq", "again").rows()) == {0: False, 1: True, 2: False, 3: False}
