"""Rows into windows: lateness, figures of parts and of wholes, sessions. Engine-neutral expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams.aggregators import Aggregate, WindowedMax
from evanalytics.streams.checks import Columns
from evanalytics.streams.columns import ALL, END, KEY, LATE_FOR, LATE_KEY, MISSED, START, WINDOW
from evanalytics.streams.memory_nodes import AggregatorNode, Key, key_label
from evanalytics.streams.windows import PanedWindow, SessionWindow, Span, TumblingWindow, Window

NOW = "__wm"
"""The watermark at a row's arrival, as the node that works on it counts it."""

LATEST = "__latest"
"""How far the watermark of a row's key has come at the end."""

PANE = "__pane"
_LAG, _HOP, _PREVIOUS, _OPENS, _SESSION = "__lag", "__hop", "__previous", "__opens", "__session"
FIRST, LAST = "__first", "__last"


def with_lag(frame: Frame, window: Window, span: Span) -> Frame:
    """Return a frame with the pane of each row and how many of its windows are closed already.

    Args:
        frame: With `ts` and the watermark `__wm`.
        window: The windows.
        span: The instants that occur.
    """
    if isinstance(window, SessionWindow):
        late = nw.col(NOW) >= nw.col(TS) + window.gap_us
        return frame.with_columns(
            nw.when(late).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64).alias(_LAG)
        )
    pane = window.pane(nw.col(TS), span)
    behind = window.pane(nw.col(NOW), span) - nw.col(PANE)
    frame = frame.with_columns(pane.alias(PANE))
    lag = nw.when(behind < 0).then(nw.lit(0, nw.Int64)).otherwise(behind)
    lag = nw.when(behind > window.panes).then(nw.lit(window.panes, nw.Int64)).otherwise(lag)
    return frame.with_columns(lag.cast(nw.Int64).alias(_LAG))


def without_lag(frame: Frame, window: Window, span: Span) -> Frame:
    """Return the same for rows that cannot be late."""
    zero = nw.lit(0, nw.Int64).alias(_LAG)
    if isinstance(window, SessionWindow):
        return frame.with_columns(zero)
    return frame.with_columns(window.pane(nw.col(TS), span).alias(PANE), zero)


def for_figures(frame: Frame, node: AggregatorNode, window: Window, *, close: bool) -> Frame:
    """Return no more of each row than its windows, keys and values take; `close`: all windows end."""
    place = [SEQ, TS] if isinstance(window, SessionWindow) else [PANE] if close else [PANE, TS]
    return frame.select(*dict.fromkeys([*place, _LAG, *node.key_columns, *node.read_columns]))


def late_rows(frame: Frame, window: Window, key: Key, columns: Sequence[str]) -> Frame:
    """Return the rows that are late for windows: `columns`, and which windows, which key, how many."""
    late = frame.filter(nw.col(_LAG) > 0)
    return late.select(
        *columns,
        nw.lit(window.label).alias(LATE_FOR),
        nw.lit(key_label(key)).alias(LATE_KEY),
        nw.col(_LAG).alias(MISSED),
    )


def in_time(frame: Frame, window: Window) -> Frame:
    """Return the rows that some window still takes."""
    return frame.filter(nw.col(_LAG) < window.panes)


def without_nan(frame: Frame, node: AggregatorNode) -> Frame:
    """Return rows in which NaN, of which no figure is made, is null in the columns that are read."""
    schema = frame.collect_schema()
    floats = [column for column in node.read_columns if schema[column].is_float()]
    return frame.with_columns(nw.col(c).fill_nan(None) for c in floats) if floats else frame


def missed() -> nw.Expr:
    """Return how many windows the rows of a frame have missed, all together."""
    return nw.col(_LAG).sum().cast(nw.Int64)


def is_mergeable(figures: Sequence[Aggregate]) -> bool:
    """Return whether all figures can be computed part by part."""
    return all(figure.is_mergeable for figure in figures)


