"""A graph and all that its nodes remember: micro-batches go in, the rows of each output come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.filters.filter import Filter
from evanalytics.logs.engines import Frame
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.payloads import FromColumns
from evanalytics.logs.report import ReadReport
from evanalytics.logs.schema import SEQ, TS, TYPE
from evanalytics.streams import staging
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.checks import check, comes_from
from evanalytics.streams.columns import LATE_FOR, LATE_KEY, LEFT, MISSED, RIGHT, is_hidden, watermark_column
from evanalytics.streams.counts import Counts
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.join_state import JoinState
from evanalytics.streams.nodes import (
    DUPLICATE,
    LATE,
    OUT,
    UNMATCHED,
    AggregatorNode,
    DedupeNode,
    FilterNode,
    JoinNode,
    Node,
    PythonColumn,
    SinkNode,
    SourceNode,
    TransformColumn,
    TransformNode,
)
from evanalytics.streams.plan import ENGINE, Plan, collected, lazy
from evanalytics.streams.state import DedupeState, Frames, Partitions
from evanalytics.streams.watermark import NEVER
from evanalytics.streams.window_state import Situation, SituationState
from evanalytics.streams.window_state import situations as situations_of
from evanalytics.streams.windows import Span

Outputs = dict[Port, pl.DataFrame]
"""What came out of each port with a micro-batch."""

_LATE_COLUMNS = {LATE_FOR: pl.String(), LATE_KEY: pl.String(), MISSED: pl.Int64()}
_FLAG = "__of_source"
_WATERMARKS = "watermarks"
_SPAN_US = 32 * 86_400_000_000


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
        self._graph, self._schema = graph, schema
        self._columns = check(graph, schema)
        self._nodes = {name: _prepared(node, schema) for name, node in graph.in_order()}
        nothing = pl.DataFrame(schema=dict(schema.columns))
        self._nothing = _log_of(nothing, schema)
        self._types = staging.all_types(graph)
        self._read = staging.needed_columns(graph, self._nothing)
        self._latest = dict.fromkeys(graph.sources, NEVER)
        self._low, self._high = 2**60, NEVER
        self.counts = Counts()
        self._joins: dict[str, Partitions[JoinState]] = {}
        self._dedupes: dict[str, Partitions[DedupeState]] = {}
        self._windows: dict[str, list[Partitions[SituationState]]] = {}
        for name, node in self._nodes.items():
            self._remember(name, node)
        by_columns = [_is_by_columns(source.filter, schema) for source in graph.sources.values()]
        self._source_plan: Plan | None = None
        if all(by_columns):
            self._source_plan = Plan(lambda rows: [self._with_watermarks(rows, self._nothing)])
        self._plans = {name: self._plan_of(node) for name, node in self._nodes.items()}

    @property
    def types(self) -> list[str] | None:
        """The event types that some source takes; None: all."""
        return self._types

    @property
    def reads(self) -> list[str]:
        """The columns that are read of events."""
        return self._read

    @property
    def needs_payload(self) -> bool:
        """Whether some filter asks what only the payload itself can tell."""
        filters = [source.filter for source in self._graph.sources.values() if source.filter is not None]
        for node in self._nodes.values():
            if isinstance(node, FilterNode | TransformNode):
                values = node.filters.values() if isinstance(node, FilterNode) else node.columns.values()
                filters += [value for value in values if isinstance(value, Filter)]
        return not all(_is_by_columns(wanted, self._schema) for wanted in filters)

    def push(self, log: EventLog, read: int | None = None) -> Outputs:
        """Take the next events, in the order of `seq`; return what comes out of each port.

        Args:
            log: The events; those of types that no source takes may be missing.
            read: How many there were with those.
        """
        if read is not None:
            for name in self._graph.sources:
                self.counts.add(name, "", read=read - len(log))
        return self._walk(log, closing=False)

    def close(self) -> Outputs:
        """Take the end of the log: every window closes, nothing waits for a partner any more."""
        return self._walk(self._nothing, closing=True)

    @property
    def watermarks(self) -> dict[str, int | None]:
        """How far each source has come, in microseconds since 1970; None: it has said nothing."""
        return {name: None if now == NEVER else now for name, now in self._latest.items()}

    def sizes(self) -> pl.DataFrame:
        """Return what is remembered: columns `node` (String), `part` (String), `rows` (Int64)."""
        rows = [(name, part, sum(s.rows for s in states.states)) for name, part, states in self._states()]
        return pl.DataFrame(
            rows, schema={"node": pl.String, "part": pl.String, "rows": pl.Int64}, orient="row"
        )

    def dump(self) -> dict[tuple[str, str, str], pl.DataFrame]:
        """Return all that is remembered, by node, part and name."""
        frames = {
            (node, part, name): frame
            for node, part, states in self._states()
            for name, frame in states.dump().items()
        }
        marks = {"source": list(self._latest), "now": list(self._latest.values())}
        schema = {"source": pl.String, "now": pl.Int64}
        return {("", "", _WATERMARKS): pl.DataFrame(marks, schema=schema), **frames}

    def load(self, frames: Mapping[tuple[str, str, str], pl.DataFrame]) -> None:
        """Continue from what `dump` returned; the number of partitions may be another one."""
        for node, part, states in self._states():
            states.load({name: f for (n, p, name), f in frames.items() if (n, p) == (node, part)})
        self._latest |= dict(frames["", "", _WATERMARKS].rows())

    def _states(
        self,
    ) -> Iterator[
        tuple[str, str, Partitions[DedupeState] | Partitions[JoinState] | Partitions[SituationState]]
    ]:
        yield from ((name, "", states) for name, states in self._dedupes.items())
        yield from ((name, "", states) for name, states in self._joins.items())
        for name, parts in self._windows.items():
            node = self._nodes[name]
            assert isinstance(node, AggregatorNode)
            for situation, states in zip(situations_of(node), parts, strict=True):
                yield name, situation.label, states

    def _remember(self, name: str, node: Node) -> None:
        """Make the states of a node that has a memory."""
        if not isinstance(node, DedupeNode | JoinNode | AggregatorNode):
            return
        lateness, count = self._lateness(name), self._partitions(name)
        if isinstance(node, DedupeNode):
            self._dedupes[name] = Partitions(lambda: DedupeState(node, lateness), count)
            return
        columns = self._columns[Port(name, OUT)]
        if isinstance(node, JoinNode):
            self._joins[name] = Partitions(lambda: JoinState(node, columns, lateness), count)
            return
        behind_join = self._join_above(name) is not None
        self._windows[name] = [
            Partitions(
                lambda situation=situation: SituationState(  # type: ignore[misc]
                    node, situation, columns, lateness_us=lateness, never_late=behind_join
                ),
                count,
            )
            for situation in situations_of(node)
        ]

    def _lateness(self, name: str) -> int | None:
        """Return the lateness where each key has its own watermark, else None."""
        marks = [self._graph.sources[source].watermark for source in self._graph.sources_of(name)]
        by_key = any(mark.policy == "key" for mark in marks)
        return max(mark.allowed_lateness_us for mark in marks) if by_key else None

    def _partitions(self, name: str) -> int:
        return max(self._graph.sources[source].parallelism for source in self._graph.sources_of(name))

    def _join_above(self, name: str) -> JoinNode | None:
        above = comes_from(self._graph, self._input(name), (JoinNode,))
        node = self._graph.nodes[above] if above is not None else None
        return node if isinstance(node, JoinNode) else None

    def _input(self, name: str) -> Port:
        return next(iter(self._graph.inputs(name).values()))[0]

    # one micro-batch

    def _walk(self, log: EventLog, *, closing: bool) -> Outputs:
        out = self._sources(log)
        for name, node in self._nodes.items():
            if isinstance(node, SourceNode):
                continue
            frames = [out[ports[0]] for ports in self._graph.inputs(name).values()]
            if isinstance(node, JoinNode):
                found = self._join(name, node, frames[0], frames[1], closing=closing)
            elif isinstance(node, AggregatorNode):
                found = self._aggregate(name, node, frames[0], closing=closing)
            elif isinstance(node, DedupeNode):
                found = self._dedupe(name, node, frames[0])
            elif isinstance(node, SinkNode):
                found = {}
                self.counts.add(name, "", **{"in": len(frames[0])})
            else:
                found = self._stateless(name, node, frames[0], log)
            out |= {Port(name, output): frame for output, frame in found.items()}
        return out

    def _sources(self, log: EventLog) -> Outputs:
        """Return each source's rows with the watermarks at their arrival, and move these on."""
        rows = log.lazy if self._types is None else log.lazy.filter(pl.col(TYPE).is_in(self._types))
        frame = rows.select(self._read).collect(engine="in-memory")
        if self._source_plan is None:
            held = ENGINE.collect(self._with_watermarks(lazy(frame), log))
        else:
            held = self._source_plan.run(frame)[0]
        held = held.with_columns(
            pl.max_horizontal(watermark_column(number), pl.lit(now, pl.Int64)).alias(watermark_column(number))
            for number, now in enumerate(self._latest.values())
        )
        self._move_on(held)
        flags = [f"{_FLAG}{number}" for number in range(len(self._graph.sources))]
        out, read = {}, len(log)
        for flag, name in zip(flags, self._graph.sources, strict=True):
            mine = held.filter(flag).drop(flags)
            out[Port(name, OUT)] = mine
            self.counts.add(name, "", read=read, out=len(mine))
        return out

    def _with_watermarks(self, frame: Frame, log: EventLog) -> Frame:
        """Return rows with what says which source takes them, and each source's watermark so far."""
        for number, (name, source) in enumerate(self._graph.sources.items()):
            flag, mark = f"{_FLAG}{number}", watermark_column(number)
            frame = self._with_flag(frame, flag, name, source, log)
            seen = nw.col(TS) - source.watermark.allowed_lateness_us
            seen = nw.when(nw.col(flag)).then(seen).otherwise(nw.lit(NEVER, nw.Int64))
            frame = ENGINE.running_max(frame.with_columns(seen.alias(mark)), mark, mark)
        return frame

    def _with_flag(self, frame: Frame, flag: str, name: str, source: SourceNode, log: EventLog) -> Frame:
        takes = nw.lit(True)
        if source.filter is not None:
            frame = staging.condition(_ready(source.filter, log.schema), flag, frame, log, ENGINE)
            takes = nw.col(flag)
        if source.types is not None:
            takes = takes & nw.col(TYPE).is_in(source.types)
        return frame.with_columns(takes.alias(flag))

    def _move_on(self, held: pl.DataFrame) -> None:
        if held.is_empty():
            return
        for number, name in enumerate(self._graph.sources):
            self._latest[name] = int(held[watermark_column(number)][-1])
        self._low = min(self._low, int(held[TS].min()))  # type: ignore[arg-type]
        self._high = max(self._high, int(held[TS].max()))  # type: ignore[arg-type]

    def _span(self) -> Span:
        """Return the instants that occur, in whole steps: what is computed of it is kept."""
        if self._high == NEVER:
            return 0, 0
        lateness = max(source.watermark.allowed_lateness_us for source in self._graph.sources.values())
        return (self._low - lateness) // _SPAN_US * _SPAN_US, (self._high // _SPAN_US + 1) * _SPAN_US

    def _now(self, name: str) -> int:
        """Return the lowest watermark of the sources of a node."""
        return min(self._latest[source] for source in self._graph.sources_of(name))

    def _with_now(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the watermark at their arrival, where it is the same for all keys."""
        if self._lateness(name) is not None:
            return frame
        numbers = [list(self._graph.sources).index(source) for source in self._graph.sources_of(name)]
        return frame.with_columns(pl.min_horizontal(watermark_column(n) for n in numbers).alias(NOW))

    def _plan_of(self, node: Node) -> Plan | None:
        """Return a plan of a node that decides row by row, where columns tell it all."""
        if isinstance(node, FilterNode) and not any(isinstance(w, Filter) for w in node.filters.values()):
            return Plan(lambda rows: [self._flags(node, rows, self._nothing)])
        slow = (Filter, PythonColumn)
        if isinstance(node, TransformNode) and not any(isinstance(c, slow) for c in node.columns.values()):
            return Plan(lambda rows: [staging.transformed(node, rows, self._nothing, ENGINE)])
        return None

    def _stateless(self, name: str, node: Node, frame: pl.DataFrame, log: EventLog) -> Frames:
        plan = self._plans[name]
        if isinstance(node, FilterNode):
            marks = plan.run(frame)[0] if plan else ENGINE.collect(self._flags(node, lazy(frame), log))
            return self._split(name, node, frame, marks)
        assert isinstance(node, TransformNode)
        if plan is not None:
            return {OUT: plan.run(frame)[0]}
        return {OUT: ENGINE.collect(staging.transformed(node, lazy(frame), log, ENGINE))}

    def _flags(self, node: FilterNode, frame: Frame, log: EventLog) -> Frame:
        """Return a boolean column for each output of a filter but the last."""
        for output, wanted in node.filters.items():
            frame = staging.condition(wanted, f"__met_{output}", frame, log, ENGINE)
        return frame.select(**{output: nw.col(f"__met_{output}") for output in node.filters})

    def _split(self, name: str, node: FilterNode, frame: pl.DataFrame, marks: pl.DataFrame) -> Frames:
        rest, out = pl.Series([True]).new_from_index(0, len(frame)), {}
        for output in node.filters:
            met = marks[output]
            out[output] = frame.filter(met)
            self.counts.add(name, output, first=int((met & rest).sum()), rows=len(out[output]))
            rest = rest & ~met
        out[UNMATCHED] = frame.filter(rest)
        self.counts.add(name, "", **{"in": len(frame), UNMATCHED: len(out[UNMATCHED])})
        return out

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
        sides = [self._with_now(name, frame) for frame in (left, right)]
        lefts, rights = states.split(sides[0], node.left_key), states.split(sides[1], node.right_key)
        found = []
        for state, one, other in zip(states.states, lefts, rights, strict=True):
            found.append(state.push(one, other, self._now(name)))
            self._count_join(name, state)
            if closing:
                found[-1][OUT] = pl.concat([found[-1][OUT], state.close()[OUT]])
                self._count_join(name, state)
        pairs = sum(
            int((part[OUT]["left_seq"].is_not_null() & part[OUT]["right_seq"].is_not_null()).sum())
            for part in found
        )
        self.counts.add(name, "", pairs=pairs)
        return {output: _together(part[output] for part in found) for output in node.outputs}

    def _count_join(self, name: str, state: JoinState) -> None:
        for side in (LEFT, RIGHT):
            self.counts.add(name, side, **state.fates[side])

    def _aggregate(self, name: str, node: AggregatorNode, frame: pl.DataFrame, *, closing: bool) -> Frames:
        join = self._join_above(name)
        rows = frame if join is not None else self._with_now(name, frame)
        others = frame.columns
        situations = situations_of(node)
        planned, plans = [], []
        for situation, states in zip(situations, self._windows[name], strict=True):
            for state, part in zip(states.states, states.split(rows, situation.key), strict=True):
                if len(part):
                    planned.append((situation, state))
                    plans += state.plan(part, others, self._span())
        computed = collected(plans) if plans else []
        late = computed[::2]
        for (_, state), kept in zip(planned, computed[1::2], strict=True):
            state.absorb(kept)
        self._count_windows(name, situations, [s for s, _ in planned], late, len(rows))
        now = self._now(name)
        if join is not None:
            now = NEVER if self._lateness(name) is not None else max(now - join.window_us, NEVER)
        out = self._closed(name, None if closing else now)
        none = frame.select(others).clear()
        none = none.with_columns(pl.lit(None, dtype).alias(c) for c, dtype in _LATE_COLUMNS.items())
        return {OUT: out, LATE: pl.concat([none, *late])}

    def _closed(self, name: str, now: int | None) -> pl.DataFrame:
        """Return the windows that are over, of all situations of an aggregator."""
        leaving = [
            (state, plan)
            for states in self._windows[name]
            for state in states.states
            for plan in state.leave(now)
        ]
        found = collected([plan for _, plan in leaving]) if leaving else []
        rows = [state.published(frame) for (state, _), frame in zip(leaving, found, strict=True)]
        return pl.concat([pl.DataFrame(schema=self._columns[Port(name, OUT)]), *rows])

    def _count_windows(
        self,
        name: str,
        situations: list[Situation],
        planned: list[Situation],
        late: list[pl.DataFrame],
        rows: int,
    ) -> None:
        missed = dict.fromkeys((situation.label for situation in situations), 0)
        for situation, frame in zip(planned, late, strict=True):
            missed[situation.label] += int(frame[MISSED].sum())
        for situation in situations:
            into, count = rows * situation.window.panes, missed[situation.label]
            self.counts.add(name, situation.label, **{"in": into, "counted": into - count, LATE: count})


def visible(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows without the sources' watermarks."""
    return _visible(frame)


def _visible(frame: pl.DataFrame, *others: str) -> pl.DataFrame:
    return frame.select(c for c in frame.columns if not is_hidden(c) or c in others)


def _together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of all partitions in the order of arrival."""
    frames = list(parts)
    return frames[0] if len(frames) == 1 else pl.concat(frames).sort(SEQ, maintain_order=True)


def _prepared(node: Node, schema: LogSchema) -> Node:
    """Return a node whose filters are expressions wherever columns decide them, compiled once."""
    if isinstance(node, FilterNode):
        return FilterNode({name: _ready(wanted, schema) for name, wanted in node.filters.items()})
    if isinstance(node, TransformNode):
        return TransformNode({name: _column(column, schema) for name, column in node.columns.items()})
    return node


def _column(column: TransformColumn, schema: LogSchema) -> TransformColumn:
    if not isinstance(column, Filter):
        return column
    ready = _ready(column, schema)
    return nw.coalesce(ready, nw.lit(False)) if isinstance(ready, nw.Expr) else ready


def _is_by_columns(wanted: Filter | None, schema: LogSchema) -> bool:
    return wanted is None or isinstance(_ready(wanted, schema), nw.Expr)


def _ready(wanted: Filter | nw.Expr, schema: LogSchema) -> Filter | nw.Expr:
    if isinstance(wanted, nw.Expr):
        return wanted
    split = wanted.compile(schema)
    if split.residual is not None:
        return wanted
    return nw.lit(True) if split.expression is None else split.expression


def _log_of(frame: pl.DataFrame, schema: LogSchema) -> EventLog:
    report = ReadReport(files=(), read=len(frame), good=len(frame))
    return EventLog(frame.lazy(), schema=schema, report=report, payloads=FromColumns({}))
