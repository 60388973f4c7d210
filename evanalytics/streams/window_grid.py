"""Windows laid out by time and key, few enough for a picture."""

from __future__ import annotations

import math
from datetime import timedelta

import polars as pl

from evanalytics.exceptions import StreamError
from evanalytics.streams.columns import ALL, END, KEY, START, WINDOW

_CELL, _NAME = "__cell", "name"
_NULL = "(null)"


def window_grid(
    windows: pl.DataFrame,
    *,
    figure: str | None = None,
    window: str | None = None,
    key: str | None = None,
    most_keys: int = 20,
    most_cells: int = 1_500,
) -> pl.DataFrame:
    """Return a figure of an aggregator by time and key value, in so few cells that a picture takes them.

    Where windows are many, a cell stands for several in a row and holds the highest.

    Args:
        windows: The aggregator's results.
        figure: Its column; by default the first.
        window: Which windows, as the column `window` says it; by default the most numerous ones that
            need not be put together, or else the fewest.
        key: Which key, as the column `key` says it; by default the one with most values up to `most_keys`.
        most_keys: Only so many key values, those with the highest sum.
        most_cells: How many cells there may be.

    Returns:
        time: Datetime, UTC, when a cell begins. width: Duration. name: String, the key's value. value:
        Float64, null where there is no window. windows: Int64, how many are in the cell. together:
        Int64, how many in a row a cell stands for. figure, window and key (String) say what was chosen.
        Key by key, the greatest first; each with all times.

    Raises:
        StreamError: There is no such column, window or key.
    """
    chosen_figure = _one_of(figure, _figures(windows), "figure")
    chosen_key = _one_of(key, _by_values(windows, most_keys), "key")
    rows = windows.filter(pl.col(KEY) == chosen_key)
    chosen = _one_of(window, _by_number(rows, most_cells, most_keys), "window")
    rows = rows.filter(pl.col(WINDOW) == chosen).select(
        START,
        END,
        _value_name(chosen_key).alias(_NAME),
        pl.col(chosen_figure).cast(pl.Float64).alias("value"),
    )
    names = _greatest(rows, most_keys)
    shown = rows.filter(pl.col(_NAME).is_in(names.implode()))
    cells = _cells(shown, names, max(most_cells // max(len(names), 1), 1))
    said = {"figure": chosen_figure, WINDOW: chosen, KEY: chosen_key}
    return cells.with_columns(pl.lit(text, pl.String).alias(column) for column, text in said.items())


def _figures(windows: pl.DataFrame) -> list[str]:
    keys = {part for label in windows[KEY].unique() for part in label.split(", ")}
    return [c for c in windows.columns if c not in (WINDOW, START, END, KEY) and c not in keys]


def _by_values(windows: pl.DataFrame, most_keys: int) -> list[str]:
    """Return the keys, the best one for a picture first: many values, but not more than there is room for."""
    counts = {
        label: windows.filter(pl.col(KEY) == label).select(_value_name(label).n_unique()).item()
        for label in windows[KEY].unique().sort()
    }
    return sorted(counts, key=lambda label: (counts[label] > most_keys, -min(counts[label], most_keys)))


def _by_number(rows: pl.DataFrame, most_cells: int, most_keys: int) -> list[str]:
    """Return the windows, the best ones for a picture first."""
    keys = (
        max(min(rows.select(_value_name(rows[KEY][0]).n_unique()).item(), most_keys), 1) if len(rows) else 1
    )
    counts = rows.group_by(WINDOW).agg(pl.col(START).n_unique().alias("n")).sort("n", WINDOW)
    fitting = counts.filter(pl.col("n") * keys <= most_cells)[WINDOW].to_list()
    return [*reversed(fitting), *(label for label in counts[WINDOW] if label not in fitting)]


def _one_of(wanted: str | None, known: list[str], what: str) -> str:
    if wanted is None:
        return known[0] if known else ""
    if wanted not in known:
        raise StreamError(f"window_grid: no {what} {wanted!r}; there is {', '.join(sorted(known)) or 'none'}")
    return wanted


def _value_name(key: str) -> pl.Expr:
    """Return a key's value as text."""
    if key in ("", ALL):
        return pl.lit(ALL)
    parts = [pl.col(column).cast(pl.String).fill_null(_NULL) for column in key.split(", ")]
    return pl.concat_str(parts, separator=", ")


def _greatest(rows: pl.DataFrame, most: int) -> pl.Series:
    sums = rows.group_by(_NAME).agg(pl.col("value").abs().sum())
    return sums.sort(["value", _NAME], descending=[True, False])[_NAME].head(most)


def _cells(rows: pl.DataFrame, names: pl.Series, most: int) -> pl.DataFrame:
    """Return one row per name and cell, all cells of all names: a cell holds the windows that begin in it."""
    step = _step_us(rows)
    first = rows[START].dt.timestamp("us").min() or 0
    number = (pl.col(START).dt.timestamp("us") - first + step // 2) // step
    last = int(rows.select(number.max()).item() or 0)
    together = -(-(last + 1) // most)
    found = rows.group_by((number // together).alias(_CELL), _NAME).agg(
        pl.col("value").max(), pl.len().cast(pl.Int64).alias("windows")
    )
    cells = pl.DataFrame({_CELL: pl.int_range(last // together + 1, dtype=pl.Int64, eager=True)})
    every = names.to_frame(_NAME).with_row_index("place").join(cells, how="cross")
    start = pl.lit(first) + pl.col(_CELL) * step * together
    return (
        every.join(found, on=[_NAME, _CELL], how="left")
        .sort("place", _CELL)
        .select(
            start.cast(pl.Datetime("us", "UTC")).alias("time"),
            pl.lit(timedelta(microseconds=step * together)).alias("width"),
            _NAME,
            "value",
            pl.col("windows").fill_null(0),
            pl.lit(together, pl.Int64).alias("together"),
        )
    )


def _step_us(rows: pl.DataFrame) -> int:
    """Return how far apart windows begin: exactly if all have one width, or else about."""
    widths = (rows[END] - rows[START]).dt.total_microseconds().unique()
    if len(widths) != 1:
        return max(int(widths.median() or 1), 1)  # type: ignore[arg-type]
    apart = rows[START].unique().sort().diff().drop_nulls().dt.total_microseconds().unique()
    return math.gcd(*apart.to_list()) or int(widths[0])
