"""Windows by key while the keys are small numbers: one number says which window and which key."""

from __future__ import annotations

from math import prod

import narwhals.stable.v2 as nw

from evanalytics.logs.engines import Frame, FrameEngine, Words
from evanalytics.streams import aggregation
from evanalytics.streams.aggregation import PANE
from evanalytics.streams.memory_nodes import AggregatorNode, Key
from evanalytics.streams.windows import SessionWindow, Window

_MOST = 2**62


def codable(node: AggregatorNode) -> list[str]:
    """Return the key columns of which no figure reads the values."""
    return [column for column in node.key_columns if column not in node.read_columns]


def windows_by_code(
    frame: Frame,
    node: AggregatorNode,
    window: Window,
    key: Key,
    words: Words,
    engine: FrameEngine,
    *,
    once: bool = False,
) -> Frame:
    """Return what `aggregation.windows_of` returns, of rows whose keys may be coded.

    Grouping by one 64-bit number is several times as quick as by an instant and a text. What is held are
    the numbers, which take half the memory; they are spelled out whenever the windows are read.

    Args:
        frame: Rows with `__pane`, the key's columns and the values.
        node: The aggregator.
        window: The windows.
        key: Their key.
        words: The values of those columns that are coded.
        engine: Whose frame it is.
        once: Whether the windows are read a single time, so that they need not be held.
    """
    hold = _as_it_is if once else engine.hold
    coded = {column: words[column] for column in key if column in words}
    packing = _packing(frame, window, key, coded, engine)
    if packing is None:
        rows = hold(aggregation.windows_of(frame, node, window, key))
    else:
        low, sizes = packing
        rows = hold(aggregation.windows_of(_packed(frame, low, sizes), node, window, ()))
        rows = _unpacked(rows, low, sizes)
    return engine.spelled(rows, coded) if coded else rows


def _as_it_is(frame: Frame) -> Frame:
    return frame


def _packing(
    frame: Frame, window: Window, key: Key, coded: Words, engine: FrameEngine
) -> tuple[int, dict[str, int]] | None:
    """Return the first pane and how many values each key column has; None if they do not pack."""
    sizes = {column: len(coded[column]) for column in key if column in coded}
    if not key or len(sizes) < len(key) or isinstance(window, SessionWindow) or window.panes > 1:
        return None
    ends = frame.select(nw.col(PANE).min().alias("low"), nw.col(PANE).max().alias("high"))
    low, high = engine.collect(ends).row(0)
    if low is None or (high - low + 1) * prod(sizes.values()) > _MOST:
        return None
    return low, sizes


def _packed(frame: Frame, low: int, sizes: dict[str, int]) -> Frame:
    """Return rows whose `__pane` tells the key as well."""
    cell = nw.col(PANE) - low
    for column, size in sizes.items():
        cell = cell * size + nw.col(column).cast(nw.Int64)
    return frame.with_columns(cell.alias(PANE)).drop(*sizes)


def _unpacked(rows: Frame, low: int, sizes: dict[str, int]) -> Frame:
    """Return windows with their own `__pane`, and the key's numbers."""
    cell, columns = nw.col(PANE), {}
    for column, size in reversed(sizes.items()):
        columns[column] = cell % size
        cell = cell // size
    return rows.with_columns((cell + low).alias(PANE), **columns)
