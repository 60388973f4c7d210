"""A graph over a whole log as one staged plan: read once, split, group, join; every row accounted for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engines import Frame, FrameEngine, PolarsEngine
from evanalytics.logs.log import EventLog
from evanalytics.streams.checks import Schemas
from evanalytics.streams.columns import is_hidden, watermark_column
from evanalytics.streams.context import ReplayContext
from evanalytics.streams.counts import Counts
from evanalytics.streams.graph import Edge, Graph, Port
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode, JoinNode
from evanalytics.streams.nodes import (
    LATE,
    OUT,
    UNMATCHED,
    FilterNode,
    Node,
    SinkNode,
    SourceNode,
    TransformNode,
)
from evanalytics.streams.replay_join import PASSED_ROWS, JoinStep
from evanalytics.streams.replay_windows import aggregated, deduplicated, late_rows
from evanalytics.streams.sinks import SinkFeed
from evanalytics.streams.staging import condition, stage, transformed
from evanalytics.streams.upstream import first_input, window_keys

_CHUNK = 65_536
_STATELESS = (FilterNode, TransformNode, SinkNode)


class BatchReplay:
    """One run of a graph over a log.

    Attributes:
        context: The graph, the log, the engine; the counts and notes.
        seconds: How long each node took; "(reading)" is the log.
    """

    def __init__(
        self, graph: Graph, log: EventLog, engine: FrameEngine, schemas: Schemas, *, keep: bool, close: bool
    ) -> None:
        """Read what the graph needs of the log."""
        begin = time.perf_counter()
        staged = stage(graph, log, engine)
        counts = Counts(name for name, _ in graph.in_order())
        self.context = ReplayContext(graph, log, engine, schemas, staged, keep, close, counts)
        self.seconds: dict[str, float] = defaultdict(float)
        self.seconds["(reading)"] = time.perf_counter() - begin
        self._graph = graph
        self._ports: dict[Port, Callable[[], Frame]] = {}
        self._feeds: dict[str, SinkFeed] = {}

    def run(self, *, sinks: bool) -> None:
        """Run every node once; hand rows to the sinks only if told so."""
        if sinks:
            self._feeds = {name: self._feed(name, node) for name, node in _sinks(self._graph)}
        try:
            for name, node in self._graph.in_order():
                begin = time.perf_counter()
                self._visit(name, node)
                self.seconds[name] += time.perf_counter() - begin
            for feed in self._feeds.values():
                feed.finish()
        finally:
            for feed in self._feeds.values():
                feed.close()

    def frame(self, port: Port) -> Frame | None:
        """Return the rows of an output; None if they were not kept."""
        return self._ports[port]() if port in self._ports else None

    def _visit(self, name: str, node: Node) -> None:
        if isinstance(node, SourceNode):
            self._source(name)
            return
        frames = [self.frame(ports[0]) for ports in self._graph.inputs(name).values()]
        inputs = [frame for frame in frames if frame is not None]
        if len(inputs) < len(frames):
            return  # its rows came by already, part by part
        if isinstance(node, JoinNode):
            self._join(name, node, inputs[0], inputs[1])
        elif isinstance(node, AggregatorNode):
            self._aggregate(name, node, inputs[0])
        elif isinstance(node, DedupeNode):
            self._put(name, deduplicated(self.context, name, node, inputs[0]))
        elif isinstance(node, SinkNode):
            self._sink(name, inputs[0], self.context.engine)
        else:
            self._put(name, self._stateless(name, node, inputs[0], self.context.engine))

    def _put(self, name: str, outputs: dict[str, Frame]) -> None:
        for output, frame in outputs.items():
            self._ports[Port(name, output)] = lambda frame=frame: frame  # type: ignore[misc]

    def _source(self, name: str) -> None:
        staged = self.context.staged
        frame = staged.sources[name]
        self.context.counts.add(name, "", read=staged.rows[0], out=self.context.rows(frame))
        watermark = self._graph.sources[name].watermark
        if watermark.max_jump is not None:
            mark = watermark_column(list(self._graph.sources).index(name))
            self.context.counts.add(name, "", ahead=self.context.number(frame, watermark.ahead(mark)))
        self._put(name, {OUT: frame})

    def _stateless(self, name: str, node: Node, frame: Frame, engine: FrameEngine) -> dict[str, Frame]:
        log = self.context.log
        if isinstance(node, TransformNode):
            return {OUT: transformed(node, frame, log, engine)}
        assert isinstance(node, FilterNode)
        flags = {output: f"__filter{number}" for number, output in enumerate(node.filters)}
        for output, wanted in node.filters.items():
            frame = condition(wanted, flags[output], frame, log, engine)
        frame = engine.keep(frame)
        groups = frame.group_by(*flags.values()).agg(n=nw.len().cast(nw.Int64))
        self._count_filter(name, flags, engine.collect(groups))
        none = ~nw.any_horizontal(*(nw.col(flag) for flag in flags.values()), ignore_nulls=True)
        chosen = {output: nw.col(flag) for output, flag in flags.items()} | {UNMATCHED: none}
        return {output: frame.filter(flag).drop(*flags.values()) for output, flag in chosen.items()}

    def _count_filter(self, name: str, flags: dict[str, str], seen: pl.DataFrame) -> None:
        rest = pl.lit(True)
        for output, flag in flags.items():
            met = pl.col(flag)
            first, rows = (int(seen.filter(which)["n"].sum()) for which in (rest & met, met))
            self.context.counts.add(name, output, first=first, rows=rows)
            rest = rest & ~met
        total, unmatched = int(seen["n"].sum()), int(seen.filter(rest)["n"].sum())
        self.context.counts.add(name, "", **{"in": total, UNMATCHED: unmatched})

    def _aggregate(self, name: str, node: AggregatorNode, frame: Frame) -> None:
        edges = self._passing(name)
        windows = aggregated(self.context, name, node, frame, once=edges is not None)
        if edges is None:
            self._put(name, {OUT: nw.concat(list(windows))})
        else:
            for part in windows:
                for rows in self.context.engine.batches(part, PASSED_ROWS):
                    self._push(edges, rows)
        self._ports[Port(name, LATE)] = partial(late_rows, self.context, name, node, frame)

    def _join(self, name: str, node: JoinNode, left: Frame, right: Frame) -> None:
        step, edges = JoinStep(self.context, name, node), self._passing(name)
        step.run(left, right, None if edges is None else partial(self._push, edges))
        self._put(name, step.outputs)

    def _passing(self, name: str) -> list[Edge] | None:
        """Return where a node's rows go if they need not be kept on the way; None if they must."""
        edges = self._graph.consumers(Port(name, OUT))
        return edges if edges and not self.context.keep and self._is_stateless(edges) else None

    def _is_stateless(self, edges: list[Edge]) -> bool:
        """Return whether rows that go along these edges meet nothing that has to see them all."""
        nodes = [(edge.node, self._graph.nodes[edge.node]) for edge in edges]
        further = [self._graph.consumers(Port(name, out)) for name, node in nodes for out in node.outputs]
        plain = all(isinstance(node, _STATELESS) for _, node in nodes)
        return plain and all(self._is_stateless(next_edges) for next_edges in further)

    def _push(self, edges: Iterable[Edge], rows: pl.DataFrame) -> None:
        """Let rows run along edges down to the sinks, and forget them; what is in memory polars does."""
        engine = PolarsEngine()
        for edge in edges:
            node, frame = self._graph.nodes[edge.node], engine.load(rows)
            if isinstance(node, SinkNode):
                self._sink(edge.node, frame, engine)
                continue
            for output, further in self._stateless(edge.node, node, frame, engine).items():
                self._push(self._graph.consumers(Port(edge.node, output)), engine.collect(further))

    def _feed(self, name: str, node: SinkNode) -> SinkFeed:
        keys = window_keys(self._graph, first_input(self._graph, name))
        return SinkFeed(f"{self._graph.name}/{name}", node, keys or ())

    def _sink(self, name: str, frame: Frame, engine: FrameEngine) -> None:
        feed, rows = self._feeds.get(name), 0
        if feed is None:
            rows = int(engine.collect(frame.select(nw.len())).item())
        else:
            visible = frame.select(*(c for c in frame.collect_schema() if not is_hidden(c)))
            for batch in engine.batches(visible, _CHUNK):
                feed.add(batch)
                rows += len(batch)
        self.context.counts.add(name, "", **{"in": rows})


def _sinks(graph: Graph) -> Iterator[tuple[str, SinkNode]]:
    return ((name, node) for name, node in graph.nodes.items() if isinstance(node, SinkNode))
