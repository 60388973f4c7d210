"""A graph as frames for a picture: its nodes, its edges with the rows on them, what was lost where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from evanalytics.streams.checks import Schemas
from evanalytics.streams.columns import LEFT, RIGHT, is_hidden
from evanalytics.streams.graph import Edge, Graph, Port
from evanalytics.streams.memory_nodes import (
    AggregatorNode,
    DedupeNode,
    JoinNode,
    key_label,
)
from evanalytics.streams.nodes import (
    DUPLICATE,
    IN,
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    UNMATCHED,
    FilterNode,
    SourceNode,
    TransformNode,
)

_NODES = {
    "node": pl.String(), "kind": pl.String(), "outputs": pl.List(pl.String()),
    "columns": pl.List(pl.String()), "seconds": pl.Float64(),
}  # fmt: skip
_EDGES = {
    "from_node": pl.String(), "output": pl.String(), "to_node": pl.String(), "input": pl.String(),
    "rows": pl.Int64(),
}  # fmt: skip
_LOST = (LATE, UNMATCHED, DUPLICATE, "null key")
_READING = "(reading)"


@dataclass(frozen=True, slots=True)
class Picture:
    """The frames that a picture of a graph is drawn from.

    Attributes:
        nodes: A row per node, each after those that feed it: node, kind (String), outputs, columns (List of
            String; "name dtype" of the first output, as far as known), seconds (Float64, null before a run).
        edges: A row per connection: from_node, output, to_node, input (String), rows (Int64, null before
            a run and where nobody counted).
        losses: Rows that did not go the main way: node, part, what (String), rows (Int64), share
            (Float64, of the rows that entered this part).
        remark: What a run took as a whole; empty before one.
    """

    nodes: pl.DataFrame
    edges: pl.DataFrame
    losses: pl.DataFrame
    remark: str = ""


def picture_of(
    graph: Graph,
    schemas: Schemas,
    *,
    counts: pl.DataFrame | None = None,
    seconds: Mapping[str, float] | None = None,
    engine: str = "",
) -> Picture:
    """Return the frames for a picture of a graph.

    Args:
        graph: The graph, checked.
        schemas: The columns of its outputs, as far as known.
        counts: What became of the rows, after a run.
        seconds: How long each node took.
        engine: What it ran on.
    """
    taken = seconds or {}
    nodes = [
        (name, node.kind, list(node.outputs), _columns(graph, schemas, name), taken.get(name))
        for name, node in graph.in_order()
    ]
    flows = _Flows(graph, counts)
    edges = [(e.port.node, e.port.output, e.node, e.input, flows.along(e)) for e in graph.edges]
    return Picture(
        pl.DataFrame(nodes, schema=_NODES, orient="row"),
        pl.DataFrame(edges, schema=_EDGES, orient="row"),
        losses_of(flows.counts),
        _remark(taken, engine),
    )


def losses_of(counts: pl.DataFrame) -> pl.DataFrame:
    """Return what was late, unmatched, twice or without a key, with its share of what came in."""
    entered = counts.filter(pl.col("what") == "in").select("node", "part", pl.col("rows").alias("of"))
    lost = counts.filter(pl.col("what").is_in(_LOST))
    share = pl.when(pl.col("of") > 0).then(pl.col("rows") / pl.col("of")).otherwise(0.0)
    joined = lost.join(entered, on=["node", "part"], how="left", maintain_order="left")
    return joined.select("node", "part", "what", "rows", share.alias("share"))


def rows_into(graph: Graph, counts: pl.DataFrame) -> dict[str, int]:
    """Return how many rows each node has taken, as far as the counts of a run say it; a source: has given."""
    flows = _Flows(graph, counts)
    into = {
        name: flows.given_by_source(name) if isinstance(node, SourceNode) else 0
        for name, node in graph.in_order()
    }
    for edge in graph.edges:
        into[edge.node] += flows.along(edge) or 0
    return into


class _Flows:
    """How many rows each edge carried, as far as the counts of its two ends say it."""

    def __init__(self, graph: Graph, counts: pl.DataFrame | None) -> None:
        schema = {"node": pl.String, "part": pl.String, "what": pl.String, "rows": pl.Int64}
        self._graph = graph
        self.counts = pl.DataFrame(schema=schema) if counts is None else counts
        self._rows: dict[tuple[str, str, str], int] = {
            (node, part, what): rows for node, part, what, rows in self.counts.iter_rows()
        }

    def along(self, edge: Edge) -> int | None:
        taken = self._taken(edge)
        return self._given(edge.port) if taken is None else taken

    def given_by_source(self, name: str) -> int:
        return self._rows.get((name, "", OUT), 0)

    def _taken(self, edge: Edge) -> int | None:
        node = self._graph.nodes[edge.node]
        if isinstance(node, AggregatorNode):
            window, key = node.windows[0], node.keys[0]
            rows = self._rows.get((edge.node, f"{window.label} · {key_label(key)}", "in"))
            return None if rows is None else rows // window.panes
        return self._rows.get((edge.node, edge.input if isinstance(node, JoinNode) else "", "in"))

    def _given(self, port: Port) -> int | None:
        node = self._graph.nodes[port.node]
        if isinstance(node, TransformNode):
            above = self._graph.inputs(port.node)[IN]
            return self.along(Edge(above[0], port.node, IN)) if above else None
        if isinstance(node, JoinNode):
            return self._of_join(port, node)
        if isinstance(node, FilterNode) and port.output != UNMATCHED:
            return self._rows.get((port.node, port.output, "rows"))
        if isinstance(node, SourceNode | FilterNode | DedupeNode):
            return self._rows.get((port.node, "", port.output))
        return None

    def _of_join(self, port: Port, node: JoinNode) -> int | None:
        if port.output != OUT:
            side = {LATE_LEFT: LEFT, LATE_RIGHT: RIGHT}[port.output]
            return self._rows.get((port.node, side, LATE))
        pairs = self._rows.get((port.node, "", "pairs"))
        if pairs is None or node.output_complete:
            return pairs
        return pairs + sum(self._rows.get((port.node, side, UNMATCHED), 0) for side in (LEFT, RIGHT))


def _columns(graph: Graph, schemas: Schemas, name: str) -> list[str]:
    outputs = graph.nodes[name].outputs
    ports = [Port(name, outputs[0])] if outputs else [found[0] for found in graph.inputs(name).values()]
    columns = schemas.get(ports[0], {})
    return [
        column if dtype == pl.Unknown() else f"{column} {dtype}"
        for column, dtype in columns.items()
        if not is_hidden(column)
    ]


def _remark(seconds: Mapping[str, float], engine: str) -> str:
    if not seconds:
        return ""
    reading = f"{seconds.get(_READING, 0.0):.2f} s of it reading"
    return f"{sum(seconds.values()):.2f} s on {engine}, {reading}"
