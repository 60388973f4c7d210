"""What the steps of a replay share: the graph, the log, the engine, the watermarks, the counts."""

from __future__ import annotations

from dataclasses import dataclass, field

import narwhals.stable.v2 as nw

from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import TS
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.checks import Columns, Schemas
from evanalytics.streams.columns import watermark_column
from evanalytics.streams.counts import Counts
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import JoinNode, Key
from evanalytics.streams.nodes import OUT
from evanalytics.streams.staging import Staged
from evanalytics.streams.upstream import has_key_watermarks, join_above, lateness_us
from evanalytics.streams.watermark import NEVER


@dataclass(frozen=True)
class ReplayContext:
    """One replay of a graph over a log.

    Attributes:
        graph: The graph, checked.
        log: The log.
        engine: What runs.
        schemas: The columns of every port.
        staged: The rows of the sources.
        keep: Whether pairs and windows that only sinks take are kept.
        close: Whether the end of the log closes everything.
        counts: What became of the rows.
        notes: What was decided on the way, by node.
    """

    graph: Graph
    log: EventLog
    engine: FrameEngine
    schemas: Schemas
    staged: Staged
    keep: bool
    close: bool
    counts: Counts
    notes: dict[str, str] = field(default_factory=dict)

    def columns(self, name: str) -> Columns:
        """Return the columns of a node's main output."""
        return self.schemas[Port(name, OUT)]

    def number(self, frame: Frame, figure: nw.Expr) -> int:
        """Return one whole number about a frame; 0 where it has none."""
        return int(self.engine.collect(frame.select(figure)).item() or 0)

    def rows(self, frame: Frame) -> int:
        """Return how many rows a frame has."""
        return self.number(frame, nw.len())

    def join_above(self, name: str) -> JoinNode | None:
        """Return the join whose pairs reach a node, if any."""
        return join_above(self.graph, name)

    def by_key(self, name: str) -> bool:
        """Return whether each key has a watermark of its own at a node."""
        return has_key_watermarks(self.graph, name)

    def lateness_us(self, name: str) -> int:
        """Return the most lateness that a source of a node allows."""
        return lateness_us(self.graph, name)

    def with_now(self, name: str, frame: Frame, key: Key) -> Frame:
        """Return a frame with the watermark at each row's arrival, as a node with this key counts it."""
        if self.by_key(name):
            frame = self.engine.running_max(frame, TS, NOW, key)
            return frame.with_columns((nw.col(NOW) - self.lateness_us(name)).alias(NOW))
        every = list(self.graph.sources)
        columns = [watermark_column(every.index(source)) for source in self.graph.sources_of(name)]
        now = nw.col(columns[0]) if len(columns) == 1 else nw.min_horizontal(*columns)
        return frame.with_columns(now.alias(NOW))

    def latest(self, name: str, key: Key) -> nw.Expr:
        """Return how far the watermark has come in the end, for each row as its key sees it."""
        join = self.join_above(name)
        if not self.by_key(name):
            held_back = 0 if join is None else join.window_us
            sources = self.graph.sources_of(name)
            return nw.lit(min(self.staged.latest[source] for source in sources) - held_back, nw.Int64)
        if join is not None:
            return nw.lit(NEVER, nw.Int64)  # pairs have no watermark of their key
        highest = nw.col(TS).max()
        return (highest.over(*key) if key else highest) - self.lateness_us(name)
