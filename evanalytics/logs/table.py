"""Records that come as columns (CSV, Parquet with JSON text): which are payload, and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from evanalytics.logs.envelope import EnvelopeMap
from evanalytics.logs.json_text import JsonRecords
from evanalytics.logs.paths import PathNode, PathPlan, TypedPath, plan_paths
from evanalytics.logs.schema import EXTENSION, PAYLOAD, PREFIX, SEQ, TS, column_of

if TYPE_CHECKING:
    import duckdb

_INTEGER = r"^(0|-?[1-9]\d{0,17})$"
_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?$|^[nN]a[nN]$"
_LONG_INTEGER = r"^-?\d{16,}$"
_NOT_KEPT = (SEQ, TS, "specversion")


class TableRecords:
    """Learns from every frame of a log what its columns hold; then types them.

    The payload is the JSON text in the mapped `data` column, and the other columns are further
    attributes; where there is no such column, those that are no attribute are the payload.
    In CSV, columns become integers, numbers or booleans where each value of the whole log is
    one; "007" stays text.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        mapping: EnvelopeMap,
        dtypes: Mapping[str, pl.DataType],
        *,
        is_text: bool,
    ) -> None:
        """Take the connection whose JSON functions are used, and the log's columns.

        Args:
            connection: A DuckDB connection.
            mapping: Where the attributes are.
            dtypes: The dtype of each column of the log.
            is_text: Whether the columns are text whose types are still to be found (CSV).
        """
        self._connection = connection
        self._mapping = mapping
        own = {*mapping.columns.values(), *_NOT_KEPT}
        self._flat = {name: dtype for name, dtype in dtypes.items() if name not in own}
        self._seen = {name: _Seen() for name in self._flat} if is_text else {}
        self._root = PathNode()

    @property
    def _payload(self) -> str | None:
        return self._mapping.columns.get(PAYLOAD)

    def survey(self, frame: pl.DataFrame) -> None:
        """Note what a frame's payload holds."""
        if self._payload is not None:
            records, _, _ = self._records(frame)
            records.see_structures(self._root)
        for name, seen in self._seen.items():
            seen.narrow(frame[name])

    def plan(self) -> tuple[PathPlan, PathPlan]:
        """Return the columns of the payload, and those of further attributes (extensions)."""
        payload, extensions = PathPlan(), PathPlan()
        if self._payload is not None:
            plan_paths(self._root, path=PAYLOAD, keys=(), plan=payload, skip=frozenset())
        for name, dtype in self._flat.items():
            seen = self._seen.get(name)
            path = path_of_column(name) if self._payload is None else extension_path(name)
            plan = payload if path.startswith(f"{PAYLOAD}.") else extensions
            plan.add(TypedPath(path, column_of(path), (name,), seen.dtype() if seen else dtype))
        return payload, extensions

    def rows(
        self, frame: pl.DataFrame, plans: tuple[PathPlan, PathPlan]
    ) -> tuple[pl.DataFrame, dict[int, str]]:
        """Return the attributes and the typed payload, and why rows are refused, by row."""
        refused: dict[int, str] = {}
        names = {a: c for a, c in self._mapping.columns.items() if a != PAYLOAD}
        parts = [frame.select(pl.col(column).alias(name) for name, column in names.items())]
        flat = plans[1].typed if self._payload is not None else [*plans[0].typed, *plans[1].typed]
        if flat:
            parts.append(pl.DataFrame([_typed(frame[typed.keys[0]], typed) for typed in flat]))
        if self._payload is not None:
            records, positions, refused = self._records(frame)
            payload, lost = records.values([], plans[0].typed)
            if plans[0].typed:
                parts.append(_spread(payload, positions, len(frame)))
            for path in lost:
                plans[0].leave_json(path, "numbers that no 64-bit type holds exactly")
        return pl.concat(parts, how="horizontal"), refused

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


class _Seen:
    """Which types each value of a text column fits so far."""

    def __init__(self) -> None:
        self._any = False
        self._fits: dict[type[pl.DataType], bool] = {pl.Int64: True, pl.Float64: True, pl.Boolean: True}

    def narrow(self, values: pl.Series) -> None:
        """Rule out the types that one of these values does not fit."""
        values = values.drop_nulls()
        self._any = self._any or len(values) > 0
        for dtype in [dtype for dtype, fits in self._fits.items() if fits]:
            self._fits[dtype] = _fit(values, dtype)

    def dtype(self) -> pl.DataType:
        """Return the first type that all values fit; text if there are none."""
        fitting = [dtype for dtype, fits in self._fits.items() if fits and self._any]
        return fitting[0]() if fitting else pl.String()


def path_of_column(name: str) -> str:
    """Return the path that a flat column stands for where the payload comes as columns.

    Example:
        >>> path_of_column("data__customer__id"), path_of_column("amount"), path_of_column("ext__trace")
        ('data.customer.id', 'data.amount', 'ext.trace')
    """
    if name.startswith(f"{EXTENSION}__"):
        return extension_path(name)
    inner = name.removeprefix(PREFIX).removeprefix("data.")
    return "data." + inner.replace("__", ".")


def extension_path(name: str) -> str:
    """Return the path of a further attribute.

    Example:
        >>> extension_path("ext__trace"), extension_path("trace")
        ('ext.trace', 'ext.trace')
    """
    return f"{EXTENSION}." + name.removeprefix(f"{EXTENSION}__").replace("__", ".")


def _fit(values: pl.Series, dtype: type[pl.DataType]) -> bool:
    if dtype == pl.Int64:
        return bool(values.str.contains(_INTEGER).all())
    if dtype == pl.Float64:
        return bool(values.str.contains(_NUMBER).all() and not values.str.contains(_LONG_INTEGER).any())
    return bool(values.is_in(["true", "false", "True", "False"]).all())


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
