"""Events, or pieces of a log, as the small logs that a graph's state takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import polars as pl

from evanalytics.event import Event
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.report import ReadReport
from evanalytics.logs.schema import PAYLOAD, SEQ
from evanalytics.logs.typed_events import EventColumns, Refused
from evanalytics.streams.feeds import Offset
from evanalytics.streams.graph_state import GraphState

_FILTERED = ("FILTER", "SELECTION")
"""One of these is in the plan of a log of which only some events are wanted."""

_AT_ONCE = 100_000
"""About so many rows are read at once: 10,000 of them take 3 ms so, and 10 ms by themselves."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Some events in a row.

    Attributes:
        log: Those that some source may take.
        read: How many there were.
        offset: How far the source has been read with them.
        refused: Those that do not fit the schema.
    """

    log: EventLog
    read: int
    offset: Offset
    refused: Refused


class EventBatches:
    """Makes micro-batches of events."""

    def __init__(self, state: GraphState, schema: LogSchema) -> None:
        """Type no more columns than the graph reads, unless it asks for payloads as well.

        Raises:
            ColumnError: A column that is read has a dtype that JSON has no type for.
        """
        self._types = None if state.types is None else frozenset(state.types)
        self._columns = EventColumns(schema, None if state.needs_payload else state.reads)
        self._schema = schema

    def of(self, events: Sequence[Event], before: Offset) -> MicroBatch:
        """Return events as a micro-batch behind an offset."""
        frame, refused = self._columns.frame(events, before.position)
        if self._types is not None:
            frame = frame.filter(pl.col("type").is_in(list(self._types)))
            refused = [(event, reason) for event, reason in refused if event.type in self._types]
        offset = Offset(before.position + len(events), events[-1].id if events else before.last_id)
        payloads = _OfEvents(events, before.position)
        return MicroBatch(_log(frame, self._schema, payloads), len(events), offset, refused)


def batches_of_log(log: EventLog, size: int, before: Offset, state: GraphState) -> Iterator[MicroBatch]:
    """Yield the micro-batches of a log, behind an offset whose position is the `seq` to begin with.

    Only the columns that the graph reads are read, unless it asks for payloads as well.
    """
    payload = state.needs_payload
    frames: Iterable[pl.DataFrame] = _frames(log, size, before.position, None if payload else state.reads)
    for frame in log._payloads.attach(frames) if payload else frames:
        texts = frame.select(SEQ, PAYLOAD) if payload else None
        small = _log(frame.drop(PAYLOAD) if payload else frame, log.schema, _Texts(texts))
        yield MicroBatch(small, len(frame), Offset(int(frame[SEQ][-1]) + 1), [])


def _frames(log: EventLog, size: int, first: int, columns: list[str] | None) -> Iterator[pl.DataFrame]:
    """Yield a log's rows from a `seq` on, and read the next ones meanwhile, but no more than those.

    `collect_batches` reads a whole file ahead of a slow consumer; a slice of an unfiltered log costs
    little more than its own rows, if there are enough of them.
    """
    lazy = log.lazy if columns is None else log.lazy.select(columns)
    if any(word in lazy.explain() for word in _FILTERED):
        frames = lazy.filter(pl.col(SEQ) >= first).collect_batches(chunk_size=size, maintain_order=True)
        yield from (frame for frame in frames if len(frame))
        return
    at_once = size * max(1, _AT_ONCE // size)
    with ThreadPoolExecutor(1, "evanalytics-log-reader") as reader:
        coming = reader.submit(lazy.slice(first, at_once).collect)
        while len(rows := coming.result()):
            first += len(rows)
            coming = reader.submit(lazy.slice(first, at_once).collect)
            yield from rows.iter_slices(size)


class _OfEvents:
    """Payloads of events that are at hand."""

    def __init__(self, events: Sequence[Event], first: int) -> None:
        self._events, self._first = events, first

    def attach(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for batch in batches:
            found = (self._events[seq - self._first].data for seq in batch[SEQ])
            texts = [None if data is None else msgspec.json.encode(data).decode() for data in found]
            yield batch.with_columns(pl.Series(PAYLOAD, texts, dtype=pl.String))


class _Texts:
    """Payloads that were read along."""

    def __init__(self, texts: pl.DataFrame | None) -> None:
        self._texts = texts

    def attach(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        assert self._texts is not None
        for batch in batches:
            yield batch.join(self._texts, on=SEQ, how="left", maintain_order="left")


def _log(frame: pl.DataFrame, schema: LogSchema, payloads: _OfEvents | _Texts) -> EventLog:
    report = ReadReport(files=(), read=len(frame), good=len(frame))
    return EventLog(frame.lazy(), schema=schema, report=report, payloads=payloads)
