"""Facets tell what a log's paths hold, one row each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evanalytics.filters.facets import MOST_CHOICES, events_over_time, facets
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import events_of_payloads, log_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
BEGIN_US = int(BEGIN.timestamp()) * 10**6


def facet(log: EventLog, path: str) -> dict[str, Any]:
    return facets(log).row(by_predicate=pl.col("path") == path, named=True)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    payloads = [
        {
            "n": number,
            "kind": "ab"[number % 2],
            "paid": number % 4 == 0,
            "name": f"name {number}",
            "list": [1],
        }
        for number in range(100)
    ]
    return log_of(events_of_payloads([*payloads, {"n": None, "kind": "<b>"}]), tmp_path)


def test_columns_and_dtypes_are_the_documented_ones(log: EventLog) -> None:
    assert facets(log).schema == {
        "path": pl.String, "kind": pl.String, "dtype": pl.String, "events": pl.Int64, "distinct": pl.Int64,
        "values": pl.List(pl.String), "counts": pl.List(pl.Int64), "quantiles": pl.List(pl.Float64),
    }  # fmt: skip


def test_attributes_come_first_and_paths_without_a_column_last(log: EventLog) -> None:
    paths = facets(log)["path"].to_list()

    assert paths[:3] == ["type", "source", "time"]
    assert paths[-2:] == ["id", "data.list"]


def test_few_values_are_a_choice_with_counts_the_most_frequent_first(log: EventLog) -> None:
    kind = facet(log, "data.kind")

    assert (kind["kind"], kind["distinct"], kind["events"]) == ("choice", 3, 101)
    assert list(zip(kind["values"], kind["counts"], strict=True)) == [("a", 50), ("b", 50), ("<b>", 1)]


def test_booleans_are_a_choice(log: EventLog) -> None:
    paid = facet(log, "data.paid")

    assert (paid["dtype"], paid["values"], paid["counts"]) == ("Boolean", ["false", "true"], [75, 25])


def test_numbers_have_a_hundred_and_one_quantiles(log: EventLog) -> None:
    number = facet(log, "data.n")

    assert (number["kind"], number["events"]) == ("number", 100)
    assert (number["quantiles"][0], number["quantiles"][100]) == (0, 99)
    assert len(number["quantiles"]) == 101
    assert number["quantiles"] == sorted(number["quantiles"])


def test_many_values_are_text() -> None:
    texts = [f"t{number}" for number in range(MOST_CHOICES + 1)]
    log = EventLog.from_frame(
        pl.DataFrame({"id": texts, "type": texts, "source": "s", "time": [BEGIN] * len(texts)})
    )

    assert facet(log, "type")["kind"] == "text"
    assert facet(log, "type")["values"] == []


def test_arrays_are_json_of_which_columns_tell_nothing(log: EventLog) -> None:
    found = facet(log, "data.list")

    assert (found["kind"], found["dtype"], found["events"], found["distinct"]) == ("json", "JSON", None, None)


def test_time_reaches_from_the_first_to_the_last_event() -> None:
    times = [BEGIN + timedelta(seconds=second) for second in (3, 0, 9)]
    log = EventLog.from_frame(
        pl.DataFrame({"id": ["a", "b", "c"], "type": "t", "source": "s", "time": times})
    )

    quantiles = facet(log, "time")["quantiles"]

    assert (quantiles[0], quantiles[-1]) == (BEGIN_US, BEGIN_US + 9_000_000)
    assert events_over_time(log, BEGIN_US, BEGIN_US + 10_000_000, 5) == [1, 1, 0, 0, 1]


def test_a_log_without_events_has_facets_without_values(log: EventLog) -> None:
    empty = facets(log.between(end=BEGIN))

    assert empty["events"].drop_nulls().unique().to_list() == [0]
    assert empty["values"].list.len().sum() == empty["quantiles"].list.len().sum() == 0
