"""Sources that live: which of them takes an event, and how far the time of each has come."""

from __future__ import annotations

from collections.abc import Iterable

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.filters.filter import Filter
from evanalytics.logs.engines import Frame
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.schema import TS, TYPE
from evanalytics.streams import staging
from evanalytics.streams.columns import watermark_column
from evanalytics.streams.graph import Graph
from evanalytics.streams.nodes import SourceNode
from evanalytics.streams.plan import ENGINE, Plan, lazy
from evanalytics.streams.row_steps import ready
from evanalytics.streams.state import Frames
from evanalytics.streams.watermark import NEVER
from evanalytics.streams.windows import Span

_FLAG = "__of_source"
_SPAN_US = 32 * 86_400_000_000
_MARKS = {"source": pl.String, "now": pl.Int64, "before": pl.Int64}


class SourceStates:
    """The sources of a graph, which all read one log.

    The watermark of a source moves on with every event that it takes, before any filter behind it
    and before rows are cut by key; so it depends on nothing but the order in which events arrived.

    Attributes:
        types: The event types that some source takes; None: all.
        reads: The columns of events that the graph reads.
        needs_payload: Whether some source's filter asks what only the payload itself can tell.
        latest: The watermark of each source.
        ahead: How many rows of the last frame were too far ahead for the watermark, by source; only
            for sources with a `max_jump`.
    """

    def __init__(self, graph: Graph, schema: LogSchema, nothing: EventLog) -> None:
        """Begin with sources that have said nothing; `nothing` is a log of the schema without events."""
        self._sources = graph.sources
        self.types = staging.all_types(graph)
        self.reads = staging.needed_columns(graph, nothing)
        self.latest = dict.fromkeys(self._sources, NEVER)
        self.ahead: dict[str, int] = {}
        self._before: dict[str, int | None] = dict.fromkeys(self._sources)
        filters = [source.filter for source in self._sources.values() if source.filter is not None]
        self.needs_payload = any(isinstance(ready(wanted, schema), Filter) for wanted in filters)
        self._plan = Plan(lambda rows: [self._with_watermarks(rows, nothing)])
        self._low, self._high = 2**60, NEVER

    def push(self, log: EventLog) -> Frames:
        """Return each source's rows with all watermarks at their arrival, and move these on."""
        rows = log.lazy if self.types is None else log.lazy.filter(pl.col(TYPE).is_in(self.types))
        frame = rows.select(self.reads).collect(engine="in-memory")
        frame = frame.with_columns(
            pl.lit(self._before[name], pl.Int64).alias(_before(number))
            for number, (name, source) in enumerate(self._sources.items())
            if source.watermark.max_jump is not None
        )
        if self.needs_payload:
            held = ENGINE.collect(self._with_watermarks(lazy(frame), log))
        else:
            (held,) = self._plan.run(frame)
        held = held.with_columns(
            pl.max_horizontal(watermark_column(number), pl.lit(now, pl.Int64)).alias(watermark_column(number))
            for number, now in enumerate(self.latest.values())
        )
        self._move_on(held)
        flags = [f"{_FLAG}{number}" for number in range(len(self._sources))]
        out = {
            name: (held if held[flag].all() else held.filter(flag)).drop(flags)
            for flag, name in zip(flags, self._sources, strict=True)
        }
        self._look_ahead(out)
        return out

    def now(self, sources: Iterable[str]) -> int:
        """Return the lowest watermark of some sources."""
        return min(self.latest[source] for source in sources)

    @property
    def span(self) -> Span:
        """The instants that occur, in whole steps, so that what is computed of it can be kept."""
        if self._high == NEVER:
            return 0, 0
        lateness = max(source.watermark.allowed_lateness_us for source in self._sources.values())
        return (self._low - lateness) // _SPAN_US * _SPAN_US, (self._high // _SPAN_US + 1) * _SPAN_US

    def dump(self) -> pl.DataFrame:
        """Return the watermarks: columns `source` (String), `now`, `before` (Int64; the last row's `ts`)."""
        columns = {"source": list(self.latest), "now": list(self.latest.values())}
        return pl.DataFrame(columns | {"before": list(self._before.values())}, schema=_MARKS)

    def load(self, frame: pl.DataFrame) -> None:
        """Continue with watermarks."""
        self.latest |= dict(frame.select("source", "now").rows())
        self._before |= dict(frame.select("source", "before").rows())

    def _with_watermarks(self, frame: Frame, log: EventLog) -> Frame:
        """Return rows with what says which source takes them, and each source's watermark so far."""
        for number, source in enumerate(self._sources.values()):
            flag, mark = f"{_FLAG}{number}", watermark_column(number)
            frame = self._with_flag(frame, flag, source, log)
            held = source.watermark.max_jump is not None
            before = _before(number) if held else None
            frame = staging.with_watermark(frame, source.watermark, mark, flag, ENGINE, before=before)
            frame = frame.drop(before) if before is not None else frame
        return frame

    def _with_flag(self, frame: Frame, flag: str, source: SourceNode, log: EventLog) -> Frame:
        takes = nw.lit(True)
        if source.filter is not None:
            frame = staging.condition(ready(source.filter, log.schema), flag, frame, log, ENGINE)
            takes = nw.col(flag)
        if source.types is not None:
            takes = takes & nw.col(TYPE).is_in(source.types)
        return frame.with_columns(takes.alias(flag))

    def _look_ahead(self, out: Frames) -> None:
        """Note each source's last row, and how many were ahead of their watermark."""
        for number, (name, source) in enumerate(self._sources.items()):
            if source.watermark.max_jump is not None and len(out[name]):
                self._before[name] = int(out[name][TS][-1])
                plan = nw.from_native(out[name]).select(source.watermark.ahead(watermark_column(number)))
                self.ahead[name] = int(plan.item())
            elif source.watermark.max_jump is not None:
                self.ahead[name] = 0

    def _move_on(self, held: pl.DataFrame) -> None:
        if held.is_empty():
            return
        for number, name in enumerate(self._sources):
            self.latest[name] = int(held[watermark_column(number)][-1])
        low, high = held.select(pl.col(TS).min().alias("low"), pl.col(TS).max().alias("high")).row(0)
        self._low, self._high = min(self._low, low), max(self._high, high)


def _before(source: int) -> str:
    """Return the column with the `ts` of a source's row before a frame."""
    return f"__before{source}"
