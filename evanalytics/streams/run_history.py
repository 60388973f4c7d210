"""A live run over time: looked at now and then, readable as frames, in bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from evanalytics.clock import Clock, SystemClock
from evanalytics.streams.graph import Graph
from evanalytics.streams.live import LiveRun
from evanalytics.streams.memory_nodes import JoinNode
from evanalytics.streams.nodes import LATE, SinkNode, SourceNode
from evanalytics.streams.picture import rows_into
from evanalytics.tuning.live_metrics import LiveMetrics

PUBLISHER = "publisher"
"""What the publisher is called among the queues, latencies and nodes of a run."""

_KEPT = 120
_RATE_NS = 1_000_000_000
_NODES = {
    "node": pl.String, "kind": pl.String, "rows": pl.Int64, "beside": pl.Int64, "rows_per_s": pl.Float64,
    "waiting": pl.Int64, "late": pl.Int64, "retries": pl.Int64,
}  # fmt: skip
_NO_COUNTS = pl.DataFrame(schema={"node": pl.String, "part": pl.String, "what": pl.String, "rows": pl.Int64})


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen at one moment."""

    at_ns: int
    rows: Mapping[str, int]
    held: Mapping[str, int]


class RunHistory:
    """What the nodes of a run have taken, how fast, and what waits, over the last looks at it.

    A look costs well under a millisecond and needs nothing of the run but what it counts anyway.
    """

    def __init__(
        self,
        graph: Graph,
        run: LiveRun | None = None,
        *,
        publishing: LiveMetrics | None = None,
        beside: pl.DataFrame | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take a first look.

        Args:
            graph: What runs.
            run: Its run; None: it has not begun, all is zero.
            publishing: The metrics of the publisher that feeds it.
            beside: The counts of another run of the same graph, to compare with.
            clock: Where time comes from; the system's by default.
        """
        self._graph, self._run, self._publishing = graph, run, publishing
        self._beside = {} if beside is None else rows_into(graph, beside)
        self._clock = clock or SystemClock()
        self._start_ns = self._clock.monotonic_ns()
        self._counts = _NO_COUNTS
        self._looks: deque[_Look] = deque(maxlen=_KEPT)
        self.look()

    def look(self) -> None:
        """Note how far the run is now."""
        self._counts = _NO_COUNTS if self._run is None else self._run.counts
        rows, held = rows_into(self._graph, self._counts), dict.fromkeys(self._queue_names(), 0)
        if self._run is not None:
            held |= dict(self._run.queues().rows())
        if self._publishing is not None:
            totals = self._publishing.totals()
            rows[PUBLISHER] = totals["delivered"]
            held[PUBLISHER] = totals["accepted"] - totals["delivered"] - totals["handed_back"]
        self._looks.append(_Look(self._clock.monotonic_ns() - self._start_ns, rows, held))

    @property
    def seconds(self) -> float:
        """How long after the first look the last one was."""
        return self._looks[-1].at_ns / 1e9

    def nodes(self) -> pl.DataFrame:
        """Return how far each node is, in the order in which rows pass them; a publisher comes first.

        Columns: node, kind (String); rows (Int64, what it has taken; a source: what it has given); beside
        (Int64, the same in the other run, null without one); rows_per_s (Float64, over the last second);
        waiting (Int64, rows before it; before a source: events that all sources share; null where
        nothing waits); late (Int64: of a join both sides', of an aggregator those of the window and key
        with most); retries (Int64, null where nothing is tried again).
        """
        last, rates = self._looks[-1], self._rates(len(self._looks) - 1)
        late, retries = self._late(), self._retries()
        kinds = {name: node.kind for name, node in self._graph.in_order()}
        if self._publishing is not None:
            kinds = {PUBLISHER: PUBLISHER, **kinds}
        rows = [
            (name, kind, last.rows[name], self._beside.get(name), rates[name], self._waiting(name),
             late.get(name), retries.get(name))
            for name, kind in kinds.items()
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=_NODES, orient="row")

    def rates(self) -> pl.DataFrame:
        """Return columns at_s (Float64, since the first look), node (String), rows_per_s (Float64).

        Each rate is over the second before, or a little longer where looks are rare.
        """
        rows = [
            (look.at_ns / 1e9, name, rate)
            for place, look in enumerate(self._looks)
            for name, rate in self._rates(place).items()
        ]
        schema = {"at_s": pl.Float64, "node": pl.String, "rows_per_s": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def queues(self) -> pl.DataFrame:
        """Return columns at_s (Float64, since the first look), queue (String), rows (Int64, waiting then).

        The queues are "events" (before the graph), the sinks, and "publisher".
        """
        rows = [(look.at_ns / 1e9, name, held) for look in self._looks for name, held in look.held.items()]
        schema = {"at_s": pl.Float64, "queue": pl.String, "rows": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def latencies(self) -> pl.DataFrame:
        """Return what took how long: columns what (String), below_ms, times (Int64), share (Float64).

        What is timed: "micro-batch", the sinks' batches, and "publisher" (events, from queued to delivered).
        Bins are the doublings of a millisecond; the share is of all times of the same thing.
        """
        frames = [] if self._run is None else [self._run.metrics.latencies()]
        if self._publishing is not None:
            frames.append(_by_doubling(self._publishing.latency()))
        schema = {"what": pl.String, "below_ms": pl.Int64, "times": pl.Int64}
        found = pl.concat([pl.DataFrame(schema=schema), *frames])
        return found.with_columns((pl.col("times") / pl.col("times").sum().over("what")).alias("share"))

    def _queue_names(self) -> list[str]:
        sinks = [name for name, node in self._graph.nodes.items() if isinstance(node, SinkNode)]
        return ["events", *sinks, *([PUBLISHER] if self._publishing is not None else [])]

    def _rates(self, place: int) -> dict[str, float]:
        """Return rows per second of each node, over the second before a look, or longer if looks are rare."""
        last, first = self._looks[place], self._looks[0]
        for before in range(place):
            if self._looks[before].at_ns > last.at_ns - _RATE_NS:
                break
            first = self._looks[before]
        passed_s = (last.at_ns - first.at_ns) / 1e9
        return {
            name: (rows - first.rows[name]) / passed_s if passed_s else 0.0
            for name, rows in last.rows.items()
        }

    def _waiting(self, name: str) -> int | None:
        is_source = isinstance(self._graph.nodes.get(name), SourceNode)
        return self._looks[-1].held.get("events" if is_source else name)

    def _late(self) -> dict[str, int]:
        late = self._counts.filter(pl.col("what") == LATE).group_by("node")
        found = late.agg(pl.col("rows").sum().alias("both"), pl.col("rows").max().alias("most"))
        return {
            name: both if isinstance(self._graph.nodes[name], JoinNode) else most
            for name, both, most in found.iter_rows()
        }

    def _retries(self) -> dict[str, int]:
        found: Counter[str] = Counter() if self._run is None else self._run.metrics.retries
        sinks = [name for name, node in self._graph.nodes.items() if isinstance(node, SinkNode)]
        retries = {name: found[name] for name in sinks}
        if self._publishing is not None:
            retries[PUBLISHER] = self._publishing.totals()["retries"]
        return retries


def _by_doubling(latency: pl.DataFrame) -> pl.DataFrame:
    """Return a publisher's latencies in the bins of a run's."""
    times: Counter[int] = Counter()
    for up_to_ms, events in latency.iter_rows():
        times[1 << int(up_to_ms).bit_length()] += events
    rows = [(PUBLISHER, below_ms, count) for below_ms, count in sorted(times.items())]
    return pl.DataFrame(
        rows, schema={"what": pl.String, "below_ms": pl.Int64, "times": pl.Int64}, orient="row"
    )
