"""Columns decide what they tell exactly; the rest is left to the events, on every engine alike."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evanalytics.event import Event
from evanalytics.exceptions import PayloadUnavailableError
from evanalytics.filters.columns import why_undecided
from evanalytics.filters.filter import filter
from evanalytics.logs.log import EventLog
from evanalytics.logs.reader import read_log
from tests.filters.logs_of import by_duckdb, by_polars, by_predicate, events_of_payloads, log_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def frame(**columns: Any) -> pl.DataFrame:
    size = len(next(iter(columns.values())))
    envelope = {
        "id": [str(i) for i in range(size)],
        "type": ["t"] * size,
        "source": ["s"] * size,
        "time": [NOON + timedelta(seconds=i) for i in range(size)],
    }
    return pl.DataFrame({**envelope, **columns})


def both(condition: Any, log: EventLog) -> list[int]:
    """Return the rows that match, after both engines have said the same."""
    chosen = filter(condition)
    events = list(log.events())
    found = by_polars(chosen, log)
    assert by_duckdb(chosen, log, events) == found
    assert by_predicate(chosen, events) == found
    return found


def residual(condition: Any, log: EventLog) -> bool:
    return filter(condition).compile(log.schema).residual is not None


@pytest.fixture
def parquet(tmp_path: Path) -> EventLog:
    """A Parquet log in which a number is there, NaN, null, and infinite."""
    path = tmp_path / "log.parquet"
    frame(data__x=[1.5, float("nan"), None, float("inf"), -1.5]).write_parquet(path)
    return read_log(path, progress=False)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({"$gt": 1}, [0, 3]),
        ({"$lt": 5}, [0, 4]),
        ({"$not": {"$gt": 1}}, [1, 2, 4]),
        ({"$eq": None}, [1, 2]),
        ({"$ne": 1.5}, [1, 2, 3, 4]),
        ({"$nin": [1.5, None]}, [3, 4]),
        ({"$gte": float("inf")}, [3]),
        ({"$exists": False}, [1, 2]),
    ],
)
def test_nan_in_parquet_is_null(parquet: EventLog, condition: Any, rows: list[int]) -> None:
    assert both({"data.x": condition}, parquet) == rows


def test_null_beside_missing_is_told_apart_in_json(tmp_path: Path) -> None:
    log = log_of(events_of_payloads([{"a": None}, {}, {"a": 1}, {"a": float("nan")}, {"a": 2.5}]), tmp_path)

    assert both({"data.a": {"$exists": True}}, log) == [0, 2, 3, 4]
    assert both({"data.a": None}, log) == [0, 1, 3]
    assert both({"data.a": {"$exists": False}}, log) == [1]


def test_nan_alone_is_told_from_missing_too(tmp_path: Path) -> None:
    log = log_of(events_of_payloads([{"a": float("nan")}, {}, {"a": 2.5}]), tmp_path)

    assert both({"data.a": {"$exists": True}}, log) == [0, 2]


def test_scalar_paths_leave_nothing_to_the_events() -> None:
    log = EventLog.from_frame(frame(data__n=[1, None, 3], data__s=["a", "b", None]))

    for condition in (
        {"data.n": {"$gt": 1}},
        {"data.s": {"$nin": ["a"]}},
        {"data.n": {"$exists": False}},
        {"data.none": None},
        {"data.s": {"$elemMatch": {"$gt": 1}}},
    ):
        assert not residual(condition, log)


@pytest.mark.parametrize(
    "condition",
    [
        {"data.list": 1},
        {"data.mixed": "a"},
        {"data.object": {"k": 1}},
        {"data": {"a": 1}},
        {"data.s": {"$regex": "\\ba"}},
        {"data.f": {"$mod": [2, 0]}},
    ],
)
def test_what_columns_cannot_tell_is_left_to_the_events(tmp_path: Path, condition: Any) -> None:
    payloads = [
        {"list": [1, 2], "mixed": 1, "object": {"k": 1}, "s": "x a", "f": 2.5},
        {"list": [3], "mixed": "a", "object": {"k": 2}, "s": "xa", "f": 3.5},
        {"a": 1},
    ]
    log = log_of(events_of_payloads(payloads), tmp_path)

    assert residual(condition, log)
    assert both(condition, log)


def test_cheap_columns_go_before_the_events(tmp_path: Path) -> None:
    log = log_of(events_of_payloads([{"n": n, "list": [n % 3]} for n in range(30)]), tmp_path)
    split = filter({"data.list": 1, "data.n": {"$lt": 10}}).compile(log.schema)

    assert split.expression is not None
    assert split.reads == ("data.list",)
    assert both({"data.list": 1, "data.n": {"$lt": 10}}, log) == [1, 4, 7]


def test_of_an_alternative_columns_take_what_they_can(tmp_path: Path) -> None:
    log = log_of(events_of_payloads([{"n": n, "list": [n % 3]} for n in range(30)]), tmp_path)
    condition = {"$or": [{"data.n": 5}, {"data.n": {"$lt": 10}, "data.list": 1}]}
    split = filter(condition).compile(log.schema)

    assert split.expression is not None
    assert both(condition, log) == [1, 4, 5, 7]


def test_a_path_whose_values_are_lost_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame(data__n=[1, 2], data__list=[[1], [2]]).write_parquet(path)
    log = read_log(path, progress=False)

    with pytest.raises(
        PayloadUnavailableError, match=r"data\.list: the log's columns cannot say it \(data\.list: arrays\)"
    ):
        log.where(filter({"data.list": 1}))


@pytest.mark.parametrize(
    "literal",
    [
        2**63 - 1,
        2**63,
        -(2**63),
        -(2**63) - 1,
        2**53 + 1,
        0.5,
        1e300,
        float("inf"),
        float("-inf"),
        3.0,
        10**400,
    ],
)
@pytest.mark.parametrize("operator", ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"])
def test_numbers_compare_exactly_whatever_their_size(operator: str, literal: Any) -> None:
    whole = [0, 3, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), None]
    fractions = [0.5, 3.0, float(2**53), float(2**63), -float(2**63), float("inf"), None]
    log = EventLog.from_frame(frame(data__i=whole, data__f=fractions))
    condition = {operator: [literal] if "in" in operator else literal}

    assert not residual({"data.i": condition, "data.f": condition}, log)
    both({"data.i": condition}, log)
    both({"data.f": condition}, log)


def test_types_never_mix() -> None:
    log = EventLog.from_frame(
        frame(data__b=[True, False, None], data__i=[1, 0, None], data__s=["1", "true", None])
    )

    assert both({"data.b": 1}, log) == []
    assert both({"data.i": True}, log) == []
    assert both({"data.s": 1}, log) == []
    assert both({"data.b": {"$gte": False}}, log) == [0, 1]
    assert both({"data.i": {"$in": [True, "1", 1.0, 1.5, None]}}, log) == [0, 2]


def test_columns_that_json_has_no_type_for_are_left_to_the_events(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame(data__when=[NOON, None], data__small=pl.Series([0.1, 0.2], dtype=pl.Float32)).write_parquet(path)
    log = read_log(path, progress=False)

    assert residual({"data.when": {"$exists": True}}, log)
    assert both({"data.when": {"$exists": True}}, log) == [0]


def test_time_bounds_stand_first(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame(data__n=list(range(1_000))).write_parquet(path, row_group_size=100)
    log = read_log(path, progress=False)
    late = filter({"data.n": {"$gt": 1}, "time": {"$gte": NOON + timedelta(seconds=990)}})

    assert late.optimized(log.schema).paths == ["time", "data.n"]
    assert len(log.where(late)) == 10


def test_hundreds_of_alternatives_are_no_problem() -> None:
    log = EventLog.from_frame(frame(data__n=list(range(50)), data__s=[str(n) for n in range(50)]))
    condition = {"$or": [{"data.n": n, "data.s": str(n)} for n in range(0, 600, 2)]}

    assert both(condition, log) == list(range(0, 50, 2))
    assert both({"data.n": {"$in": list(range(0, 100_000, 2))}}, log) == list(range(0, 50, 2))


def test_names_that_differ_by_case_are_two_paths(tmp_path: Path) -> None:
    log = log_of(events_of_payloads([{"userId": "a"}, {"userid": "a"}]), tmp_path)

    assert both({"data.userId": "a"}, log) == [0]
    assert both({"data.userid": "a"}, log) == [1]


def test_reasons_are_said(tmp_path: Path) -> None:
    log = log_of(events_of_payloads([{"list": [1]}, {"n": 1}]), tmp_path)

    assert why_undecided(filter({"data.list": 1}).node, log.schema) == "data.list stayed JSON: arrays"
    assert why_undecided(filter({"data.n": 1}).node, log.schema) is None


def test_subject_and_extensions_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    records = [
        {"id": str(i), "type": "t", "source": "s", "time": NOON.isoformat(), "data": {"n": i}}
        for i in range(3)
    ]
    records[0]["subject"] = "x"
    path.write_text("\n".join(json.dumps(record) for record in records))
    log = read_log(path, progress=False)

    assert both({"subject": "x"}, log) == [0]
    assert both({"subject": {"$exists": False}}, log) == [1, 2]
    assert both({"ext.none": None}, log) == [0, 1, 2]


def test_whatever_is_asked_an_empty_log_stays_empty() -> None:
    log = EventLog.from_frame(frame(data__n=[1]).clear())

    assert both({"data.n": 1, "data.list": {"$size": 1}}, log) == []


def test_a_log_without_events_left_is_a_log() -> None:
    log = EventLog.from_frame(frame(data__n=[1, 2]))

    assert len(log.where(filter({"data.n": "never"}))) == 0
    assert list(log.where(filter({"$nor": [{}]})).events()) == []
    assert [type(event) for event in log.where(filter({})).events()] == [Event, Event]


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"data.a": None}, "013"),
        ({"data.a": {"$exists": True}}, "02"),
        ({"data.a": {"$exists": False}}, "13"),
        ({"data.a": {"$ne": 1}}, "013"),
        ({"data.b": {"$gt": 0}}, "0"),
        ({"data.b": None}, "123"),
    ],
)
def test_parquet_with_an_explicit_null_beside_a_missing_field_and_nan(
    tmp_path: Path, document: dict[str, Any], wanted: str
) -> None:
    texts = ['{"a": null, "b": 1.5}', '{"b": NaN}', '{"a": 1}', "{}"]
    times = [datetime(2026, 1, 1, tzinfo=UTC)] * 4
    rows = {"id": list("0123"), "type": "t", "source": "s", "time": times, "data": texts}
    pl.DataFrame(rows).write_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", progress=False)
    condition = filter(document)

    assert "".join(event.id for event in log.events() if condition(event)) == wanted
    assert "".join(log.where(condition).lazy.collect()["id"]) == wanted
    split = condition.compile(log.schema)
    if split.residual is None:
        frame = log.frame("duckdb").filter(split.expression)
        assert "".join(sorted(frame.to_native().pl()["id"])) == wanted
