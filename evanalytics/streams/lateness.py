"""How many rows would be late with any other allowed lateness: from how far time had come at each arrival."""

from __future__ import annotations

from collections.abc import Callable

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.exceptions import StreamError
from evanalytics.logs.engines import Frame
from evanalytics.logs.schema import TS
from evanalytics.streams.aggregation import PANE
from evanalytics.streams.columns import watermark_column
from evanalytics.streams.context import ReplayContext
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import (
    AggregatorNode,
    JoinNode,
    Key,
    key_label,
)
from evanalytics.streams.nodes import IN
from evanalytics.streams.stops import durations_to_try
from evanalytics.streams.upstream import comes_from
from evanalytics.streams.windows import PanedWindow, SessionWindow, Window

_HIGHEST, _BEHIND = "__highest", "__behind"
_SCHEMA = {
    "window": pl.String(), "key": pl.String(), "lateness_s": pl.Float64(), "rows": pl.Int64(),
    "late": pl.Int64(), "share": pl.Float64(), "chosen": pl.Boolean(),
}  # fmt: skip


def late_shares(context: ReplayContext, rows_of: Callable[[Port], Frame], name: str) -> pl.DataFrame:
    """Return how many of an aggregator's rows come late against the allowed lateness, per window.

    A row is late for a window that the watermark, at the row's arrival, has reached the end of. So the
    row is late for every allowed lateness up to the highest time seen less that end. The rows are those
    that reach the aggregator now; a dedupe that forgets might let others pass with another lateness.

    Args:
        context: Of the run.
        rows_of: Takes an output, returns its rows with their sources' watermarks.
        name: Of the aggregator.

    Returns:
        window: String. key: String, null where every key has the same watermark. lateness_s: Float64,
        rising from 0; one for all sources. rows: Int64, counted in windows that a row belongs to.
        late: Int64. share: Float64 (null without rows). chosen: Boolean, whether this lateness is allowed.

    Raises:
        StreamError: The node is no aggregator, or stands behind a join, whose rows are never late.
    """
    node, port = _aggregator(context.graph, name)
    frame = rows_of(port)
    allowed_us = context.lateness_us(name)
    behind = {
        (window.label, None if key is None else key_label(key)): _behind(context, name, frame, window, key)
        for window in node.windows
        for key in (node.keys if context.by_key(name) else [None])
    }
    longest = max((found.sort(descending=True)[0] for _, found in behind.values() if len(found)), default=0)
    tried = [0, *durations_to_try(1_000_000, max(longest, allowed_us, 2_000_000), allowed_us)]
    parts = [
        late_against(found, rows, sorted(set(tried)), allowed_us).select(
            pl.lit(window).alias("window"), pl.lit(key, pl.String).alias("key"), pl.all()
        )
        for (window, key), (rows, found) in behind.items()
    ]
    return pl.concat(parts).cast(_SCHEMA)  # type: ignore[arg-type]


def late_against(behind: pl.Series, rows: int, tried_us: list[int], allowed_us: int) -> pl.DataFrame:
    """Return the late rows for each lateness, from how far their windows' ends lie behind (microseconds)."""
    in_time = behind.sort().search_sorted(pl.Series(tried_us, dtype=pl.Int64), side="left").cast(pl.Int64)
    frame = pl.DataFrame({"lateness_s": pl.Series(tried_us, dtype=pl.Int64) / 1e6, "in_time": in_time})
    late = len(behind) - pl.col("in_time")
    return frame.select(
        "lateness_s",
        pl.lit(rows, pl.Int64).alias("rows"),
        late.alias("late"),
        (late / rows if rows else pl.lit(None, pl.Float64)).alias("share"),
        pl.Series("chosen", [lateness == allowed_us for lateness in tried_us]),
    )


def _aggregator(graph: Graph, name: str) -> tuple[AggregatorNode, Port]:
    node = graph.nodes.get(name)
    if not isinstance(node, AggregatorNode):
        found = ", ".join(name for name, node in graph.nodes.items() if isinstance(node, AggregatorNode))
        raise StreamError(f"{name}: no aggregator of this graph; there is {found or 'none'}")
    port = graph.inputs(name)[IN][0]
    join = comes_from(graph, port, (JoinNode,))
    if join is not None:
        raise StreamError(f"{name}: the pairs of the join {join} are never late; ask an aggregator before it")
    return node, port


def _behind(
    context: ReplayContext, name: str, frame: Frame, window: Window, key: Key | None
) -> tuple[int, pl.Series]:
    """Return how many windows the rows belong to, and how far the ends of those passed lie behind."""
    engine = context.engine
    frame = (
        engine.running_max(frame, TS, _HIGHEST, key) if key is not None else _highest(context, name, frame)
    )
    low, high, rows = engine.collect(
        frame.select(low=nw.col(TS).min(), high=nw.col(TS).max(), rows=nw.len())
    ).row(0)
    if not rows:
        return 0, pl.Series(_BEHIND, dtype=pl.Int64)
    if isinstance(window, SessionWindow):
        late = frame.select((nw.col(_HIGHEST) - nw.col(TS) - window.gap_us).alias(_BEHIND))
        return rows, engine.collect(late.filter(nw.col(_BEHIND) >= 0))[_BEHIND]
    passed = nw.col(_HIGHEST) >= nw.col(TS)  # all but those that time had not even reached
    panes = frame.filter(passed).select(window.pane(nw.col(TS), (low, high)).alias(PANE), _HIGHEST)
    return rows * window.panes, _behind_panes(engine.collect(panes), window)


def _highest(context: ReplayContext, name: str, frame: Frame) -> Frame:
    """Return rows with the highest time seen at their arrival: of several sources, the lowest of theirs."""
    sources = context.graph.sources
    columns = [
        nw.col(watermark_column(number)) + source.watermark.allowed_lateness_us
        for number, (of, source) in enumerate(sources.items())
        if of in context.graph.sources_of(name)
    ]
    highest = columns[0] if len(columns) == 1 else nw.min_horizontal(*columns)
    return frame.with_columns(highest.alias(_HIGHEST))


def _behind_panes(rows: pl.DataFrame, window: PanedWindow) -> pl.Series:
    """Return the highest time seen less the end of each window of each row, where it is not negative."""
    parts = []
    for hop in reversed(range(window.panes)):
        panes = rows[PANE].unique()
        ends = pl.Series("__end", [window.end_us(pane - hop) for pane in panes], dtype=pl.Int64)
        bounds = pl.DataFrame({PANE: panes, "__end": ends})
        rows = rows.join(bounds, on=PANE, how="left").filter(pl.col(_HIGHEST) >= pl.col("__end"))
        parts.append(rows.select((pl.col(_HIGHEST) - pl.col("__end")).alias(_BEHIND))[_BEHIND])
        rows = rows.drop("__end")  # whoever is in time for a window is in time for all later ones
    return pl.concat(parts) if parts else pl.Series(_BEHIND, dtype=pl.Int64)