def windows_of(frame: Frame, node: AggregatorNode, window: Window, key: Key) -> Frame:
    """Return one row per window and key value: where the window lies, the key's columns, the figures.

    Overlapping windows are put together from their panes; where a figure needs all rows at once,
    each row is written once for each of its windows instead.
    """
    figures = node.aggregator
    if isinstance(window, SessionWindow):
        return _sessions_of(frame, node, window, key)
    if window.panes == 1:
        return frame.group_by(PANE, *key).agg(**_direct(figures))
    if is_mergeable(figures):
        parts = frame.group_by(PANE, _LAG, *key).agg(**_partials(figures))
        return merged(_hopped(parts, window), [PANE, *key], figures)
    return _hopped(frame, window).group_by(PANE, *key).agg(**_direct(figures))


def closed(rows: Frame, window: Window, engine: FrameEngine) -> Frame:
    """Return the windows whose time is over by their own `__latest`."""
    if isinstance(window, SessionWindow):
        return rows.filter(nw.col(LAST) + 2 * window.gap_us <= nw.col(LATEST))
    return _bounded(rows, window, engine).filter(nw.col(END) <= nw.col(LATEST)).drop(START, END)


def with_latest(node: AggregatorNode) -> AggregatorNode:
    """Return an aggregator that also says how far the watermark of each window's key has come."""
    figures = (*node.aggregator, WindowedMax(LATEST, LATEST))
    keys = [key or ALL for key in node.keys]
    return AggregatorNode(windows=node.windows, keys=keys, aggregator=figures)


def parts_of(frame: Frame, node: AggregatorNode, window: PanedWindow, key: Key) -> Frame:
    """Return the mergeable part that these rows are of each window: pane, key, partial columns."""
    if window.panes == 1:
        return frame.group_by(PANE, *key).agg(**_partials(node.aggregator))
    parts = frame.group_by(PANE, _LAG, *key).agg(**_partials(node.aggregator))
    return merged_parts(_hopped(parts, window), [PANE, *key], node.aggregator)


def merged_parts(parts: Frame, by: Sequence[str], figures: Sequence[Aggregate]) -> Frame:
    """Return parts of the same window and key joined into one part each."""
    columns = {name: expression for figure in figures for name, expression in figure.merged.items()}
    return parts.group_by(*by).agg(**columns)


def merged(parts: Frame, by: Sequence[str], figures: Sequence[Aggregate]) -> Frame:
    """Return the figures of windows from their parts."""
    return finished(merged_parts(parts, by, figures), by, figures)


def finished(parts: Frame, by: Sequence[str], figures: Sequence[Aggregate]) -> Frame:
    """Return the figures of windows, each of which has one part."""
    return parts.select(*by, **{figure.name: figure.result for figure in figures})


def window_rows(frame: Frame, node: AggregatorNode, window: PanedWindow, key: Key) -> Frame:
    """Return what figures need of the rows, each row once for each window that takes it.

    So a live window keeps them where parts of it cannot be merged; `figures_of_rows` takes them.
    """
    rows = frame if window.panes == 1 else _hopped(frame, window)
    return rows.select(PANE, *dict.fromkeys((*key, *node.read_columns)))


def figures_of_rows(rows: Frame, node: AggregatorNode, key: Key) -> Frame:
    """Return the figures of windows from all their rows, as `window_rows` gives them."""
    return rows.group_by(PANE, *key).agg(**_direct(node.aggregator))


def with_session_end(frame: Frame, window: SessionWindow, key: Key) -> Frame:
    """Return rows with the last instant of the session that each belongs to, `__last`."""
    numbered = numbered_sessions(frame, window, key)
    last = nw.col(TS).max().over(_SESSION, *key).alias(LAST)
    return numbered.with_columns(last).drop(_SESSION, _OPENS, _PREVIOUS)


