"""What a join would find with another window is what it finds when it runs with that window."""

import random
from dataclasses import replace

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.durations import duration_us, parse_duration
from evanalytics.exceptions import StreamError
from evanalytics.streams.completeness import pairs_found, windows_needed
from tests.streams.random_graphs import pipeline, random_case, random_log

ENGINES = ("polars", "duckdb")


def log_of(draw: random.Random, size: int = 120) -> ev.EventLog:
    return ev.EventLog.from_frame(random_log(draw, size))


@pytest.mark.parametrize("seed", range(10))
def test_each_window_finds_as_many_pairs_as_a_run_with_it(seed: int) -> None:
    draw = random.Random(seed)
    case, log = random_case(draw), log_of(draw)
    result = pipeline(case, heavy=False).run(log, engine=ENGINES[seed % 2])
    longest = parse_duration("2h")
    needs = windows_needed(result._graph, log, result._engine, "join", duration_us(longest))

    for window in ("0s", "7s", "90s", "30m", "2h"):
        other = pipeline(replace(case, join_window=window), heavy=False).run(log)
        found = int((needs <= duration_us(parse_duration(window))).sum())
        assert found == other.count("join", "pairs"), (case, window)


@pytest.mark.parametrize("seed", range(20, 24))
def test_the_chosen_window_has_the_pairs_of_the_run(seed: int) -> None:
    draw = random.Random(seed)
    result = pipeline(random_case(draw), heavy=False).run(log_of(draw))

    frame = result.join_completeness("join", longest="3h")

    assert frame.filter("chosen")["pairs"].to_list() == [result.count("join", "pairs")]
    assert frame["window_s"].is_sorted()
    assert frame["pairs"].is_sorted()
    assert frame["window_s"].max() == 10_800.0


def test_shares_are_of_the_longest_window() -> None:
    frame = pairs_found(pl.Series([1_000_000, 60_000_000, 60_000_000, 600_000_000]),
                        longest_us=3_600_000_000, chosen_us=60_000_000)  # fmt: skip

    assert frame.filter("chosen").select("pairs", "share").row(0) == (3, 0.75)
    assert frame.filter(window_s=600.0)["share"].item() == 1.0
    assert frame["share"][-1] == 1.0


def test_no_pairs_have_no_share() -> None:
    frame = pairs_found(pl.Series([], dtype=pl.Int64), longest_us=3_600_000_000, chosen_us=60_000_000)

    assert frame["pairs"].sum() == 0
    assert frame["share"].null_count() == frame.height


def test_a_node_that_is_no_join_is_refused() -> None:
    draw = random.Random(1)
    result = pipeline(random_case(draw), heavy=False).run(log_of(draw, 10))

    with pytest.raises(StreamError, match=r"counts: no join of this graph; there is join"):
        result.join_completeness("counts")
