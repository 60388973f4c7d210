from __future__ import annotations

import polars as pl
import pytest

from evanalytics.exceptions import TuningError
from evanalytics.tuning.constraints import Constraint, format_ns


@pytest.mark.parametrize(
    ("text", "column", "most"),
    [
        ("p99 <= 2s", "p99_ns", 2_000_000_000),
        ("p99.9<=500ms", "p99_9_ns", 500_000_000),
        (" max <= 1m30s ", "max_ns", 90_000_000_000),
        ("requests <= 5_000", "requests", 5_000),
        ("handed_back <= 0", "handed_back", 0),
    ],
)
def test_a_constraint_is_read_as_people_write_it(text, column, most):
    assert Constraint.parse(text) == Constraint(column, most)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p99 < 2s", "cannot be read; write a metric, <= and a bound"),
        ("p99 <= 2", "cannot read the bound '2'"),
        ("requests <= many", "cannot read the bound 'many'"),
        ("p95 <= 2s", "p95: there is no such metric; there are events, handed_back"),
        (5, "constraint 5: cannot be read"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(TuningError, match=message):
        Constraint.parse(text)


def test_a_lost_event_keeps_to_no_bound():
    table = pl.DataFrame({"p99_ns": [1, 2, 3, None]})

    assert table.select(Constraint("p99_ns", 2).holds()).to_series().to_list() == [True, True, False, False]


def test_a_constraint_reads_as_it_was_written():
    assert [str(Constraint.parse(text)) for text in ("p99.9 <= 2s", "handed_back <= 5000")] == [
        "p99.9 <= 2 s",
        "handed_back <= 5,000",
    ]


@pytest.mark.parametrize(
    "text", ["p99 <= 1.999 s", "p99 <= 1.234567 s", "p50 <= 999.999 ms", "max <= 5,400 s"]
)
def test_a_bound_is_not_rounded(text):
    assert str(Constraint.parse(text.replace(",", ""))) == text


def test_latencies_are_shown_to_three_digits_with_a_fitting_unit():
    assert [format_ns(value) for value in (999, 1_500, 999_999_999, 12_345 * 10**9)] == [
        "999 ns",
        "1.5 us",
        "1 s",
        "12,300 s",
    ]
