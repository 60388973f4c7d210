"""The step of a replay that puts rows into windows, and the one that drops repeated rows."""

from __future__ import annotations

from collections.abc import Iterator

import narwhals.stable.v2 as nw

from evanalytics.logs.engines import Frame, Words
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import aggregation
from evanalytics.streams.aggregation import LATEST, NOW
from evanalytics.streams.coded_keys import codable, windows_by_code
from evanalytics.streams.context import ReplayContext
from evanalytics.streams.memory_nodes import (
    AggregatorNode,
    DedupeNode,
    Key,
    key_label,
)
from evanalytics.streams.nodes import DUPLICATE, LATE, OUT
from evanalytics.streams.windows import SessionWindow, Window

_AGAIN, _BEFORE = "__again", "__before"


def aggregated(
    context: ReplayContext, name: str, node: AggregatorNode, frame: Frame, *, once: bool
) -> Iterator[Frame]:
    """Yield the windows of an aggregator's rows, each kind with each key; what was late is counted.

    They are held, unless they are read a single time.
    """
    rows_in = context.engine.share(_input(context, name, node, frame))
    rows_in, words = context.engine.coded(rows_in, codable(node))
    rows, none_late = _lateness(context, rows_in)
    for window in node.windows:
        for key, lagged, late in _lagged(context, name, rows_in, node, window, none_late=none_late):
            yield _windows(context, name, node, window, key, lagged, words, once=once)
            total = rows * window.panes
            part = f"{window.label} · {key_label(key)}"
            context.counts.add(name, part, **{"in": total, "counted": total - late, LATE: late})


def late_rows(context: ReplayContext, name: str, node: AggregatorNode, frame: Frame) -> Frame:
    """Return the rows that are late for windows, once for each window and key."""
    columns = frame.collect_schema().names()
    parts = []
    for window in node.windows:
        for key in node.keys:
            lagged = aggregation.with_lag(_with_now(context, name, frame, key), window, context.staged.span)
            parts.append(aggregation.late_rows(lagged, window, key, columns))
    return nw.concat(parts).sort(SEQ)


def deduplicated(context: ReplayContext, name: str, node: DedupeNode, frame: Frame) -> dict[str, Frame]:
    """Return what a dedupe node lets pass, and what was there already."""
    if node.within_us is None:
        held = context.engine.hold_marked(frame, node.key, _AGAIN)
    else:
        previous = nw.col(TS).shift(1).over(*node.key, order_by=SEQ)
        frame = context.with_now(name, frame.with_columns(previous.alias(_BEFORE)), node.key)
        frame = context.engine.running_max(frame, _BEFORE, _BEFORE, node.key)
        has_null = nw.any_horizontal(*(nw.col(c).is_null() for c in node.key), ignore_nulls=False)
        again = nw.coalesce(nw.col(_BEFORE) + node.within_us >= nw.col(NOW), nw.lit(False)) & ~has_null
        held = context.engine.hold(frame.with_columns(again.alias(_AGAIN)).drop(_BEFORE, NOW))
    rows, twice = context.rows(held), context.number(held, nw.col(_AGAIN).cast(nw.Int64).sum())
    context.counts.add(name, "", **{"in": rows, "out": rows - twice, DUPLICATE: twice})
    return {
        OUT: held.filter(~nw.col(_AGAIN)).drop(_AGAIN),
        DUPLICATE: held.filter(nw.col(_AGAIN)).drop(_AGAIN),
    }


def _input(context: ReplayContext, name: str, node: AggregatorNode, frame: Frame) -> Frame:
    """Return what an aggregator needs of its rows: times, keys, values without NaN."""
    if context.join_above(name) is not None or not context.by_key(name):
        frame = _with_now(context, name, frame, ())
    schema = frame.collect_schema()
    in_turn = NOW not in schema or any(isinstance(window, SessionWindow) for window in node.windows)
    columns = [*([SEQ] if in_turn else []), TS, *([NOW] if NOW in schema else [])]
    columns += [*node.key_columns, *node.read_columns]
    return aggregation.without_nan(frame.select(*dict.fromkeys(columns)), node)


def _with_now(context: ReplayContext, name: str, frame: Frame, key: Key) -> Frame:
    """Return rows with their watermark; those of a join are never late, so theirs is their own time."""
    if context.join_above(name) is not None:
        return frame.with_columns(nw.col(TS).alias(NOW))
    return context.with_now(name, frame, key)


def _lateness(context: ReplayContext, held: Frame) -> tuple[int, bool]:
    """Return how many rows there are, and whether it is plain that none of them is late for anything."""
    if NOW not in held.collect_schema():
        return context.rows(held), False
    behind = (nw.col(NOW) > nw.col(TS)).any()
    rows, some_late = context.engine.collect(held.select(nw.len(), some_late=behind)).row(0)
    return int(rows), not some_late


def _lagged(
    context: ReplayContext, name: str, frame: Frame, node: AggregatorNode, window: Window, *, none_late: bool
) -> Iterator[tuple[Key, Frame, int]]:
    """Yield for each key the rows with their pane and lag, and how many windows they have missed."""
    span = context.staged.span
    if none_late or NOW in frame.collect_schema():
        lag = aggregation.without_lag if none_late else aggregation.with_lag
        lagged = context.engine.keep(
            aggregation.for_figures(lag(frame, window, span), node, window, close=context.close)
        )
        late = 0 if none_late else context.number(lagged, aggregation.missed())
        yield from ((key, lagged, late) for key in node.keys)
        return
    for key in node.keys:
        lagged = aggregation.with_lag(context.with_now(name, frame, key), window, span)
        lagged = context.engine.keep(aggregation.for_figures(lagged, node, window, close=context.close))
        yield key, lagged, context.number(lagged, aggregation.missed())


def _windows(
    context: ReplayContext,
    name: str,
    node: AggregatorNode,
    window: Window,
    key: Key,
    lagged: Frame,
    words: Words,
    *,
    once: bool,
) -> Frame:
    engine, columns = context.engine, context.columns(name)
    once = once and getattr(window, "tz", None) is None  # the bounds of local days are looked up first
    taken = aggregation.in_time(lagged, window)
    if context.close:
        rows = windows_by_code(taken, node, window, key, words, engine, once=once)
        return aggregation.published(rows, node, window, key, columns, engine)
    taken = taken.with_columns(context.latest(name, key).alias(LATEST))
    rows = windows_by_code(taken, aggregation.with_latest(node), window, key, words, engine, once=once)
    closed = aggregation.closed(rows, window, engine)
    return aggregation.published(closed, node, window, key, columns, engine)
