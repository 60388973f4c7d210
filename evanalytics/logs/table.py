"""Records that come as columns (CSV, Parquet with JSON text): which are payload, and their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from evanalytics.logs.envelope import EnvelopeMap
from evanalytics.logs.json_text import JsonRecords
from evanalytics.logs.paths import PathNode, PathPlan, TypedPath, plan_paths
from evanalytics.logs.schema import PAYLOAD, PREFIX, column_of

if TYPE_CHECKING:
    import duckdb

_INTEGER = r"^(0|-?[1-9]\d{0,17})$"
_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?$|^[nN]a[nN]$"
_LONG_INTEGER = r"^-?\d{16,}$"
_CANDIDATES = ("integer", "number", "boolean")


class TableRecords:
    """Learns from every frame of a log what its columns hold; then types them.

    The payload is the JSON text in the mapped `data` column, or else every column that is no
    attribute. Columns of text (CSV) become integers, numbers or booleans where each value of
    the whole log is one; "007" stays text.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, mapping: EnvelopeMap) -> None:
        """Take the connection whose JSON functions are used, and where the attributes are."""
        self._connection = connection
        self._mapping = mapping
        self._own = set(mapping.columns.values())
        self.root = PathNode()
        self._candidates: dict[str, dict[str, bool]] = {}
        self._dtypes: dict[str, pl.DataType] = {}

    @property
    def _payload(self) -> str | None:
        return self._mapping.columns.get(PAYLOAD)

    def survey(self, frame: pl.DataFrame) -> None:
        """Note what a frame's payload holds."""
        if self._payload is not None:
            records, _, _ = self._records(frame)
            records.see_structures(self.root)
        for name in self._flat_columns(frame.columns):
            self._dtypes.setdefault(name, frame.schema[name])
            if frame.schema[name] == pl.String:
                seen = self._candidates.setdefault(
                    name, dict.fromkeys((*_CANDIDATES, "any"), True) | {"any": False}
                )
                _narrow(frame[name], seen)

    def plan(self) -> PathPlan:
        """Return the columns of the payload."""
        plan = PathPlan()
        if self._payload is not None:
            plan_paths(self.root, path=PAYLOAD, keys=(), plan=plan, skip=frozenset())
        taken = {typed.column.casefold(): typed.path for typed in plan.typed}
        for name in self._flat_columns(list(self._dtypes)):
            path = path_of_column(name)
            column = column_of(path)
            if column.casefold() in taken:
                plan.json[path] = f"its column {column} collides with that of {taken[column.casefold()]}"
                continue
            taken[column.casefold()] = path
            plan.typed.append(TypedPath(path, column, (name,), self._dtype(name)))
        return plan

    def rows(self, frame: pl.DataFrame, plan: PathPlan) -> tuple[pl.DataFrame, dict[int, str]]:
        """Return the attributes and the typed payload, and why rows are refused, by row."""
        refused: dict[int, str] = {}
        names = {a: c for a, c in self._mapping.columns.items() if a != PAYLOAD}
        envelope = frame.select(pl.col(column).alias(name) for name, column in names.items())
        flat = [typed for typed in plan.typed if typed.keys[:1] and typed.keys[0] in self._dtypes]
        columns = [_typed(frame[typed.keys[0]], typed) for typed in flat]
        parts = [envelope, pl.DataFrame(columns)] if columns else [envelope]
        if self._payload is not None:
            typed_json = [typed for typed in plan.typed if typed not in flat]
            records, positions, refused = self._records(frame)
            payload, lost = records.values([], typed_json)
            for path in lost:
                plan.leave_json(path, "numbers that no 64-bit type holds exactly")
            if typed_json:
                parts.append(_spread(payload, positions, len(frame)))
        return pl.concat(parts, how="horizontal"), refused

    def _flat_columns(self, names: Sequence[str]) -> list[str]:
        if self._payload is not None:
            return []
        return [name for name in names if name not in self._own]

    def _records(self, frame: pl.DataFrame) -> tuple[JsonRecords, pl.Series, dict[int, str]]:
        """Return the JSON objects of the payload, the rows they stand in, and the refused rows."""
        assert self._payload is not None
        texts = frame[self._payload].cast(pl.String)
        rows = texts.is_not_null().arg_true()
        records = JsonRecords(self._connection, texts.gather(rows).to_arrow())
        invalid = records.invalid()
        refused = {rows[int(i)]: "data is not JSON" for i in invalid}
        if refused:
            rows = rows.filter(~rows.is_in(list(refused)))
            records = JsonRecords(self._connection, texts.gather(rows).to_arrow())
        return records, rows, refused

    def _dtype(self, name: str) -> pl.DataType:
        seen = self._candidates.get(name)
        if seen is None or not seen["any"]:
            return self._dtypes[name]
        for kind, dtype in zip(_CANDIDATES, (pl.Int64(), pl.Float64(), pl.Boolean()), strict=True):
            if seen[kind]:
                return dtype
        return pl.String()


def path_of_column(name: str) -> str:
    """Return the payload path that a flat column stands for.

    Example:
        >>> path_of_column("data__customer__id"), path_of_column("amount")
        ('data.customer.id', 'data.amount')
    """
    inner = name.removeprefix(PREFIX).removeprefix("data.")
    return "data." + inner.replace("__", ".")


def _narrow(values: pl.Series, seen: dict[str, bool]) -> None:
    """Rule out the types that a value of the column does not fit."""
    values = values.drop_nulls()
    seen["any"] = seen["any"] or len(values) > 0
    if seen["integer"]:
        seen["integer"] = bool(values.str.contains(_INTEGER).all())
    if seen["number"]:
        fits = values.str.contains(_NUMBER).all() and not values.str.contains(_LONG_INTEGER).any()
        seen["number"] = bool(fits)
    if seen["boolean"]:
        seen["boolean"] = bool(values.is_in(["true", "false", "True", "False"]).all())


def _typed(values: pl.Series, typed: TypedPath) -> pl.Series:
    if values.dtype == pl.String and typed.dtype == pl.Boolean:
        lowered = values.str.to_lowercase()
        return (lowered == "true").alias(typed.column)
    return values.cast(typed.dtype).alias(typed.column)


def _spread(payload: pl.DataFrame, rows: pl.Series, height: int) -> pl.DataFrame:
    """Put rows back to where they stood, with nulls between them."""
    if len(payload) == height:
        return payload
    index = np.full(height, -1, dtype=np.int64)
    index[rows.to_numpy()] = np.arange(len(rows))
    picked = pl.Series(index)
    return (
        payload.select(pl.all().gather(pl.lit(picked.replace(-1, None))))
        if len(payload)
        else payload.clear(height)
    )
