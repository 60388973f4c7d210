"""A graph and all that its nodes remember: micro-batches go in, the rows of each output come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl

from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.report import ReadReport
from evanalytics.logs.schema import PAYLOAD, SEQ
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.aggregator_state import AggregatorState
from evanalytics.streams.checks import Columns, check
from evanalytics.streams.columns import LEFT, LEFT_SEQ, RIGHT, RIGHT_SEQ, is_hidden, watermark_column
from evanalytics.streams.counts import Counts
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.join_state import JoinState
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode, JoinNode
from evanalytics.streams.nodes import (
    DUPLICATE,
    OUT,
    FilterNode,
    Node,
    SinkNode,
    TransformNode,
)
from evanalytics.streams.row_steps import FilterStep, TransformStep
from evanalytics.streams.source_state import SourceStates
from evanalytics.streams.state import DedupeState, Frames, Partitions
from evanalytics.streams.upstream import has_key_watermarks, join_above, lateness_us, passes_events
from evanalytics.streams.watermark import NEVER
from evanalytics.streams.window_state import SituationState

Outputs = dict[Port, pl.DataFrame]
"""What came out of each port with a micro-batch."""

Memory = dict[tuple[str, str, str], pl.DataFrame]
"""What is remembered, by node, part and name."""

_WATERMARKS = ("", "", "watermarks")


class GraphState:
    """Runs a graph over a log that comes piece by piece.

    However the log is cut, all pieces together bring the same rows as a replay of the whole: what a
    row meets depends on what arrived before it, never on what came along with it.

    Attributes:
        counts: What became of the rows so far, as in `StreamResult.counts`; rows that still wait in a
            join are in none of its fates.
    """

    def __init__(self, graph: Graph, schema: LogSchema) -> None:
        """Check the graph against the schema that all events have, and begin with nothing remembered.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        self._graph = graph
        self._columns = check(graph, schema)
        self._nodes = dict(graph.in_order())
        self._nothing = _empty_log(schema)
        self._sources = SourceStates(graph, schema, self._nothing)
        self.counts = Counts(self._nodes)
        self._steps: dict[str, FilterStep | TransformStep] = {}
        self._joins: dict[str, Partitions[JoinState]] = {}
        self._dedupes: dict[str, Partitions[DedupeState]] = {}
        self._windows: dict[str, AggregatorState] = {}
        for name, node in self._nodes.items():
            self._set_up(name, node, schema)
        self._turns = list(self._in_turns())
        self._threads = ThreadPoolExecutor(max(map(len, self._turns), default=1), "evanalytics-nodes")

    @property
    def types(self) -> list[str] | None:
        """The event types that some source takes; None: all."""
        return self._sources.types

    @property
    def reads(self) -> list[str]:
        """The columns that are read of events."""
        return self._sources.reads

    @property
    def needs_payload(self) -> bool:
        """Whether some filter asks what only the payload itself can tell."""
        return self._sources.needs_payload or any(step.needs_payload for step in self._steps.values())

    @property
    def watermarks(self) -> dict[str, int | None]:
        """How far each source has come, in microseconds since 1970; None: it has said nothing."""
        return {name: None if now == NEVER else now for name, now in self._sources.latest.items()}

    def carried(self, port: Port) -> Columns:
        """Return the columns of a port's rows: of events only those that some node reads."""
        columns, events = self._columns[port], self._nothing.schema.columns
        if not passes_events(self._graph, port):
            return columns
        return {c: dtype for c, dtype in columns.items() if c in self.reads or c not in events}

    def push(self, log: EventLog, read: int | None = None) -> Outputs:
        """Take the next events, in the order of `seq`; return what comes out of each port.

        Args:
            log: The events; those of types that no source takes may be missing.
            read: How many there were with those.
        """
        return self._walk(log, len(log) if read is None else read, closing=False)

    def close(self) -> Outputs:
        """Take the end of the log: every window closes, nothing waits for a partner any more."""
        return self._walk(self._nothing, 0, closing=True)

    def sizes(self) -> pl.DataFrame:
        """Return what is remembered: columns `node`, `part` (String), `rows` (Int64)."""
        rows = [(name, part, sum(s.rows for s in states.states)) for name, part, states in self._states()]
        schema = {"node": pl.String, "part": pl.String, "rows": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def dump(self) -> Memory:
        """Return all that is remembered."""
        frames = {
            (node, part, name): frame
            for node, part, states in self._states()
            for name, frame in states.dump().items()
        }
        return {_WATERMARKS: self._sources.dump(), **frames}

    def load(self, memory: Mapping[tuple[str, str, str], pl.DataFrame]) -> None:
        """Continue from what `dump` returned; the number of partitions may be another one."""
        for node, part, states in self._states():
            states.load({name: frame for (n, p, name), frame in memory.items() if (n, p) == (node, part)})
        self._sources.load(memory[_WATERMARKS])

    def _states(
        self,
    ) -> Iterator[
        tuple[str, str, Partitions[DedupeState] | Partitions[JoinState] | Partitions[SituationState]]
    ]:
        yield from ((name, "", states) for name, states in self._dedupes.items())
        yield from ((name, "", states) for name, states in self._joins.items())
        for name, windows in self._windows.items():
            for situation, states in zip(windows.situations, windows.states, strict=True):
                yield name, situation.label, states

    def _set_up(self, name: str, node: Node, schema: LogSchema) -> None:
        if isinstance(node, FilterNode):
            self._steps[name] = FilterStep(node, schema, self._nothing)
        elif isinstance(node, TransformNode):
            self._steps[name] = TransformStep(node, schema, self._nothing)
        elif isinstance(node, DedupeNode | JoinNode | AggregatorNode):
            self._remember(name, node)

    def _remember(self, name: str, node: DedupeNode | JoinNode | AggregatorNode) -> None:
        """Make the states of a node that has a memory."""
        lateness, columns = self._lateness(name), self._columns[Port(name, OUT)]
        count = max(self._graph.sources[source].parallelism for source in self._graph.sources_of(name))
        if isinstance(node, DedupeNode):
            self._dedupes[name] = Partitions(lambda: DedupeState(node, lateness), count)
        elif isinstance(node, JoinNode):
            self._joins[name] = Partitions(lambda: JoinState(node, columns, lateness), count)
        else:
            never_late = join_above(self._graph, name) is not None
            self._windows[name] = AggregatorState(node, columns, lateness, never_late=never_late, count=count)

    def _lateness(self, name: str) -> int | None:
        """Return the lateness where each key has its own watermark, else None."""
        return lateness_us(self._graph, name) if has_key_watermarks(self._graph, name) else None

    # one micro-batch

    def _walk(self, log: EventLog, read: int, *, closing: bool) -> Outputs:
        out: Outputs = {}
        for name, rows in self._sources.push(log).items():
            out[Port(name, OUT)] = rows
            self.counts.add(name, "", read=read, out=len(rows))
            if name in self._sources.ahead:
                self.counts.add(name, "", ahead=self._sources.ahead[name])
        for turn in self._turns:
            frames = [[out[ports[0]] for ports in self._graph.inputs(name).values()] for name in turn]
            visit = partial(self._visit, log=log, closing=closing)
            each = map if len(turn) == 1 else self._threads.map
            for name, found in zip(turn, each(visit, turn, frames), strict=True):
                out |= {Port(name, output): frame for output, frame in found.items()}
        return out

    def _in_turns(self) -> Iterator[list[str]]:
        """Yield nodes that run side by side: no step may, for users' own functions need not bear it."""
        for wave in self._graph.in_waves():
            with_memory = [
                n for n in wave if isinstance(self._nodes[n], DedupeNode | JoinNode | AggregatorNode)
            ]
            yield from ([with_memory] if with_memory else [])
            yield from ([name] for name in wave if name not in with_memory)

    def _visit(self, name: str, frames: list[pl.DataFrame], log: EventLog, *, closing: bool) -> Frames:
        node = self._nodes[name]
        if isinstance(node, JoinNode):
            return self._join(name, node, frames[0], frames[1], closing=closing)
        if isinstance(node, AggregatorNode):
            return self._aggregate(name, frames[0], closing=closing)
        if isinstance(node, DedupeNode):
            return self._dedupe(name, node, frames[0])
        if isinstance(node, SinkNode):
            self.counts.add(name, "", **{"in": len(frames[0])})
            return {}
        step = self._steps[name]
        if isinstance(step, FilterStep):
            return step.push(name, frames[0], log, self.counts)
        return step.push(frames[0], log)

    def _now(self, name: str) -> int:
        return self._sources.now(self._graph.sources_of(name))

    def _with_now(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the watermark at their arrival, where it is the same for all keys."""
        if self._lateness(name) is not None:
            return frame
        every = list(self._graph.sources)
        marks = [watermark_column(every.index(source)) for source in self._graph.sources_of(name)]
        return frame.with_columns(pl.min_horizontal(marks).alias(NOW))

    def _dedupe(self, name: str, node: DedupeNode, frame: pl.DataFrame) -> Frames:
        states = self._dedupes[name]
        parts = states.split(self._with_now(name, frame), node.key)
        found = [state.push(part, self._now(name)) for state, part in zip(states.states, parts, strict=True)]
        out = {o: _together(part[o].drop(NOW, strict=False) for part in found) for o in node.outputs}
        passed, again = len(out[OUT]), len(out[DUPLICATE])
        self.counts.add(name, "", **{"in": len(frame), "out": passed, DUPLICATE: again})
        return out

    def _join(
        self, name: str, node: JoinNode, left: pl.DataFrame, right: pl.DataFrame, *, closing: bool
    ) -> Frames:
        states = self._joins[name]
        lefts = states.split(self._with_now(name, left), node.left_key)
        rights = states.split(self._with_now(name, right), node.right_key)
        found = []
        for state, one, other in zip(states.states, lefts, rights, strict=True):
            found.append(state.push(one, other, self._now(name)))
            self._count_join(name, state)
            if closing:
                found[-1][OUT] = pl.concat([found[-1][OUT], state.close()[OUT]])
                self._count_join(name, state)
        out = {output: _together(part[output] for part in found) for output in node.outputs}
        is_pair = pl.col(LEFT_SEQ).is_not_null() & pl.col(RIGHT_SEQ).is_not_null()
        self.counts.add(name, "", pairs=int(out[OUT].select(is_pair.sum()).item()))
        return out

    def _count_join(self, name: str, state: JoinState) -> None:
        for side in (LEFT, RIGHT):
            self.counts.add(name, side, **state.fates[side])

    def _aggregate(self, name: str, frame: pl.DataFrame, *, closing: bool) -> Frames:
        state, join = self._windows[name], join_above(self._graph, name)
        now = self._now(name)
        if join is not None:  # it holds the watermark back; that of a key says nothing about pairs
            now = NEVER if self._lateness(name) is not None else max(now - join.window_us, NEVER)
        rows = frame if join is not None else self._with_now(name, frame)
        out = state.push(rows, None if closing else now, self._sources.span)
        for label, fates in state.fates.items():
            self.counts.add(name, label, **fates)
        return {output: rows.drop(NOW, strict=False) for output, rows in out.items()}


def visible(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows without the sources' watermarks."""
    return frame.select(column for column in frame.columns if not is_hidden(column))


def _together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of all partitions in the order of arrival."""
    frames = list(parts)
    return frames[0] if len(frames) == 1 else pl.concat(frames).sort(SEQ, maintain_order=True)


class _NoPayloads:
    """The payloads of a log without events."""

    def attach(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for batch in batches:
            yield batch.with_columns(pl.lit(None, pl.String).alias(PAYLOAD))


def _empty_log(schema: LogSchema) -> EventLog:
    frame = pl.DataFrame(schema=dict(schema.columns))
    report = ReadReport(files=(), read=0, good=0)
    return EventLog(frame.lazy(), schema=schema, report=report, payloads=_NoPayloads())
