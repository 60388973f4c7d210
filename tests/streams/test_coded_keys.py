from __future__ import annotations

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.logs.engines import PolarsEngine, dictionary_of
from evanalytics.streams.aggregation import PANE, windows_of
from evanalytics.streams.coded_keys import codable, windows_by_code

WINDOW = ev.TumblingWindow("1m")
KEY = ("customer", "status")
ROWS = pl.DataFrame(
    {
        PANE: [5, 5, 5, 7, -2, 7, 7],
        "customer": ["ann", "ann", "bob", None, "ann", None, "ann"],
        "status": [1, 1, None, 2, 1, 2, 1],
        "amount": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
    }
)


def node(column: str) -> ev.AggregatorNode:
    return ev.AggregatorNode(windows=[WINDOW], keys=[KEY], aggregator=[ev.WindowedSum(column, "total")])


def figures(rows: pl.DataFrame, *, coded: bool) -> pl.DataFrame:
    engine = PolarsEngine()
    frame = engine.load(rows)
    counts = node("amount")
    if coded:
        frame, words = engine.coded(frame, codable(counts))
        assert set(words) == set(KEY)
        out = windows_by_code(frame, counts, WINDOW, KEY, words, engine)
    else:
        out = windows_of(frame, counts, WINDOW, KEY)
    return engine.collect(out).select(PANE, *KEY, "total").sort(pl.all(), nulls_last=True)


def test_windows_of_coded_keys_are_those_of_the_values():
    assert figures(ROWS, coded=True).equals(figures(ROWS, coded=False))


def test_windows_too_far_apart_for_one_number_are_the_same():
    far = ROWS.with_columns(pl.when(pl.col(PANE) == 5).then(2**61).otherwise(PANE).alias(PANE))

    assert figures(far, coded=True).equals(figures(far, coded=False))


def test_no_rows_make_no_windows():
    assert figures(ROWS.clear(), coded=True).is_empty()


def test_a_key_column_that_a_figure_reads_keeps_its_values():
    assert codable(node("status")) == ["customer"]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series(["b", None, "", "b", "a", None]),
        pl.Series([3, None, -1, 3, 2**62], dtype=pl.Int64),
        pl.Series([True, None, False, True]),
        pl.Series([], dtype=pl.String),
        pl.concat([pl.Series(["x", "y"]), pl.Series(["y", "x", None])], rechunk=False),
    ],
)
def test_numbers_and_values_spell_the_column_again(values):
    numbers, known = dictionary_of(values)

    assert known.gather(numbers).equals(values, null_equal=True)
    assert known.n_unique() == len(known) == numbers.n_unique()


def test_floats_are_not_coded():
    assert dictionary_of(pl.Series([0.0, -0.0, float("nan")])) is None
