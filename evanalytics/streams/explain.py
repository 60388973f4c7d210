"""What a graph would do with a log, node by node, before it does."""

from __future__ import annotations

import polars as pl

from evanalytics.durations import format_duration
from evanalytics.filters.filter import Filter
from evanalytics.logs.log import EventLog
from evanalytics.streams.checks import check
from evanalytics.streams.columns import is_hidden
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import (
    AggregatorNode,
    DedupeNode,
    JoinNode,
    key_label,
)
from evanalytics.streams.nodes import (
    FilterNode,
    Node,
    PythonColumn,
    SinkNode,
    SourceNode,
    TransformNode,
)
from evanalytics.streams.staging import needed_columns

_SCHEMA = dict.fromkeys(("node", "kind", "reads", "columns", "remark"), pl.String())


def explain(graph: Graph, log: EventLog) -> pl.DataFrame:
    """Return a row per node: `node`, `kind`, `reads` (what feeds it), `columns` (it makes), `remark`.

    Raises:
        StreamError: Something is wrong with the graph.
    """
    schemas = check(graph, log.schema)
    rows = []
    for name, node in graph.in_order():
        ports = [str(port) for found in graph.inputs(name).values() for port in found]
        columns = schemas.get(Port(name, node.outputs[0]), {}) if node.outputs else {}
        shown = ", ".join(column for column in columns if not is_hidden(column))
        remark = f"{', '.join(needed_columns(graph, log))} are read" if isinstance(node, SourceNode) else ""
        rows.append((name, node.kind, ", ".join(ports), shown, remark or _remark(node, log)))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _remark(node: Node, log: EventLog) -> str:
    if isinstance(node, TransformNode):
        slow = [name for name, column in node.columns.items() if isinstance(column, PythonColumn)]
        return f"slow path: Python is called for each row by {', '.join(slow)}" if slow else ""
    if isinstance(node, FilterNode):
        return _filter_remark(node, log)
    if isinstance(node, AggregatorNode):
        keeps = [figure.name for figure in node.aggregator if not figure.is_mergeable]
        labels = f"{', '.join(w.label for w in node.windows)} by {'; '.join(map(key_label, node.keys))}"
        return f"{labels}; live, {', '.join(keeps)} keep every value" if keeps else labels
    if isinstance(node, JoinNode):
        return f"within {format_duration(node.join_window)}"
    if isinstance(node, DedupeNode):
        return "remembers for ever" if node.within is None else f"remembers {format_duration(node.within)}"
    assert isinstance(node, SinkNode)
    return f"batches of {node.batch_size:,}"


def _filter_remark(node: FilterNode, log: EventLog) -> str:
    undecided = [
        name
        for name, wanted in node.filters.items()
        if isinstance(wanted, Filter) and wanted.compile(log.schema).residual is not None
    ]
    return f"decided event by event in part: {', '.join(undecided)}" if undecided else ""
