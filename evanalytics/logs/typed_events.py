"""Events as the typed columns of a schema that is known beforehand; what does not fit is set aside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import ColumnError
from evanalytics.logs.log import LogSchema
from evanalytics.logs.paths import PathNode, PathPlan, plan_paths
from evanalytics.logs.schema import (
    ENVELOPE,
    EXTENSION,
    ID,
    PAYLOAD,
    SEQ,
    SOURCE,
    SUBJECT,
    TIME,
    TS,
    TYPE,
    column_of,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MISFIT = object()
_KINDS: dict[type, str] = {
    str: "VARCHAR",
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    type(None): "NULL",
}

Refused = list[tuple[Event, str]]
"""Events that do not fit a schema, each with the reason."""


def declared_schema(paths: Mapping[str, Any]) -> LogSchema:
    """Return the schema of events whose payload has these paths.

    Args:
        paths: Dotted path ("data.total", "ext.traceparent") to dtype: `pl.String`, `pl.Int64`,
            `pl.Float64` or `pl.Boolean`.

    Raises:
        ColumnError: A path begins otherwise, or a dtype is none of these.

    Example:
        >>> declared_schema({"data.total": pl.Float64}).column("data.total")
        'data__total'
    """
    columns: dict[str, pl.DataType] = {**ENVELOPE, SUBJECT: pl.String()}
    for path, given in paths.items():
        dtype = given() if isinstance(given, type) else given
        if path.split(".")[0] not in (PAYLOAD, EXTENSION) or "." not in path:
            raise ColumnError(f"schema: a path begins with 'data.' or 'ext.', got {path!r}")
        if dtype not in _READERS:
            raise ColumnError(f"schema at {path}: needs String, Int64, Float64 or Boolean, got {dtype}")
        columns[column_of(path)] = dtype
    return LogSchema(columns, {path: column_of(path) for path in paths}, null_paths=tuple(paths))


def schema_of_events(events: Iterable[Event], *, most: int = 10_000) -> LogSchema:
    """Return the schema that the first events have, types found as `read_log` finds them.

    Args:
        events: At least one.
        most: How many of them are looked at.

    Raises:
        ColumnError: There is no event.
    """
    root, extensions, seen = PathNode(), PathNode(), 0
    for event in islice(events, most):
        seen += 1
        extensions.see(_structure(dict(event.extensions)))
        if isinstance(event.data, dict):
            root.see(_structure(event.data))
    if not seen:
        raise ColumnError(
            "schema: there is no event to find types from; declare them: schema={'data.total': pl.Float64}"
        )
    plan = PathPlan()
    plan_paths(root, path=PAYLOAD, keys=(), plan=plan, skip=frozenset())
    plan_paths(extensions, path=EXTENSION, keys=(), plan=plan, skip=frozenset())
    typed = [path for path in plan.typed if path.keys]
    columns = {**ENVELOPE, SUBJECT: pl.String(), **{path.column: path.dtype for path in typed}}
    paths = {path.path: path.column for path in typed}
    return strict(LogSchema(columns, paths, json_paths=plan.json))


def strict(schema: LogSchema) -> LogSchema:
    """Return a schema that also allows for explicit nulls at every path, as future events may have them."""
    return replace(schema, null_paths=tuple(schema.paths))


class EventColumns:
    """Turns events into columns of a schema.

    An event fits if each value at a path of the schema has the column's type, or is null or missing.
    Whole numbers fit a Float64 that holds them exactly. Paths outside the schema are left alone.
    """

    def __init__(self, schema: LogSchema, columns: Sequence[str] | None = None) -> None:
        """Take the schema, and which of its columns are wanted; None: all.

        Raises:
            ColumnError: A wanted column has a dtype that JSON has no type for.
        """
        wanted = schema.columns if columns is None else columns
        self._columns: dict[str, tuple[pl.DataType, Callable[[Event], Any]]] = {}
        of_column = {column: path for path, column in schema.paths.items()}
        for name in wanted:
            if name in ENVELOPE or name == SUBJECT:
                continue
            dtype = schema.columns[name]
            if dtype not in _READERS:
                raise ColumnError(
                    f"{of_column.get(name, name)}: is {dtype}, for which JSON has no type, so live events "
                    "cannot bring it; read it as text, or replay the log itself"
                )
            self._columns[name] = dtype, _getter(of_column[name], _READERS[dtype])

    def frame(self, events: Sequence[Event], first: int) -> tuple[pl.DataFrame, Refused]:
        """Return the rows of the events that fit, `seq` counted over all from `first`; and the others."""
        values = {name: [get(event) for event in events] for name, (_, get) in self._columns.items()}
        misfits = {
            place: name
            for name, column in values.items()
            for place, value in enumerate(column)
            if value is _MISFIT
        }
        if misfits:
            values = {
                name: [v for i, v in enumerate(column) if i not in misfits] for name, column in values.items()
            }
        good = [event for place, event in enumerate(events) if place not in misfits]
        numbers = [first + place for place in range(len(events)) if place not in misfits]
        ts = pl.Series(TS, [(event.time - _EPOCH) // _MICROSECOND for event in good], dtype=pl.Int64)
        own: dict[str, pl.Series] = {
            SEQ: pl.Series(numbers, dtype=pl.Int64),
            ID: pl.Series([event.id for event in good], dtype=pl.String),
            TYPE: pl.Series([event.type for event in good], dtype=pl.String),
            SOURCE: pl.Series([event.source for event in good], dtype=pl.String),
            TIME: ts.cast(pl.Datetime("us", "UTC")),
            TS: ts,
            SUBJECT: pl.Series([event.subject for event in good], dtype=pl.String),
        }
        typed = {name: pl.Series(values[name], dtype=dtype) for name, (dtype, _) in self._columns.items()}
        refused = [
            (events[place], f"{name}: another type than the schema's") for place, name in misfits.items()
        ]
        return pl.DataFrame(own | typed), refused


def _structure(value: Any) -> Any:
    """Return a value as `PathNode.see` wants it."""
    if isinstance(value, dict):
        return {key: _structure(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_structure(inner) for inner in value]
    return _KINDS.get(type(value), "VARCHAR")


def _getter(path: str, read: Callable[[Any], Any]) -> Callable[[Event], Any]:
    root, *keys = path.split(".")
    if root == EXTENSION:
        name = ".".join(keys)
        return lambda event: read(event.extensions.get(name))
    if len(keys) == 1:
        key = keys[0]
        return lambda event: read(event.data.get(key)) if type(event.data) is dict else _beyond(event.data)

    def get(event: Event) -> Any:
        value = event.data
        for key in keys:
            if type(value) is not dict:
                return _beyond(value)
            value = value.get(key)
        return read(value)

    return get


def _beyond(value: Any) -> Any:
    """Return what there is behind a value that is no object."""
    return None if value is None else _MISFIT


def _text(value: Any) -> Any:
    return value if value is None or type(value) is str else _MISFIT


def _boolean(value: Any) -> Any:
    return value if value is None or type(value) is bool else _MISFIT


def _integer(value: Any) -> Any:
    if value is None:
        return None
    return value if type(value) is int and -(2**63) <= value < 2**63 else _MISFIT


def _number(value: Any) -> Any:
    if value is None:
        return None
    if type(value) is float:
        return None if math.isnan(value) else value
    return float(value) if type(value) is int and abs(value) <= 2**53 else _MISFIT


_READERS: dict[pl.DataType, Callable[[Any], Any]] = {
    pl.String(): _text,
    pl.Boolean(): _boolean,
    pl.Int64(): _integer,
    pl.Float64(): _number,
}
