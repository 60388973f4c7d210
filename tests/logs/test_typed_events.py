"""Events as columns of a schema that is known beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from evanalytics.event import Event
from evanalytics.exceptions import ColumnError
from evanalytics.logs.schema import SEQ, TIME
from evanalytics.logs.typed_events import EventColumns, declared_schema, schema_of_events

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(data: Any, **attributes: Any) -> Event:
    return Event(id="e", type="order", source="shop", time=NOON, data=data, **attributes)


def column(path: str, dtype: Any, *payloads: Any) -> list[Any]:
    """Return the column of a path for events that all fit."""
    schema = declared_schema({path: dtype})
    frame, refused = EventColumns(schema).frame([event(data) for data in payloads], 0)
    assert refused == []
    return frame[schema.column(path)].to_list()


def is_refused(dtype: Any, data: Any, path: str = "data.x") -> bool:
    frame, refused = EventColumns(declared_schema({path: dtype})).frame([event(data)], 0)
    return len(frame) == 0 and len(refused) == 1


def test_values_of_the_columns_type_are_taken() -> None:
    assert column("data.x", pl.String, {"x": "a"}, {"x": None}, {}, None) == ["a", None, None, None]
    assert column("data.x", pl.Int64, {"x": 2**63 - 1}) == [2**63 - 1]
    assert column("data.x", pl.Boolean, {"x": True}) == [True]


def test_whole_numbers_fit_a_float_that_holds_them() -> None:
    assert column("data.x", pl.Float64, {"x": 3}, {"x": 0.5}, {"x": float("nan")}) == [3.0, 0.5, None]
    assert is_refused(pl.Float64, {"x": 2**53 + 1})


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(pl.String, 1), (pl.Int64, "1"), (pl.Int64, 1.0), (pl.Int64, True), (pl.Int64, 2**63), (pl.Boolean, 1), (pl.Float64, "1"), (pl.String, ["a"])],
)  # fmt: skip
def test_value_of_another_type_is_refused(dtype: Any, value: Any) -> None:
    assert is_refused(dtype, {"x": value})


def test_path_that_leads_through_something_else_than_objects_is_refused() -> None:
    assert is_refused(pl.String, {"a": "text"}, "data.a.b")
    assert is_refused(pl.String, {"a": [{"b": "text"}]}, "data.a.b")
    assert is_refused(pl.String, "text")


def test_deep_paths_and_extensions_have_columns() -> None:
    schema = declared_schema({"data.a.b": pl.Int64, "ext.trace": pl.String})
    events = [event({"a": {"b": 1}}, extensions={"trace": "t"}), event({"a": None})]
    frame, _ = EventColumns(schema).frame(events, 0)

    assert frame["data__a__b"].to_list() == [1, None]
    assert frame["ext__trace"].to_list() == ["t", None]


def test_events_keep_the_number_of_their_place() -> None:
    schema = declared_schema({"data.x": pl.Int64})
    frame, refused = EventColumns(schema).frame([event({"x": 1}), event({"x": "odd"}), event({"x": 3})], 10)

    assert frame[SEQ].to_list() == [10, 12]
    assert frame[TIME].to_list() == [NOON, NOON]
    assert [reason for _, reason in refused] == ["data__x: another type than the schema's"]


def test_columns_that_are_not_wanted_are_not_looked_at() -> None:
    schema = declared_schema({"data.x": pl.Int64, "data.y": pl.Int64})
    frame, refused = EventColumns(schema, ["data__y"]).frame([event({"x": "odd", "y": 1})], 0)

    assert refused == []
    assert "data__x" not in frame.columns


def test_schema_is_found_as_the_reader_finds_it() -> None:
    payloads = [{"n": 1, "f": 1, "s": "a", "l": [1], "m": 1}, {"f": 0.5, "o": {"b": True}, "m": "text"}]
    schema = schema_of_events(event(data, extensions={"trace": "t"}) for data in payloads)

    found = {path: schema.columns[column] for path, column in schema.paths.items()}
    assert found == {
        "data.n": pl.Int64(),
        "data.f": pl.Float64(),
        "data.s": pl.String(),
        "data.o.b": pl.Boolean(),
        "ext.trace": pl.String(),
    }
    assert set(schema.json_paths) == {"data.l", "data.m"}


def test_schema_without_events_says_what_would_do() -> None:
    with pytest.raises(ColumnError, match="declare them"):
        schema_of_events([])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({"total": pl.Int64}, r"begins with 'data\.' or 'ext\.', got 'total'"),
        ({"data": pl.Int64}, "got 'data'"),
        ({"data.x": pl.Date}, "needs String, Int64, Float64 or Boolean, got Date"),
    ],
)
def test_declaration_that_makes_no_sense_is_refused(paths: dict[str, Any], message: str) -> None:
    with pytest.raises(ColumnError, match=message):
        declared_schema(paths)
