"""How far time has come for a node, when the rows that feed it carry their sources' watermarks."""

from __future__ import annotations

import narwhals.stable.v2 as nw

from evanalytics.streams.columns import watermark_column
from evanalytics.streams.graph import Graph


def by_key(graph: Graph, name: str) -> bool:
    """Return whether each key of a node has a watermark of its own."""
    return any(graph.sources[source].watermark.policy == "key" for source in graph.sources_of(name))


def lateness_us(graph: Graph, name: str) -> int:
    """Return the lateness that a node's sources allow, the longest if they differ (microseconds)."""
    return max(graph.sources[source].watermark.allowed_lateness_us for source in graph.sources_of(name))


def by_stream(graph: Graph, name: str, alias: str, *, allow: bool = True) -> nw.Expr:
    """Return a node's watermark at the arrival of a row: the lowest of its sources' watermarks.

    Args:
        graph: The graph.
        name: Of the node.
        alias: The column's name.
        allow: False: as it would be if no lateness were allowed.
    """
    numbers = {source: number for number, source in enumerate(graph.sources)}
    columns = []
    for source in graph.sources_of(name):
        column = nw.col(watermark_column(numbers[source]))
        columns.append(column if allow else column + graph.sources[source].watermark.allowed_lateness_us)
    return (columns[0] if len(columns) == 1 else nw.min_horizontal(*columns)).alias(alias)
