"""How many pairs a join would find with any other join window: one join with the longest, then a count."""

from __future__ import annotations

from datetime import timedelta

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.durations import Duration, duration_us
from evanalytics.exceptions import StreamError
from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import SEQ, TS
from evanalytics.records import duration
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.batch import BatchReplay
from evanalytics.streams.checks import check
from evanalytics.streams.columns import LEFT, LEFT_SEQ, RIGHT, RIGHT_SEQ, is_hidden, left, right
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import JoinNode
from evanalytics.streams.nodes import OUT
from evanalytics.streams.stops import durations_to_try

_APART, _SIDE = "apart", "__side"
_LONGER = 24
_MOST = timedelta(days=366)
"""The longest window is so many times the join's own, unless another one is asked for."""


def join_completeness(
    graph: Graph, log: EventLog, engine: FrameEngine, name: str, longest: Duration | None = None
) -> pl.DataFrame:
    """Return how many pairs a join finds against its join window.

    Args:
        graph: The graph, checked.
        log: The events.
        engine: What the join runs on.
        name: Of the join.
        longest: The longest window that counts; by default 24 times the join's own.

    Returns:
        window_s: Float64, rising. pairs: Int64. share: Float64, of the pairs of the longest window (null
        if it finds none). chosen: Boolean, whether this is the window that the join has.

    Raises:
        StreamError: The node is no join.
    """
    node = _join(graph, name)
    limit = duration(longest, "longest") if longest is not None else min(node.join_window * _LONGER, _MOST)
    limit = max(limit, node.join_window)
    needs = windows_needed(graph, log, engine, name, duration_us(limit))
    return pairs_found(needs, longest_us=duration_us(limit), chosen_us=node.window_us)


def windows_needed(graph: Graph, log: EventLog, engine: FrameEngine, name: str, longest_us: int) -> pl.Series:
    """Return, for each pair of a join with a long window, the shortest one that finds it (microseconds).

    A window finds a pair if the two times are no further apart, and if the watermark, at the arrival
    of the later row, has not passed the earlier time plus the window.
    """
    part = _with_window(graph, name, longest_us)
    replay = BatchReplay(part, log, engine, check(part, log.schema), keep=True, close=True)
    replay.run(sinks=False)
    pairs = replay.frame(Port(name, OUT))
    assert pairs is not None  # they are kept
    later_is_left = nw.col(LEFT_SEQ) > nw.col(RIGHT_SEQ)
    side = nw.when(later_is_left).then(nw.lit(0)).otherwise(nw.lit(1)).cast(nw.Int64)
    apart = nw.when(nw.col(_APART) < 0).then(-nw.col(_APART)).otherwise(nw.col(_APART))
    pairs = pairs.select(SEQ, TS, side.alias(_SIDE), apart.alias(_APART))
    now = _arrivals(replay, name)
    waited = nw.col(NOW) - (nw.col(TS) - nw.col(_APART))
    needed = pairs.join(now, on=[SEQ, _SIDE], how="inner").select(need=nw.max_horizontal(_APART, waited))
    return engine.collect(needed)["need"]


def pairs_found(needs: pl.Series, *, longest_us: int, chosen_us: int) -> pl.DataFrame:
    """Return the pairs found by each of some windows, from the windows that the pairs need."""
    needs = needs.sort()
    shortest = min(needs[0] // 2 if len(needs) else longest_us, chosen_us, longest_us)
    windows = durations_to_try(max(shortest, 1_000), longest_us, chosen_us)
    found = needs.search_sorted(pl.Series(windows, dtype=pl.Int64), side="right").cast(pl.Int64)
    frame = pl.DataFrame({"window_s": pl.Series(windows, dtype=pl.Int64) / 1e6, "pairs": found})
    share = pl.when(pl.lit(len(needs) > 0)).then(pl.col("pairs") / len(needs))
    chosen = pl.Series("chosen", [window == chosen_us for window in windows])
    return frame.with_columns(share.alias("share"), chosen)


def _join(graph: Graph, name: str) -> JoinNode:
    node = graph.nodes.get(name)
    if not isinstance(node, JoinNode):
        joins = ", ".join(name for name, node in graph.nodes.items() if isinstance(node, JoinNode))
        raise StreamError(f"{name}: no join of this graph; there is {joins or 'none'}")
    return node


def _with_window(graph: Graph, name: str, window_us: int) -> Graph:
    """Return a join with what feeds it, its window another one, its pairs just the time between the two."""
    node = _join(graph, name)
    part = Graph(graph.name)
    wanted, waiting = set(), [name]
    while waiting:
        wanted.add(current := waiting.pop())
        waiting += [edge.port.node for edge in graph.edges if edge.node == current]
    part.nodes = {key: value for key, value in graph.nodes.items() if key in wanted}
    part.edges = [edge for edge in graph.edges if edge.node in wanted]
    part.nodes[name] = JoinNode(
        left_key=node.left_key,
        right_key=node.right_key,
        join_window=f"{window_us}us",
        select={_APART: right(TS) - left(TS)},
    )
    return part


def _arrivals(replay: BatchReplay, name: str) -> Frame:
    """Return the watermark at the arrival of each row of both sides: `seq`, `__side`, `__wm`."""
    context = replay.context
    node = _join(context.graph, name)
    ports = context.graph.inputs(name)
    keys = [f"__key{place}" for place in range(len(node.left_key))]
    sides = []
    for number, (side, key) in enumerate(((LEFT, node.left_key), (RIGHT, node.right_key))):
        frame = replay.frame(ports[side][0])
        assert frame is not None  # only pairs may not be kept
        marks = [column for column in frame.collect_schema() if is_hidden(column)]
        named = {key_name: nw.col(column) for key_name, column in zip(keys, key, strict=True)}
        sides.append(frame.select(SEQ, TS, *marks, nw.lit(number).cast(nw.Int64).alias(_SIDE), **named))
    both = context.with_now(name, nw.concat(sides).sort(SEQ), tuple(keys))
    return both.select(SEQ, _SIDE, NOW).unique()
