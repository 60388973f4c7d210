"""What a log's schema says about a path: a column that decides, never there, or undecided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from evanalytics.logs.log import LogSchema
from evanalytics.logs.schema import EXTENSION, ID, PAYLOAD, SOURCE, SUBJECT, TIME, TYPE

_EXACT = (pl.String(), pl.Boolean(), pl.Int64(), pl.Float64())


@dataclass(frozen=True, slots=True)
class ColumnPath:
    """A path whose values a column holds exactly; null where it leads to nothing.

    Attributes:
        column: The column's name.
        dtype: String, Boolean, Int64, Float64, or a Datetime for the event's time.
        nullable: Whether nulls can be in it.
        told_apart: Whether null can only mean that the path leads to nothing.
    """

    column: str
    dtype: pl.DataType
    nullable: bool = True
    told_apart: bool = True


@dataclass(frozen=True, slots=True)
class NeverThere:
    """A path that leads to nothing in every event of the log."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A path whose values no column holds exactly."""

    reason: str


def column_path(path: str, schema: LogSchema) -> ColumnPath | NeverThere | Undecided:
    """Return what the columns of a log know about a path."""
    if path in (ID, TYPE, SOURCE, TIME):
        return ColumnPath(path, schema.columns[path], nullable=False)
    if path == SUBJECT:
        return ColumnPath(path, pl.String()) if SUBJECT in schema.columns else NeverThere()
    if path.split(".")[0] == EXTENSION:
        return _extension(path, schema)
    if path in schema.paths:
        return _typed(path, schema.paths[path], schema)
    return _without_column(path, schema)


def is_scalar(path: str, schema: LogSchema | None) -> bool:
    """Return whether a path never leads to an array or through one."""
    if path in (ID, TYPE, SOURCE, TIME, SUBJECT):
        return True
    return schema is not None and not isinstance(column_path(path, schema), Undecided)


def _typed(path: str, column: str, schema: LogSchema) -> ColumnPath | Undecided:
    dtype = schema.columns[column]
    if dtype not in _EXACT:
        return Undecided(f"a column of {dtype}, which JSON has no type for")
    return ColumnPath(column, dtype, told_apart=path not in schema.null_paths)


def _extension(path: str, schema: LogSchema) -> ColumnPath | NeverThere | Undecided:
    name = path.removeprefix(f"{EXTENSION}.")
    column = f"{EXTENSION}__{name}"
    if "." in name or name == EXTENSION:
        return Undecided("extensions have no fields")
    if column in schema.columns:
        return _typed(path, column, schema)
    return _without_column(path, schema)


def _without_column(path: str, schema: LogSchema) -> NeverThere | Undecided:
    if path == PAYLOAD:
        return Undecided("the whole payload")
    if json := _related(path, schema.json_paths):
        return Undecided(f"{json} stayed JSON: {schema.json_paths[json]}")
    if inner := [known for known in schema.paths if known.startswith(f"{path}.")]:
        return Undecided(f"an object, of which {inner[0]} is a part")
    return NeverThere()


def _related(path: str, known: Iterable[str]) -> str | None:
    """Return a path that lies above, at or below another one."""
    for other in known:
        if f"{path}.".startswith(f"{other}.") or other.startswith(f"{path}."):
            return other
    return None
