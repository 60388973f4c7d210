"""What a place in a graph owes to the nodes above it: events or other rows, windows, pairs, watermarks."""

from __future__ import annotations

from evanalytics.streams.columns import LEFT, RIGHT
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode, JoinNode
from evanalytics.streams.nodes import LATE, LATE_LEFT, LATE_RIGHT, OUT, FilterNode, Node, SourceNode


def passes_events(graph: Graph, port: Port) -> bool:
    """Return whether the rows of a port are still events, with the columns of the log."""
    node = graph.nodes[port.node]
    if isinstance(node, SourceNode):
        return True
    if isinstance(node, FilterNode | DedupeNode) or port.output in (LATE, LATE_LEFT, LATE_RIGHT):
        side = {LATE_LEFT: LEFT, LATE_RIGHT: RIGHT}.get(port.output, node.inputs[0])
        return all(passes_events(graph, inner) for inner in graph.inputs(port.node)[side])
    return False


def comes_from(graph: Graph, port: Port, kinds: tuple[type[Node], ...]) -> str | None:
    """Return the nearest node of these kinds whose main output leads to a port; None if none does."""
    node = graph.nodes[port.node]
    if isinstance(node, kinds) and port.output == OUT:
        return port.node
    side = {LATE_RIGHT: RIGHT, LATE_LEFT: LEFT}.get(port.output)
    inputs = graph.inputs(port.node)
    ports = [inner for name, found in inputs.items() if side in (None, name) for inner in found]
    return next(filter(None, (comes_from(graph, inner, kinds) for inner in ports)), None)


def first_input(graph: Graph, name: str) -> Port:
    """Return what flows into the first input of a node."""
    return next(iter(graph.inputs(name).values()))[0]


def window_keys(graph: Graph, port: Port) -> tuple[str, ...] | None:
    """Return the key columns of a port's windows; None where its rows are none."""
    above = comes_from(graph, port, (AggregatorNode,))
    node = None if above is None else graph.nodes[above]
    return node.key_columns if isinstance(node, AggregatorNode) else None


def join_above(graph: Graph, name: str) -> JoinNode | None:
    """Return the join whose pairs reach a node, if any."""
    above = comes_from(graph, first_input(graph, name), (JoinNode,))
    node = None if above is None else graph.nodes[above]
    return node if isinstance(node, JoinNode) else None


def has_key_watermarks(graph: Graph, name: str) -> bool:
    """Return whether each key has a watermark of its own at a node."""
    return any(graph.sources[source].watermark.policy == "key" for source in graph.sources_of(name))


def lateness_us(graph: Graph, name: str) -> int:
    """Return the most lateness that a source of a node allows."""
    return max(graph.sources[source].watermark.allowed_lateness_us for source in graph.sources_of(name))