def numbered_sessions(frame: Frame, window: SessionWindow, key: Sequence[str]) -> Frame:
    """Return rows with the number of their session among those of their key."""
    order = [TS, SEQ]
    previous = nw.col(TS).shift(1).over(*key, order_by=order)
    frame = frame.with_columns(previous.alias(_PREVIOUS))
    opens = nw.col(_PREVIOUS).is_null() | (nw.col(TS) - nw.col(_PREVIOUS) >= window.gap_us)
    frame = frame.with_columns(
        nw.when(opens).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64).alias(_OPENS)
    )
    number = nw.col(_OPENS).cum_sum().over(*key, order_by=order)
    return frame.with_columns(number.cast(nw.Int64).alias(_SESSION))


def published(
    rows: Frame, node: AggregatorNode, window: Window, key: Key, columns: Columns, engine: FrameEngine
) -> Frame:
    """Return windows as the output says them: labels, bounds in UTC, every key column, the figures.

    Args:
        rows: What `windows_of` made, held.
        node: The aggregator.
        window: The windows' kind.
        key: Their key.
        columns: The output's columns with their dtypes.
        engine: Whose frame it is.
    """
    bounded = _bounded(rows, window, engine)
    figures = [figure.name for figure in node.aggregator]
    numbers = {name: nw.col(name).cast(_narwhals(columns[name])) for name in figures}
    keys = {c: nw.col(c) if c in key else nw.lit(None, _narwhals(columns[c])) for c in node.key_columns}
    labels = {
        WINDOW: nw.lit(window.label),
        START: nw.col(START),
        END: nw.col(END),
        KEY: nw.lit(key_label(key)),
    }
    return engine.instants(bounded.select(**labels, **keys, **numbers), [START, END])


def _bounded(rows: Frame, window: Window, engine: FrameEngine) -> Frame:
    """Return windows with `start` and `end` in microseconds since 1970."""
    if isinstance(window, SessionWindow):
        return rows.with_columns(nw.col(FIRST).alias(START), (nw.col(LAST) + window.gap_us).alias(END))
    if not isinstance(window, TumblingWindow) or window.tz is None:
        width = window.end_us(0) - window.start_us(0)
        start = nw.col(PANE) * window.start_us(1)
        return rows.with_columns(start.alias(START), (start + width).alias(END))
    panes = engine.collect(rows.select(PANE).unique())[PANE]
    bounds = {START: [window.start_us(pane) for pane in panes], END: [window.end_us(pane) for pane in panes]}
    return rows.join(engine.load(pl.DataFrame({PANE: panes, **bounds})), on=PANE, how="left")


def _narwhals(dtype: pl.DataType) -> Any:
    return nw.from_native(pl.Series([], dtype=dtype), series_only=True).dtype


def _sessions_of(frame: Frame, node: AggregatorNode, window: SessionWindow, key: Key) -> Frame:
    """Return one row per session: first and last instant, the key's columns, the figures."""
    marked = numbered_sessions(frame, window, key)
    bounds = {FIRST: nw.col(TS).min(), LAST: nw.col(TS).max()}
    return marked.group_by(_SESSION, *key).agg(**bounds, **_direct(node.aggregator)).drop(_SESSION)


def _direct(figures: Sequence[Aggregate]) -> dict[str, nw.Expr]:
    return {figure.name: figure.direct for figure in figures}


def _partials(figures: Sequence[Aggregate]) -> dict[str, nw.Expr]:
    return {name: expression for figure in figures for name, expression in figure.partials.items()}


def _hopped(frame: Frame, window: PanedWindow) -> Frame:
    """Return each row once for each window that still takes it; `__pane` then numbers the window."""
    hops = _numbers(frame, window.panes)
    every = frame.join(hops, how="cross").filter(nw.col(_HOP) < window.panes - nw.col(_LAG))
    return every.with_columns((nw.col(PANE) - nw.col(_HOP)).alias(PANE)).drop(_HOP)


def _numbers(like: Frame, count: int) -> Frame:
    """Return the frame 0 .. count-1 on the engine of another one."""
    one = like.select(nw.len().cast(nw.Int64).alias(_HOP)).select((nw.col(_HOP) * 0).alias(_HOP))
    return nw.concat([one.with_columns((nw.col(_HOP) + k).alias(_HOP)) for k in range(count)])
