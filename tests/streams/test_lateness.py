"""What would be late with another allowed lateness is late when the graph runs with it."""

import random
from dataclasses import replace

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import StreamError
from evanalytics.streams.lateness import late_against
from tests.streams.random_graphs import Case, pipeline, random_case, random_log

ENGINES = ("polars", "duckdb")


def late_in_a_run(case: Case, log: ev.EventLog) -> dict[str, int]:
    counts = pipeline(case, heavy=False).run(log).counts
    rows = counts.filter(pl.col("node") == "counts", pl.col("what") == "late")
    return dict(rows.select("part", "rows").iter_rows())


@pytest.mark.parametrize("seed", range(12))
def test_each_lateness_leaves_as_many_rows_late_as_a_run_with_it(seed: int) -> None:
    draw = random.Random(seed)
    case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, 150))
    case = replace(case, dedupe=None)  # one that forgets would forget at another time
    frame = pipeline(case, heavy=False).run(log, engine=ENGINES[seed % 2]).lateness("counts")

    for seconds in (0, 1, 5, 60, 3_600):
        told = frame.filter(lateness_s=float(seconds))
        if told.is_empty():
            continue  # longer than anything is late
        actual = late_in_a_run(replace(case, lateness=f"{seconds}s"), log)
        for row in told.iter_rows(named=True):
            parts = [part for part in actual if part.split(" · ")[0] == row["window"]]
            wanted = parts if row["key"] is None else [f"{row['window']} · {row['key']}"]
            assert {actual[part] for part in wanted} == {row["late"]}, (case, seconds)


@pytest.mark.parametrize("seed", range(20, 24))
def test_what_is_allowed_now_has_the_counts_of_the_run(seed: int) -> None:
    draw = random.Random(seed)
    case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, 150))
    result = pipeline(case, heavy=False).run(log)

    chosen = result.lateness("counts").filter("chosen")

    for row in chosen.iter_rows(named=True):
        parts = result.counts.filter(
            pl.col("node") == "counts", pl.col("part").str.starts_with(f"{row['window']} · ")
        )
        if row["key"] is None:
            assert set(parts.filter(what="late")["rows"]) == {row["late"]}
            assert set(parts.filter(what="in")["rows"]) == {row["rows"]}


def test_a_row_is_late_up_to_how_far_its_window_lies_behind() -> None:
    frame = late_against(pl.Series([0, 5_000_000, 5_000_000]), 10, [0, 5_000_000, 5_000_001], 5_000_000)

    assert frame["late"].to_list() == [3, 2, 0]
    assert frame["share"].to_list() == pytest.approx([0.3, 0.2, 0.0])
    assert frame["chosen"].to_list() == [False, True, False]


def test_no_rows_have_no_share() -> None:
    frame = late_against(pl.Series([], dtype=pl.Int64), 0, [0], 0)

    assert frame.row(0) == (0.0, 0, 0, None, True)


def test_pairs_of_a_join_are_never_late() -> None:
    draw = random.Random(3)
    result = pipeline(random_case(draw), heavy=False).run(ev.EventLog.from_frame(random_log(draw, 20)))

    with pytest.raises(StreamError, match=r"pair-counts: the pairs of the join join are never late"):
        result.lateness("pair-counts")


def test_a_node_that_is_no_aggregator_is_refused() -> None:
    draw = random.Random(3)
    result = pipeline(random_case(draw), heavy=False).run(ev.EventLog.from_frame(random_log(draw, 20)))

    with pytest.raises(StreamError, match=r"join: no aggregator of this graph; there is counts, pair-counts"):
        result.lateness("join")
