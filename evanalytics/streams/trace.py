"""Where an event went: node by node, and why it is not in a result."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.exceptions import StreamError
from evanalytics.logs.engines import Frame
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import ID, SEQ, TYPE
from evanalytics.streams.batch import BatchReplay
from evanalytics.streams.columns import LATE_FOR, LATE_KEY, LEFT, LEFT_SEQ, MISSED, RIGHT, RIGHT_SEQ
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode, JoinNode
from evanalytics.streams.nodes import (
    DUPLICATE,
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    FilterNode,
    Node,
    SourceNode,
)

_SCHEMA = {"seq": pl.Int64(), "node": pl.String(), "what": pl.String(), "detail": pl.String()}
Step = tuple[int, str, str, str]


def trace(graph: Graph, log: EventLog, replay: BatchReplay, event_id: str) -> pl.DataFrame:
    """Return what became of the events with an id: columns `seq`, `node`, `what`, `detail`.

    Args:
        graph: The graph that ran.
        log: The log.
        replay: The run.
        event_id: The id; if several events of the log have it, each is followed.

    Raises:
        StreamError: The log has no such event; says how many records were quarantined.
    """
    found = log.lazy.filter(pl.col(ID) == event_id).select(SEQ, TYPE).sort(SEQ).collect()
    if found.is_empty():
        aside = log.report.quarantined
        hint = f"; {aside:,} records could not be read and are in {log.report.quarantine}" if aside else ""
        raise StreamError(f"trace: the log has no event {event_id!r}{hint}")
    tracer = _Tracer(graph, replay)
    steps: list[Step] = []
    for seq, kind in found.iter_rows():
        steps.append((seq, "(log)", "read", f"type {kind}, row {seq}"))
        steps += tracer.follow(seq, kind)
    return pl.DataFrame(steps, schema=_SCHEMA, orient="row")


class _Tracer:
    """Asks every output of a run for one row."""

    def __init__(self, graph: Graph, replay: BatchReplay) -> None:
        self._graph, self._replay = graph, replay

    def follow(self, seq: int, kind: str) -> list[Step]:
        steps: list[Step] = []
        for name, node in self._graph.in_order():
            if isinstance(node, SourceNode):
                taken = not self._rows(Port(name, OUT), seq).is_empty()
                wanted = "all types" if node.types is None else f"the types {', '.join(node.types)}"
                why = "" if taken else f"{kind!r} is not wanted: it takes {wanted}"
                why += "" if taken or node.filter is None else f" that meet {node.filter}"
                steps.append((seq, name, "taken" if taken else "not taken", why))
            elif self._arrives(name, seq):
                steps += [(seq, name, what, detail) for what, detail in self._at(name, node, seq)]
        return steps

    def _arrives(self, name: str, seq: int) -> bool:
        ports = [port for found in self._graph.inputs(name).values() for port in found]
        return any(not self._rows(port, seq).is_empty() for port in ports)

    def _at(self, name: str, node: Node, seq: int) -> list[tuple[str, str]]:
        if isinstance(node, FilterNode):
            hits = [o for o in node.outputs if not self._rows(Port(name, o), seq).is_empty()]
            return [("goes to", ", ".join(hits))]
        if isinstance(node, DedupeNode):
            again = not self._rows(Port(name, DUPLICATE), seq).is_empty()
            return [("duplicate", "an earlier row has the same key") if again else ("passes", "")]
        if isinstance(node, JoinNode):
            return self._at_join(name, node, seq)
        if isinstance(node, AggregatorNode):
            return self._at_aggregator(name, node, seq)
        return [("reaches the sink", "")] if not node.outputs else [("made into a row", "")]

    def _at_join(self, name: str, node: JoinNode, seq: int) -> list[tuple[str, str]]:
        out = []
        sides = ((LEFT, LEFT_SEQ, RIGHT_SEQ, LATE_LEFT), (RIGHT, RIGHT_SEQ, LEFT_SEQ, LATE_RIGHT))
        for side, own, other, late in sides:
            if self._rows(self._graph.inputs(name)[side][0], seq).is_empty():
                continue
            pairs = self._rows(Port(name, OUT), seq, own)
            partners = pairs[other].drop_nulls().sort().to_list() if not pairs.is_empty() else []
            if partners:
                shown = ", ".join(map(str, partners[:10])) + (", ..." if len(partners) > 10 else "")
                out.append((f"joined as {side}", f"with row {shown}"))
            elif not self._rows(Port(name, late), seq).is_empty():
                out.append((f"late as {side}", "the watermark had passed its time plus the join window"))
            else:
                out.append((f"alone as {side}", self._why_alone(name, node, side, seq)))
        return out

    def _why_alone(self, name: str, node: JoinNode, side: str, seq: int) -> str:
        row = self._rows(self._graph.inputs(name)[side][0], seq)
        key = node.left_key if side == LEFT else node.right_key
        null = [column for column in key if row[column].null_count()]
        if null:
            return f"{', '.join(null)} is null, which matches nothing"
        if self._replay.frame(Port(name, OUT)) is None:
            return "or joined: the pairs were not kept"
        return "no row of the other side has its key within the join window"

    def _at_aggregator(self, name: str, node: AggregatorNode, seq: int) -> list[tuple[str, str]]:
        late = self._rows(Port(name, LATE), seq)
        missed = (
            {(r[LATE_FOR], r[LATE_KEY]): r[MISSED] for r in late.iter_rows(named=True)} if len(late) else {}
        )
        panes = {window.label: window.panes for window in node.windows}
        out = [("late", f"for {n} of {panes[w]} windows {w} by {k}") for (w, k), n in missed.items()]
        in_time = [w for w in panes if all(n < panes[w] for (m, _), n in missed.items() if m == w)]
        return [*out, *([("counted", f"in windows {', '.join(in_time)}")] if in_time else [])]

    def _rows(self, port: Port, seq: int, *columns: str) -> pl.DataFrame:
        """Return the rows that an event is in: by these columns, or as itself and as either of a pair."""
        frame: Frame | None = self._replay.frame(port)
        known = () if frame is None else frame.collect_schema()
        own = [column for column in columns or (SEQ, LEFT_SEQ, RIGHT_SEQ) if column in known]
        if frame is None or not own:
            return pl.DataFrame()
        is_in = nw.any_horizontal(*(nw.col(column) == seq for column in own), ignore_nulls=True)
        return self._replay.context.engine.collect(frame.filter(is_in))
