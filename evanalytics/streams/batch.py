"""A graph over a whole log as one staged plan: read once, split, group, join; every row accounted for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import aggregation, joining
from evanalytics.streams.aggregation import LAST, NOW, PANE, Situation
from evanalytics.streams.checks import Schemas, comes_from
from evanalytics.streams.columns import LEFT, RIGHT, is_hidden, side_column, watermark_column
from evanalytics.streams.counts import Counts
from evanalytics.streams.graph import Edge, Graph, Port
from evanalytics.streams.nodes import (
    DUPLICATE,
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    UNMATCHED,
    AggregatorNode,
    DedupeNode,
    FilterNode,
    JoinNode,
    Key,
    Node,
    SinkNode,
    SourceNode,
    TransformNode,
)
from evanalytics.streams.sinks import SinkFeed
from evanalytics.streams.staging import Staged, condition, stage, transformed
from evanalytics.streams.windows import SessionWindow

_CHUNK = 65_536


class BatchReplay:
    """One run of a graph over a log.

    Attributes:
        ports: The rows of each output, held or lazy.
        counts: What became of the rows, node by node.
        seconds: How long each node took.
        notes: What was decided on the way, by node.
    """

    def __init__(
        self, graph: Graph, log: EventLog, engine: FrameEngine, schemas: Schemas, *, keep: bool, close: bool
    ) -> None:
        """Take the graph, checked, and the log."""
        self._graph, self._log, self._engine, self._schemas = graph, log, engine, schemas
        self._keep, self._close = keep, close
        self.ports: dict[Port, Callable[[], Frame]] = {}
        self.counts = Counts()
        self.seconds: dict[str, float] = defaultdict(float)
        self.notes: dict[str, str] = {}
        self._feeds: dict[str, SinkFeed] = {}
        self._staged: Staged

    def run(self, *, sinks: bool) -> None:
        """Run every node once; hand rows to the sinks only if told so."""
        begin = time.perf_counter()
        self._staged = stage(self._graph, self._log, self._engine)
        self.seconds["(reading)"] = time.perf_counter() - begin
        if sinks:
            self._feeds = {name: self._feed(name, node) for name, node in _sinks(self._graph)}
        for name, node in self._graph.in_order():
            begin = time.perf_counter()
            self._visit(name, node)
            self.seconds[name] += time.perf_counter() - begin
        for feed in self._feeds.values():
            feed.finish()

    def frame(self, port: Port) -> Frame | None:
        """Return the rows of an output; None if they were not kept."""
        return self.ports[port]() if port in self.ports else None

    def _visit(self, name: str, node: Node) -> None:
        if isinstance(node, SourceNode):
            self._source(name)
            return
        ports = [found[0] for found in self._graph.inputs(name).values()]
        if any(port not in self.ports for port in ports):
            return  # its rows came by already, slice by slice
        frames = [self.ports[port]() for port in ports]
        if isinstance(node, JoinNode):
            self._join(name, node, frames[0], frames[1])
        elif isinstance(node, AggregatorNode):
            self._aggregate(name, node, frames[0])
        elif isinstance(node, DedupeNode):
            self._dedupe(name, node, frames[0])
        elif isinstance(node, SinkNode):
            self._sink(name, frames[0])
        else:
            for output, frame in self._stateless(name, node, frames[0]).items():
                self._put(name, output, frame)

    def _put(self, name: str, output: str, frame: Frame) -> None:
        self.ports[Port(name, output)] = lambda: frame

    def _source(self, name: str) -> None:
        frame = self._staged.sources[name]
        self.counts.add(name, "", read=self._staged.rows[0], out=self._rows(frame))
        self._put(name, OUT, frame)

    def _rows(self, frame: Frame) -> int:
        return int(self._engine.collect(frame.select(nw.len())).item())

    # rows one by one: filters, transforms

    def _stateless(self, name: str, node: Node, frame: Frame) -> dict[str, Frame]:
        if isinstance(node, TransformNode):
            return {OUT: transformed(node, frame, self._log, self._engine)}
        assert isinstance(node, FilterNode)
        flags = {output: f"__filter{i}" for i, output in enumerate(node.filters)}
        for output, wanted in node.filters.items():
            frame = condition(wanted, flags[output], frame, self._log, self._engine)
        if self._engine.name == "polars":
            frame = self._engine.hold(frame)
        self._count_filter(name, flags, frame)
        none = ~nw.any_horizontal(*(nw.col(flag) for flag in flags.values()), ignore_nulls=True)
        chosen = {output: nw.col(flag) for output, flag in flags.items()} | {UNMATCHED: none}
        return {output: frame.filter(flag).drop(*flags.values()) for output, flag in chosen.items()}

    def _count_filter(self, name: str, flags: dict[str, str], frame: Frame) -> None:
        seen = self._engine.collect(frame.group_by(*flags.values()).agg(n=nw.len().cast(nw.Int64)))
        rest = pl.lit(True)
        for output, flag in flags.items():
            met = pl.col(flag)
            first, rows = (int(seen.filter(which)["n"].sum()) for which in (rest & met, met))
            self.counts.add(name, output, first=first, rows=rows)
            rest = rest & ~met
        self.counts.add(
            name, "", **{"in": int(seen["n"].sum()), UNMATCHED: int(seen.filter(rest)["n"].sum())}
        )

    # rows with a memory

    def _now(self, name: str, frame: Frame, key: Key) -> Frame:
        """Return a frame with the watermark at each row's arrival, as a node with this key counts it."""
        sources = self._graph.sources_of(name)
        policies = {self._graph.sources[source].watermark.policy for source in sources}
        if "key" in policies:
            lateness = max(self._graph.sources[s].watermark.allowed_lateness_us for s in sources)
            frame = self._engine.running_max(frame, TS, NOW, key)
            return frame.with_columns((nw.col(NOW) - lateness).alias(NOW))
        numbers = [list(self._graph.sources).index(source) for source in sources]
        columns = [nw.col(watermark_column(number)) for number in numbers]
        now = columns[0] if len(columns) == 1 else nw.min_horizontal(*columns)
        return frame.with_columns(now.alias(NOW))

    def _by_key(self, name: str) -> bool:
        sources = self._graph.sources_of(name)
        return any(self._graph.sources[source].watermark.policy == "key" for source in sources)

    def _dedupe(self, name: str, node: DedupeNode, frame: Frame) -> None:
        key, before = node.key, nw.col("__before")
        has_null = nw.any_horizontal(*(nw.col(c).is_null() for c in key), ignore_nulls=False)
        if node.within_us is None:
            frame = frame.with_columns((nw.col(SEQ).min().over(*key) < nw.col(SEQ)).alias("__again"))
        else:
            previous = nw.col(TS).shift(1).over(*key, order_by=SEQ)
            frame = self._now(name, frame.with_columns(previous.alias("__before")), key)
            frame = self._engine.running_max(frame, "__before", "__before", key)
            known = before + node.within_us >= nw.col(NOW)
            frame = frame.with_columns(nw.coalesce(known, nw.lit(False)).alias("__again")).drop(
                "__before", NOW
            )
        frame = self._engine.hold(frame.with_columns((nw.col("__again") & ~has_null).alias("__again")))
        passed = frame.filter(~nw.col("__again")).drop("__again")
        again = frame.filter(nw.col("__again")).drop("__again")
        self._put(name, OUT, passed)
        self._put(name, DUPLICATE, again)
        rows, twice = self._rows(frame), self._rows(again)
        self.counts.add(name, "", **{"in": rows, "out": rows - twice, DUPLICATE: twice})

    # joins

    def _join(self, name: str, node: JoinNode, left: Frame, right: Frame) -> None:
        sides = self._sides(name, node, left, right)
        candidates = joining.Sides(joining.can_match(sides.left), joining.can_match(sides.right))
        pairs, rows = joining.estimated_pairs(candidates, node, self._engine)
        hot = joining.is_hot(pairs, rows)
        self.notes[name] = f"about {pairs:,} equal keys among {rows:,} rows: " + (
            "joined on time buckets, slice by slice" if hot else "one join"
        )
        parts = self._hot_pairs(candidates, node) if hot else iter([self._pairs(candidates, node)])
        edges = self._graph.consumers(Port(name, OUT))
        if hot and not self._keep and self._only_sinks(edges):
            matched = self._push_pairs(name, node, parts, edges)
        else:
            matched = self._keep_pairs(name, node, parts)
        self._close_join(name, node, sides, matched)

    def _sides(self, name: str, node: JoinNode, left: Frame, right: Frame) -> joining.Sides:
        if self._by_key(name):
            left, right = self._now_of_both(name, node, left, right)
        else:
            left, right = self._now(name, left, node.left_key), self._now(name, right, node.right_key)
        held = [
            self._engine.hold(joining.classified(_visible(frame, NOW), key, node.window_us))
            for frame, key in ((left, node.left_key), (right, node.right_key))
        ]
        return joining.Sides(held[0], held[1])

    def _now_of_both(self, name: str, node: JoinNode, left: Frame, right: Frame) -> tuple[Frame, Frame]:
        """Return both sides with each key's own watermark, for which the rows of both sides count."""
        keys = [f"__key{i}" for i in range(len(node.left_key))]
        both = nw.concat(
            [
                frame.select(
                    SEQ,
                    TS,
                    nw.lit(side).alias("__side"),
                    *(nw.col(c).alias(k) for c, k in zip(key, keys, strict=True)),
                )
                for side, frame, key in ((0, left, node.left_key), (1, right, node.right_key))
            ]
        )
        both = self._engine.hold(self._now(name, both.sort(SEQ), tuple(keys)))
        out = []
        for side, frame in ((0, left), (1, right)):
            now = both.filter(nw.col("__side") == side).select(nw.col(SEQ).alias("__at"), NOW)
            out.append(frame.join(now, left_on=SEQ, right_on="__at", how="left"))
        return out[0], out[1]

    def _pairs(self, sides: joining.Sides, node: JoinNode) -> Frame:
        pairs = joining.pairs_of(sides.left, sides.right, node, self._engine)
        return self._engine.hold(joining.select_columns(pairs, node))

    def _hot_pairs(self, sides: joining.Sides, node: JoinNode) -> Iterator[Frame]:
        for left, right in joining.slices(sides, node, self._engine):
            pairs = joining.bucketed_pairs(left, right, node, self._engine)
            yield self._engine.hold(joining.select_columns(pairs, node))

    def _keep_pairs(self, name: str, node: JoinNode, parts: Iterable[Frame]) -> Frame:
        frames = list(parts)
        if not frames:
            empty = self._pairs_schema(name)
            frames = [self._engine.load(empty)]
        pairs = frames[0] if len(frames) == 1 else nw.concat(frames)
        self._put(name, OUT, pairs)
        self.counts.add(name, "", pairs=self._rows(pairs))
        return pairs.select(left_seq="left_seq", right_seq="right_seq")

    def _pairs_schema(self, name: str) -> pl.DataFrame:
        return pl.DataFrame(schema=self._schemas[Port(name, OUT)])

    def _push_pairs(self, name: str, node: JoinNode, parts: Iterable[Frame], edges: list[Edge]) -> Frame:
        """Hand pairs on slice by slice and forget them; return the `seq`s of those that matched."""
        total, seen = 0, [pl.DataFrame(schema={"left_seq": pl.Int64, "right_seq": pl.Int64})]
        for part in parts:
            frame = self._engine.collect(part)
            total += len(frame)
            for side in ("left_seq", "right_seq"):
                other = pl.lit(None, pl.Int64)
                seqs = frame.select(pl.col(side).unique())
                columns = {"left_seq": other, "right_seq": other} | {side: pl.col(side)}
                seen.append(seqs.select(**columns))
            self._push(edges, self._engine.load(frame))
        self.counts.add(name, "", pairs=total)
        return self._engine.load(pl.concat(seen))

    def _push(self, edges: Iterable[Edge], frame: Frame) -> None:
        for edge in edges:
            node = self._graph.nodes[edge.node]
            if isinstance(node, SinkNode):
                self._sink(edge.node, frame)
                continue
            for output, out in self._stateless(edge.node, node, frame).items():
                self._push(self._graph.consumers(Port(edge.node, output)), out)

    def _only_sinks(self, edges: list[Edge]) -> bool:
        """Return whether rows that go along these edges meet nothing with a memory."""
        if not all(
            isinstance(self._graph.nodes[e.node], SinkNode | FilterNode | TransformNode) for e in edges
        ):
            return False
        further = [
            e
            for edge in edges
            for o in self._graph.nodes[edge.node].outputs
            for e in self._graph.consumers(Port(edge.node, o))
        ]
        return self._only_sinks(further) if further else True

    def _close_join(self, name: str, node: JoinNode, sides: joining.Sides, matched: Frame) -> None:
        lone = []
        for side, frame, late in ((LEFT, sides.left, LATE_LEFT), (RIGHT, sides.right, LATE_RIGHT)):
            found = matched.select(nw.col(f"{side}_seq").alias(SEQ)).filter(~nw.col(SEQ).is_null()).unique()
            marks = (joining.NULL_KEY, joining.IS_LATE)
            figures = frame.select(
                nw.len().cast(nw.Int64),
                *(nw.col(mark).cast(nw.Int64).sum().cast(nw.Int64).alias(mark) for mark in marks),
            )
            rows, nulls, too_late = (int(v or 0) for v in self._engine.collect(figures).row(0))
            hits = self._rows(found)
            fates = {"matched": hits, "null key": nulls, LATE: too_late}
            self.counts.add(name, side, **{"in": rows, **fates, UNMATCHED: rows - sum(fates.values())})
            self._put(name, late, frame.filter(nw.col(joining.IS_LATE)).drop(*marks, NOW))
            if not node.output_complete:
                lone.append(self._lone(side, frame, found))
        if lone and Port(name, OUT) in self.ports:
            self._add_lone(name, node, sides, lone)

    def _lone(self, side: str, frame: Frame, found: Frame) -> Frame:
        alone = joining.can_match(frame).join(found, on=SEQ, how="anti")
        if not self._close:
            latest = self._engine.collect(frame.select(nw.col(NOW).max())).item()
            alone = alone.filter(nw.lit(False)) if latest is None else alone
        return alone

    def _add_lone(self, name: str, node: JoinNode, sides: joining.Sides, lone: list[Frame]) -> None:
        frames = [self.ports[Port(name, OUT)]()]
        for side, alone in zip((LEFT, RIGHT), lone, strict=True):
            other = sides.right if side == LEFT else sides.left
            absent = RIGHT if side == LEFT else LEFT
            schema = other.collect_schema()
            nulls = [
                (side_column(absent, c), nw.lit(None, dtype))
                for c, dtype in schema.items()
                if c not in (joining.NULL_KEY, joining.IS_LATE)
            ]
            frames.append(joining.select_columns(joining.lone_rows(alone, side, nulls), node))
        order = list(frames[0].collect_schema())
        self._put(name, OUT, self._engine.hold(nw.concat([frame.select(*order) for frame in frames])))

    # windows

    def _aggregate(self, name: str, node: AggregatorNode, frame: Frame) -> None:
        never_late = comes_from(self._graph, _input(self._graph, name), (JoinNode,)) is not None
        held = self._aggregator_input(name, node, frame, never_late=never_late)
        rows = self._rows(held)
        outputs = []
        for situation in aggregation.situations(node):
            lagged = self._lagged(name, held, situation, never_late=never_late)
            missed = int(self._engine.collect(lagged.select(aggregation.missed(lagged))).item() or 0)
            outputs.append(self._windows_of(name, node, situation, lagged))
            panes = situation.window.panes
            self.counts.add(
                name, situation.label, **{"in": rows * panes, "counted": rows * panes - missed, LATE: missed}
            )
        table = self._engine.load(pl.concat(outputs))
        self._put(name, OUT, table)
        self.ports[Port(name, LATE)] = partial(self._late, name, node, frame, never_late)

    def _aggregator_input(self, name: str, node: AggregatorNode, frame: Frame, *, never_late: bool) -> Frame:
        if not never_late and not self._by_key(name):
            frame = self._now(name, frame, ())
        columns = [SEQ, TS, *node.key_columns, *node.read_columns]
        columns += [NOW] if NOW in frame.collect_schema() else []
        schema = frame.collect_schema()
        floats = [c for c in node.read_columns if schema[c].is_float()]
        frame = frame.select(*dict.fromkeys(columns))
        return self._engine.hold(
            frame.with_columns(nw.col(c).fill_nan(None) for c in floats) if floats else frame
        )

    def _lagged(self, name: str, held: Frame, situation: Situation, *, never_late: bool) -> Frame:
        if never_late:
            return aggregation.without_lag(held, situation.window, self._staged.span)
        if self._by_key(name):
            held = self._now(name, held, situation.key)
        return aggregation.with_lag(held, situation.window, self._staged.span)

    def _windows_of(
        self, name: str, node: AggregatorNode, situation: Situation, lagged: Frame
    ) -> pl.DataFrame:
        window, key = situation.window, situation.key
        taken = aggregation.in_time(lagged, window)
        if isinstance(window, SessionWindow):
            rows = self._engine.collect(aggregation.sessions_of(taken, node, window, key))
        else:
            rows = self._engine.collect(aggregation.figures_of(taken, node, window, key))
        if not self._close:
            rows = self._closed(rows, lagged, situation, by_key=self._by_key(name))
        return aggregation.published(rows, node, window, key, self._schemas[Port(name, OUT)])

    def _closed(
        self, rows: pl.DataFrame, lagged: Frame, situation: Situation, *, by_key: bool
    ) -> pl.DataFrame:
        """Return the windows that the watermark has passed at the end of the log."""
        window, key = situation.window, list(situation.key)
        if isinstance(window, SessionWindow):
            end = rows[LAST] + 2 * window.gap_us
        else:
            end = pl.Series([window.end_us(pane) for pane in rows[PANE]], dtype=pl.Int64)
        if NOW not in lagged.collect_schema():
            return rows.clear()
        if by_key and key:
            latest = self._engine.collect(lagged.group_by(*key).agg(nw.col(NOW).max()))
            rows = rows.with_columns(end.alias("__end")).join(latest, on=key, how="left", nulls_equal=True)
            return rows.filter(pl.col("__end") <= pl.col(NOW)).drop("__end", NOW)
        last = self._engine.collect(lagged.select(nw.col(NOW).max())).item()
        return rows.filter(end <= last) if last is not None else rows.clear()

    def _late(self, name: str, node: AggregatorNode, frame: Frame, never_late: bool) -> Frame:
        columns = [c for c in frame.collect_schema() if not is_hidden(c) and c != NOW]
        if not never_late and not self._by_key(name):
            frame = self._now(name, frame, ())
        parts = []
        for situation in aggregation.situations(node):
            lagged = self._lagged(name, frame, situation, never_late=never_late)
            parts.append(aggregation.late_rows(lagged, situation.window, situation.key, columns))
        return nw.concat(parts)

    # sinks

    def _feed(self, name: str, node: SinkNode) -> SinkFeed:
        above = comes_from(self._graph, _input(self._graph, name), (AggregatorNode,))
        windows = self._graph.nodes[above] if above is not None else None
        keys = windows.key_columns if isinstance(windows, AggregatorNode) else ()
        return SinkFeed(f"{self._graph.name}/{name}", node, keys)

    def _sink(self, name: str, frame: Frame) -> None:
        feed = self._feeds.get(name)
        if feed is None:
            self.counts.add(name, "", **{"in": self._rows(frame)})
            return
        rows = 0
        for batch in self._engine.batches(_visible(frame), _CHUNK):
            feed.add(batch)
            rows += len(batch)
        self.counts.add(name, "", **{"in": rows})


def _input(graph: Graph, name: str) -> Port:
    return next(iter(graph.inputs(name).values()))[0]


def _sinks(graph: Graph) -> Iterator[tuple[str, SinkNode]]:
    return ((name, node) for name, node in graph.nodes.items() if isinstance(node, SinkNode))


def _visible(frame: Frame, *others: str) -> Frame:
    """Return a frame without the sources' watermarks."""
    return frame.select(*(c for c in frame.collect_schema() if not is_hidden(c) or c in others))
