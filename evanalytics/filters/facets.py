"""What a log's paths hold: how often, which values, from where to where; what a filter is composed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from evanalytics.filters.schema import ColumnPath, column_path
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.schema import ID, SOURCE, SUBJECT, TIME, TS, TYPE

MOST_CHOICES = 40
"""Text with more different values than this is looked for by an operator, not chosen from a list."""

_QUANTILES = [step / 100 for step in range(101)]
_SCHEMA = {
    "path": pl.String(),
    "kind": pl.String(),
    "dtype": pl.String(),
    "events": pl.Int64(),
    "distinct": pl.Int64(),
    "values": pl.List(pl.String()),
    "counts": pl.List(pl.Int64()),
    "quantiles": pl.List(pl.Float64()),
}
_Found = Mapping[str, Any]


def facets(log: EventLog) -> pl.DataFrame:
    """Return one row for each path of a log: what a filter can ask of it.

    Two passes over the columns. Beyond some thousands `distinct` is an estimate (a few percent).

    Returns:
        `path` (String), as in filters;
        `kind` (String): "choice" (few different values), "number", "text", "instant", or "json":
        no column holds its values exactly (arrays, mixed types);
        `dtype` (String): of its column, "JSON" without one;
        `events` (Int64): how many have a value there, null for "json";
        `distinct` (Int64): how many different values, null for "json";
        `values`, `counts` (List(String), List(Int64)): of "choice", the most frequent first;
        booleans as "true" and "false"; otherwise empty;
        `quantiles` (List(Float64)): 101 of a "number", rising; of "instant" in microseconds since
        1970 (UTC); otherwise empty.
    """
    known = _columns(log.schema)
    measured = _measured(log, known)
    choices = [path for path, column in known.items() if _may_be_choice(column, measured[f"{path} distinct"])]
    found = _values(log, {path: known[path] for path in choices})
    rows = [_row(path, column, measured, found.get(path)) for path, column in known.items()]
    rows += [_json_row(path) for path in _without_column(log.schema)]
    return pl.DataFrame(rows, schema=_SCHEMA)


def events_over_time(log: EventLog, start_us: int, end_us: int, parts: int) -> list[int]:
    """Return how many events each of some equal parts of a stretch of time holds.

    Args:
        log: Whose events.
        start_us: Where the stretch begins, in microseconds since 1970 (UTC).
        end_us: Where it ends, exclusive.
        parts: How many parts.
    """
    width = max(-(-(end_us - start_us) // parts), 1)
    part = ((pl.col(TS) - start_us) // width).alias("part")
    inside = log.lazy.filter((pl.col(TS) >= start_us) & (pl.col(TS) < end_us))
    counted = inside.group_by(part).len().collect()
    counts = dict(zip(counted["part"].to_list(), counted["len"].to_list(), strict=True))
    return [counts.get(number, 0) for number in range(parts)]


def _columns(schema: LogSchema) -> dict[str, ColumnPath]:
    """Return the paths whose values a column holds exactly, attributes first, the id last."""
    paths = [TYPE, SOURCE, TIME, *([SUBJECT] if SUBJECT in schema.columns else []), *schema.paths, ID]
    found = {path: column_path(path, schema) for path in paths}
    return {path: column for path, column in found.items() if isinstance(column, ColumnPath)}


def _without_column(schema: LogSchema) -> list[str]:
    exact = _columns(schema)
    return list(dict.fromkeys([*schema.json_paths, *(path for path in schema.paths if path not in exact)]))


def _measured(log: EventLog, known: Mapping[str, ColumnPath]) -> _Found:
    """Return counts of values, of different values, and quantiles, by "path what"."""
    wanted = [expression for path, column in known.items() for expression in _measures(path, column)]
    return log.lazy.select(wanted).collect().row(0, named=True)


def _measures(path: str, column: ColumnPath) -> Iterable[pl.Expr]:
    values = pl.col(column.column)
    yield values.count().alias(f"{path} events")
    yield values.drop_nulls().approx_n_unique().alias(f"{path} distinct")
    if column.dtype.is_numeric():
        yield values.quantile(_QUANTILES, "nearest").cast(pl.List(pl.Float64)).alias(f"{path} quantiles")
    elif path == TIME:
        yield pl.col(TS).quantile(_QUANTILES, "nearest").cast(pl.List(pl.Float64)).alias(f"{path} quantiles")


def _may_be_choice(column: ColumnPath, distinct: int) -> bool:
    is_text = column.dtype == pl.String() and column.column != ID
    return column.dtype == pl.Boolean() or (is_text and distinct <= 2 * MOST_CHOICES)


def _values(log: EventLog, choices: Mapping[str, ColumnPath]) -> dict[str, list[tuple[str, int]]]:
    """Return the different values of some paths with their counts, the most frequent first."""
    wanted = [
        pl.col(column.column).drop_nulls().value_counts(name="n").implode().alias(path)
        for path, column in choices.items()
    ]
    if not wanted:
        return {}
    row = log.lazy.select(wanted).collect().row(0, named=True)
    return {path: _sorted(row[path] or [], choices[path].column) for path in choices}


def _sorted(counted: list[dict[str, Any]], column: str) -> list[tuple[str, int]]:
    pairs = [(_text(item[column]), int(item["n"])) for item in counted]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _row(
    path: str, column: ColumnPath, measured: _Found, values: list[tuple[str, int]] | None
) -> dict[str, Any]:
    events = measured[f"{path} events"]
    distinct = min(measured[f"{path} distinct"], events) if values is None else len(values)
    is_choice = values is not None and distinct <= MOST_CHOICES
    quantiles = measured.get(f"{path} quantiles") or []
    return {
        "path": path,
        "kind": "choice" if is_choice else _kind(column.dtype),
        "dtype": str(column.dtype.base_type()),
        "events": events,
        "distinct": distinct,
        "values": [value for value, _ in values or []] if is_choice else [],
        "counts": [count for _, count in values or []] if is_choice else [],
        "quantiles": [value for value in quantiles if value is not None],
    }


def _json_row(path: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"values": [], "counts": [], "quantiles": []}
    return {"path": path, "kind": "json", "dtype": "JSON", "events": None, "distinct": None, **empty}


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "number"
    return "instant" if isinstance(dtype, pl.Datetime) else "text"
