"""How nodes name what they read: columns of their input, the two sides of a join, the event itself."""

from __future__ import annotations

import narwhals.stable.v2 as nw

from evanalytics.logs.schema import SEQ, TS, column_of

LEFT, RIGHT = "left", "right"
ALL = "all"
"""The key under which an aggregator puts every row together."""

WM = "wm"
"""Prefix of the hidden columns that carry each source's watermark: `wm0`, `wm1`, ..."""

LEFT_SEQ, RIGHT_SEQ = f"{LEFT}_{SEQ}", f"{RIGHT}_{SEQ}"
WINDOW, START, END, KEY = "window", "start", "end", "key"
LATE_FOR, LATE_KEY, MISSED = "late_for_window", "late_for_key", "missed_windows"

RESERVED = frozenset((SEQ, TS, LEFT_SEQ, RIGHT_SEQ, LATE_FOR, LATE_KEY, MISSED))
"""Columns that the library writes itself; a transform or a join cannot name its own so."""

OF_WINDOWS = frozenset((WINDOW, START, END, KEY, ALL))
"""Columns of every window; no key and no figure of an aggregator can be named so."""


def col(path: str) -> nw.Expr:
    """Return the column of an event's path, or of a name that a transform gave, as an expression.

    Anything that narwhals can do with an expression can be done with it; it runs alike on polars and
    on DuckDB.

    Args:
        path: Such as "data.total", "type", or "amount" behind a transform that made it.

    Example:
        >>> import polars as pl
        >>> frame = nw.from_native(pl.DataFrame({"data__total": [10.0, 2.5]}))
        >>> frame.select(total=col("data.total") * 2)["total"].to_list()
        [20.0, 5.0]
    """
    return nw.col(column_of(path))


def left(name: str) -> nw.Expr:
    """Return a column of the left side, for the `select` of a `JoinNode`."""
    return nw.col(side_column(LEFT, column_of(name)))


def right(name: str) -> nw.Expr:
    """Return a column of the right side, for the `select` of a `JoinNode`."""
    return nw.col(side_column(RIGHT, column_of(name)))


def original_event() -> nw.Expr:
    """Return a reference to the event that a row was made from: its `seq`, an Int64.

    A transform keeps the whole event that way at the price of eight bytes; `StreamResult.events`
    turns references into events again.
    """
    return nw.col(SEQ)


def side_column(side: str, name: str) -> str:
    """Return what a column of one side is called while both sides stand in one row."""
    return f"{side}__{name}"


def watermark_column(source: int) -> str:
    """Return the hidden column with the watermark of a source, by the source's number."""
    return f"{WM}{source}"


def is_hidden(name: str) -> bool:
    """Return whether a column carries a watermark, and is nobody's business outside."""
    return name.startswith(WM) and name[len(WM) :].isdigit()
