"""`StreamProcessor`: a graph of nodes, built by name, checked, replayed over a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evanalytics.exceptions import StreamError
from evanalytics.filters.filter import Filter
from evanalytics.filters.filter import filter as parse_filter
from evanalytics.records import whole_number
from evanalytics.streams.nodes import Node, SourceNode
from evanalytics.streams.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Port:
    """One output of one node.

    Attributes:
        node: The node's name.
        output: The output's name.
    """

    node: str
    output: str

    def __str__(self) -> str:
        return f"{self.node}.{self.output}"


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection: what leaves a port enters an input of another node."""

    port: Port
    node: str
    input: str


class Graph:
    """Nodes by name and the edges between them; every walk goes from the sources down.

    Attributes:
        name: What derived ids begin with.
        nodes: The nodes, in the order in which they were added.
        edges: The connections, in the order in which they were made.
    """

    def __init__(self, name: str) -> None:
        """Begin an empty graph."""
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    @property
    def sources(self) -> dict[str, SourceNode]:
        """The sources by name."""
        return {name: node for name, node in self.nodes.items() if isinstance(node, SourceNode)}

    def inputs(self, name: str) -> dict[str, list[Port]]:
        """Return what flows into each input of a node."""
        found: dict[str, list[Port]] = {port: [] for port in self.nodes[name].inputs}
        for edge in self.edges:
            if edge.node == name:
                found[edge.input].append(edge.port)
        return found

    def consumers(self, port: Port) -> list[Edge]:
        """Return the edges that begin at a port."""
        return [edge for edge in self.edges if edge.port == port]

    def sources_of(self, name: str) -> list[str]:
        """Return the sources whose events reach a node, in the order in which they were added."""
        reached, waiting = set(), [name]
        while waiting:
            current = waiting.pop()
            if current not in reached:
                reached.add(current)
                waiting += [edge.port.node for edge in self.edges if edge.node == current]
        return [source for source in self.sources if source in reached]

    def in_order(self) -> Iterator[tuple[str, Node]]:
        """Yield the nodes so that each comes after those that feed it.

        Raises:
            StreamError: The connections go in a circle; names the nodes on it.
        """
        done: dict[str, bool] = {}

        def visit(name: str, way: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
            if name in way:
                circle = " -> ".join([*way[way.index(name) :], name])
                raise StreamError(f"{self.name}: the nodes go in a circle: {circle}")
            if name not in done:
                for edge in self.edges:
                    if edge.node == name:
                        yield from visit(edge.port.node, (*way, name))
                done[name] = True
                yield name, self.nodes[name]

        for name in self.nodes:
            yield from visit(name, ())

    def in_waves(self) -> list[list[str]]:
        """Return the nodes behind the sources, wave by wave: each needs only what earlier waves have made."""
        depth: dict[str, int] = {}
        for name, _ in self.in_order():
            depth[name] = max(
                (depth[edge.port.node] + 1 for edge in self.edges if edge.node == name), default=0
            )
        deepest = max(depth.values(), default=0)
        return [[name for name in depth if depth[name] == wave] for wave in range(1, deepest + 1)]


class NodeHandle:
    """A node of a processor, to be connected."""

    def __init__(self, graph: Graph, name: str) -> None:
        """Hold the place of a node in its graph."""
        self._graph = graph
        self.name = name

    @property
    def node(self) -> Node:
        """The node itself."""
        return self._graph.nodes[self.name]

    def connect_to(
        self,
        node: NodeHandle,
        port: str | None = None,
        *,
        output: str | None = None,
        input: str | None = None,
    ) -> NodeHandle:
        """Let what leaves this node flow into another one, which is returned.

        Args:
            node: Where to.
            port: The name of an output of this node ("orders") or of an input of the other one
                ("left"): whichever has it.
            output: The output, where both have to be named.
            input: The input, likewise.

        Raises:
            StreamError: There is no such output or input, it is ambiguous, taken, or in another graph.
        """
        if not isinstance(node, NodeHandle) or node._graph is not self._graph:
            raise StreamError(f"{self.name}: connect_to needs a node of the same processor, got {node!r}")
        if port is not None:
            output, input = self._resolve(node, port, output, input)
        output = self._choose(self.name, "output", self.node.outputs, output)
        input = self._choose(node.name, "input", node.node.inputs, input)
        if self._graph.inputs(node.name)[input]:
            raise StreamError(f"{node.name}: input {input!r} is connected already")
        self._graph.edges.append(Edge(Port(self.name, output), node.name, input))
        return node

    def _resolve(
        self, node: NodeHandle, port: str, output: str | None, input: str | None
    ) -> tuple[str | None, str | None]:
        is_output, is_input = port in self.node.outputs, port in node.node.inputs
        if is_output and is_input:
            raise StreamError(
                f"{port!r} is an output of {self.name} and an input of {node.name}; say output= or input="
            )
        if not (is_output or is_input):
            outputs, inputs = (", ".join(ports) or "none" for ports in (self.node.outputs, node.node.inputs))
            raise StreamError(
                f"{port!r}: neither an output of {self.name} (it has {outputs}) "
                f"nor an input of {node.name} (it has {inputs})"
            )
        return (port, input) if is_output else (output, port)

    def _choose(self, name: str, kind: str, ports: Sequence[str], wanted: str | None) -> str:
        if not ports:
            raise StreamError(f"{name}: has no {kind}")
        if wanted is None:
            is_plain = kind == "output" and self.node.kind != "filter"
            if len(ports) > 1 and not is_plain:
                raise StreamError(f"{name}: has {len(ports)} {kind}s; name one of {', '.join(ports)}")
            return ports[0]
        if wanted not in ports:
            raise StreamError(f"{name}: has no {kind} {wanted!r}; it has {', '.join(ports)}")
        return wanted

    def __repr__(self) -> str:
        return f"<{self.node.kind} {self.name!r}>"


class GraphBuilder:
    """What builds a graph: sources and nodes by name."""

    def __init__(self, name: str) -> None:
        """Begin an empty graph.

        Args:
            name: Of the processor; derived ids begin with it.

        Raises:
            StreamError: The name is empty.
        """
        if not isinstance(name, str) or not name.strip():
            raise StreamError(f"StreamProcessor: needs a name, got {name!r}")
        self.graph = Graph(name)

    @property
    def name(self) -> str:
        """The processor's name."""
        return self.graph.name

    def add_source(
        self,
        name: str,
        *,
        types: Sequence[str] | None = None,
        filter: Filter | Mapping[str, Any] | None = None,
        watermark: Watermark | None = None,
        parallelism: int = 1,
    ) -> NodeHandle:
        """Add a source: the events of some types, as they arrive.

        Args:
            name: Of the source; unique in the graph.
            types: The event types; None: all.
            filter: What else they must meet.
            watermark: How much lateness is allowed; by default an hour.
            parallelism: Into how many partitions the nodes behind it cut their keys in a live run: 1
                to 64. The rows are the same with any number, and so is the order within a key. All
                partitions are in this process, where polars uses every core already: what it brings
                is smaller states to join with, not more cores.

        Raises:
            StreamError: The name is taken, or types are no texts.
            FilterError: The filter cannot be read.
            PolicyError: The parallelism is no such number.
        """
        if isinstance(types, str) or (types is not None and not all(isinstance(t, str) for t in types)):
            raise StreamError(f"{name}: types needs a list of event types, got {types!r}")
        node = SourceNode(
            types=None if types is None else tuple(dict.fromkeys(types)),
            filter=None if filter is None else parse_filter(filter),
            watermark=watermark or Watermark(),
            parallelism=whole_number(parallelism, f"{name}: parallelism", most=64),
        )
        return self.add_node(name, node)

    def add_node(self, name: str, node: Node) -> NodeHandle:
        """Add a node under a name; connect it afterwards.

        Raises:
            StreamError: The name is taken or empty, or this is no node.
        """
        if not isinstance(node, Node):
            raise StreamError(f"{name}: needs a node such as FilterNode, got {node!r}")
        if not isinstance(name, str) or not name.strip():
            raise StreamError(f"{self.name}: a node needs a name, got {name!r}")
        if name in self.graph.nodes:
            raise StreamError(f"{name}: there is a node of this name already")
        self.graph.nodes[name] = node
        return NodeHandle(self.graph, name)
