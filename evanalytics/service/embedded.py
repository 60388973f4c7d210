"""The event service inside this process: one DuckDB file, or nothing but memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_args
from weakref import WeakSet

import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import ClosedError, QueryError
from evanalytics.filters.filter import filter as read_filter
from evanalytics.filters.predicate import Predicate
from evanalytics.logs.integrity import write_parquet
from evanalytics.logs.log import EventLog
from evanalytics.logs.reader import read_log
from evanalytics.service.client import FilterLike, Names, PublishResult, Sort
from evanalytics.service.group_commit import GroupCommit
from evanalytics.service.rows import frame_of_log, gathered
from evanalytics.service.selection import Selection
from evanalytics.service.store import open_store, release_store
from evanalytics.service.subscription import StoreSubscription

Result = TypeVar("Result")

_READERS = 4
_MAX_LIMIT = 10_000
_FRAME_ROWS = 61_440


class EmbeddedEventService:
    """An `EventServiceClient` over one DuckDB file of its own, without any server.

    What was acknowledged outlives the process, `kill -9` included: `publish_events` returns
    once DuckDB has committed, and a batch is there whole or not at all. Of two events with
    one id the first stays, for ever; the second counts as a duplicate, and as a conflict if
    it says something else. Pages and subscriptions go by order of arrival.

    DuckDB lets one process in at a time, even for reading. Inside a process, services on the
    same file share it. Its calls run in threads, so the event loop never waits for the disk:
    one thread writes, four read. Memory: 16 bytes per event for finding ids (1 s per 10
    million events to build, at the first publish or lookup), and DuckDB's own.

    Example:
        >>> import asyncio
        >>> from datetime import UTC
        >>> async def main() -> None:
        ...     async with EmbeddedEventService() as service:
        ...         order = Event(id="1", type="order.created", source="shop",
        ...                       time=datetime(2026, 1, 1, tzinfo=UTC), data={"total": 5})
        ...         print(await service.publish_events([order, order]))
        ...         print([event.data for event in await service.query_events(types="order.created")])
        >>> asyncio.run(main())
        PublishResult(accepted=1, duplicates=1, conflicts=0, conflicting_ids=())
        [{'total': 5}]
    """

    def __init__(self, path: str | os.PathLike[str] = ":memory:", *, memory_limit: str = "1GB") -> None:
        """Open the file, or make it.

        Args:
            path: A DuckDB file, or ":memory:" to keep events only while the service lives.
            memory_limit: What DuckDB may hold of a file in memory, mostly as a cache.

        Raises:
            ServiceLockedError: Another process has the file open.
            ServiceError: The file is damaged, is something else, or cannot be made.
        """
        self._store = open_store(os.fspath(path), self, memory_limit=memory_limit)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="event-store-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="event-store-read")
        self._commits = GroupCommit(self._store, self._writer)
        self._subscriptions: WeakSet[StoreSubscription] = WeakSet()
        self._closed = False

    @property
    def event_count(self) -> int:
        """How many events are kept."""
        return self._store.size

    async def publish_events(self, events: Iterable[Event]) -> PublishResult:
        """Keep events; all of them or, when this raises, none.

        Cancelled before their turn to be written, they are not kept; later, they are. Publishing again is
        harmless.

        Raises:
            EventError: A payload is not JSON.
            ServiceError: The file could not be written.
            ClosedError: The service is closed.
        """
        self._refuse_if_closed()
        return await asyncio.wrap_future(self._commits.publish(list(events)))

    async def query_events(
        self,
        *,
        types: Names = None,
        sources: Names = None,
        start: datetime | None = None,
        end: datetime | None = None,
        after_id: str | None = None,
        limit: int = 100,
        sort: Sort = "asc",
        filter: FilterLike | None = None,
    ) -> list[Event]:
        """Return events by order of arrival, a page at a time.

        Args:
            types: Only events of these types.
            sources: Only events of these sources.
            start: Only events whose time is this or later.
            end: Only events whose time is before this.
            after_id: The last id of the page before; the answer begins behind it in the
                direction of `sort`.
            limit: At most so many events, from 1 to 10,000.
            sort: "asc" begins with the event that came first, "desc" with the last.
            filter: Only events that match this filter, or filter document. What it says of type,
                source and time the store decides; the rest is decided event by event.

        Raises:
            FilterError: The filter document cannot be read.
            QueryError: `after_id` is not there, or another argument makes no sense.
            ServiceError: The file could not be read.
            ClosedError: The service is closed.
        """
        chosen = None if filter is None else read_filter(filter)
        selection = Selection.of(types, sources, start, end, chosen.bounds if chosen else None)
        if not 1 <= limit <= _MAX_LIMIT:
            raise QueryError(f"limit: from 1 to {_MAX_LIMIT:,}, got {limit!r}; page on with after_id")
        if sort not in get_args(Sort):
            raise QueryError(f"sort: 'asc' or 'desc', got {sort!r}")
        holds = chosen.predicate if chosen else None
        return await self._read(partial(self._query, selection, after_id, limit, sort, holds))

    async def get_event(self, event_id: str) -> Event | None:
        """Return the event of that id, or None.

        Raises:
            ServiceError: The file could not be read.
            ClosedError: The service is closed.
        """
        return await self._read(self._store.get, event_id)

    def subscribe(
        self,
        *,
        types: Names = None,
        name: str | None = None,
        filter: FilterLike | None = None,
        after: int | None = None,
    ) -> StoreSubscription:
        """Return the events that are published from this call on; `Subscription` has the rules.

        Args:
            types: Only events of these types.
            name: Continue where the subscription of this name stopped, if there was one.
            filter: Only events that match this filter, or filter document.
            after: Begin behind this position instead: 0 is that of the first event kept, -1 the beginning.

        Raises:
            FilterError: The filter document cannot be read.
            QueryError: There is no such position.
            ServiceError: A subscription of this name is open already.
            ClosedError: The service is closed.

        Example:
            >>> async def bill(service: EmbeddedEventService) -> None:
            ...     async with service.subscribe(types="order.created", name="billing") as orders:
            ...         async for order in orders:
            ...             print(order.id)
        """
        self._refuse_if_closed()
        chosen = None if filter is None else read_filter(filter)
        if after is not None and not -1 <= after < self.event_count:
            raise QueryError(f"after: from -1 to {self.event_count - 1} (the last event), got {after!r}")
        subscription = StoreSubscription(
            self._store,
            selection=Selection.of(types, within=chosen.bounds if chosen else None),
            name=name,
            read=self._read,
            write=self._write,
            holds=chosen.predicate if chosen else None,
            after=after,
        )
        self._subscriptions.add(subscription)
        return subscription

    def bookmark(self, name: str) -> int | None:
        """Return the position behind which the subscription of a name continues; None if there was none."""
        return self._store.bookmarks.get(name)

    async def move_bookmark(self, name: str, position: int) -> None:
        """Store the position behind which the subscription of a name continues.

        Raises:
            QueryError: There is no such position.
            ServiceError: The file could not be written.
            ClosedError: The service is closed.
        """
        if not -1 <= position < self.event_count:
            raise QueryError(f"position: from -1 to {self.event_count - 1}, got {position!r}")
        self._store.bookmarks[name] = position
        await self._write(self._store.save_bookmarks)

    async def import_log(self, log: EventLog, *, progress: bool = True) -> PublishResult:
        """Add the events of a log in the log's order, in bounded memory.

        Batches (up to 245,760 events, or 128 MiB) are committed one by one: after an
        interruption the import can be repeated, and what is there counts as duplicates.

        Args:
            log: The log, as `read_log` returns it.
            progress: Show a progress bar.

        Raises:
            ServiceError: The file could not be written.
            ClosedError: The service is closed.
        """
        from tqdm.auto import tqdm

        total = PublishResult()
        batches = gathered(log.batches(_FRAME_ROWS, payload=True))
        with tqdm(total=len(log), unit=" events", unit_scale=True, disable=not progress) as bar:
            while (batch := await self._read(next, batches, None)) is not None:
                total += await self._write(self._import, batch)
                bar.update(batch.height)
        return total

    async def export_frames(
        self,
        *,
        types: Names = None,
        sources: Names = None,
        start: datetime | None = None,
        end: datetime | None = None,
        size: int = _FRAME_ROWS,
    ) -> AsyncIterator[pl.DataFrame]:
        """Yield the events that are there now as frames, by order of arrival, in bounded memory.

        The columns are a log's envelope (seq, id, type, source, time, ts, subject) and, as JSON
        text or null, `data` and `extensions`. A frame spans `size` positions, so that it holds
        fewer events where a selection leaves some out.

        Raises:
            QueryError: A bound has no time zone.
            ServiceError: The file could not be read.
            ClosedError: The service is closed.
        """
        frames = self._store.frames(Selection.of(types, sources, start, end), size=size)
        while (frame := await self._read(next, frames, None)) is not None:
            yield frame

    async def export_log(
        self,
        path: str | os.PathLike[str],
        *,
        types: Names = None,
        sources: Names = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> EventLog:
        """Write the events that are there now as a Parquet log, and return it as `read_log` reads it.

        So stored events can be replayed, filtered and drawn like any other log. The file carries
        a checksum. Extensions are in its column `extensions`, as JSON text that `read_log` leaves aside.

        Args:
            path: The file, named *.parquet; an existing one is replaced.
            types: Only events of these types.
            sources: Only events of these sources.
            start: Only events whose time is this or later.
            end: Only events whose time is before this.

        Raises:
            QueryError: The file would not be named *.parquet, no event is selected, or a bound has
                no time zone.
            ServiceError: The store could not be read.
            ClosedError: The service is closed.
        """
        if Path(path).suffix != ".parquet":
            raise QueryError(
                f"path: a log is exported as Parquet, so name it *.parquet, got {os.fspath(path)!r}"
            )
        return await self._read(self._export, Path(path), Selection.of(types, sources, start, end))

    async def close(self) -> None:
        """End subscriptions, finish what is being written, and let go of the file.

        Events of a `:memory:` service are gone then. Closing twice is harmless.
        """
        if not self._closed:
            self._closed = True
            for subscription in list(self._subscriptions):
                subscription.end()
            await asyncio.to_thread(self._shut)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.event_count:,} events"
        return f"EmbeddedEventService({self._store.path!r}: {state})"

    async def _write(self, call: Callable[..., Result], *args: Any) -> Result:
        self._refuse_if_closed()
        return await asyncio.get_running_loop().run_in_executor(self._writer, call, *args)

    async def _read(self, call: Callable[..., Result], *args: Any) -> Result:
        self._refuse_if_closed()
        return await asyncio.get_running_loop().run_in_executor(self._readers, call, *args)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ClosedError(f"the event service on {self._store.path} is closed")

    def _import(self, batch: pl.DataFrame) -> PublishResult:
        return self._store.append(frame_of_log(batch))

    def _export(self, path: Path, selection: Selection) -> EventLog:
        frames = self._store.frames(selection, size=_FRAME_ROWS)
        first = next(frames, None)
        if first is None:
            raise QueryError(f"{path}: no event is selected, so there is no log to export")
        write_parquet(path, chain([first], frames))
        return read_log(path, progress=False)

    def _query(
        self,
        selection: Selection,
        after_id: str | None,
        limit: int,
        sort: Sort,
        holds: Predicate | None,
    ) -> list[Event]:
        after = None if after_id is None else self._store.position_of(after_id)
        if after_id is not None and after is None:
            raise QueryError(f"after_id: there is no event {after_id!r}; give the last id of a page")
        rows = self._store.page(selection, after=after, limit=limit, sort=sort, holds=holds)
        return [event for _, event in rows]

    def _shut(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        release_store(self._store, self)
