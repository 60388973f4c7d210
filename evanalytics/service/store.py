"""The events of an embedded service in one DuckDB file; calls block, and may come from any thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet, WeakValueDictionary

import numpy as np
import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import ServiceError
from evanalytics.filters.predicate import Predicate
from evanalytics.logs.schema import ENVELOPE, ID, PAYLOAD, SEQ, SOURCE, SUBJECT, TIME, TS, TYPE
from evanalytics.service.client import NAMED_CONFLICTS, PublishResult, Sort
from evanalytics.service.database import MEMORY, connect, first_line
from evanalytics.service.positions import ABSENT, Hashes, PositionIndex, Positions, hash_ids
from evanalytics.service.rows import COLUMNS, EXTENSIONS, events_of_rows, same_event
from evanalytics.service.selection import Selection

if TYPE_CHECKING:
    import duckdb

# DuckDB folds the conditions on nulls away before it plans: zone maps still skip row groups.
_SELECT = """
    SELECT seq, id, type, source, epoch_us(time) AS ts, subject, data, extensions
    FROM events
    WHERE seq > $after AND seq < $before
        AND ($types IS NULL OR list_contains($types, type))
        AND ($sources IS NULL OR list_contains($sources, source))
        AND ($start IS NULL OR time >= $start)
        AND ($end IS NULL OR time < $end)"""
_UP = _SELECT + " ORDER BY seq LIMIT $limit"
_DOWN = _SELECT + " ORDER BY seq DESC LIMIT $limit"
_INSERT = """
    INSERT INTO events
    SELECT seq, id, type, source, make_timestamptz(ts), subject, data, extensions FROM fresh"""
_SAME_ID_AT = "SELECT w.row, e.seq FROM wanted w JOIN events e ON e.seq = w.seq WHERE e.id = w.id"
_SAME_ID = "SELECT w.row, e.seq FROM wanted w JOIN events e ON e.id = w.id"
_DIFFERING = """
    SELECT r.row, r.id, r.type, r.source, r.ts, r.subject, r.data, r.extensions,
        e.id, e.type, e.source, epoch_us(e.time), e.subject, e.data, e.extensions
    FROM repeated r JOIN events e ON e.seq = r.seq
    WHERE (r.type, r.source, r.ts, r.subject, r.data, r.extensions)
        IS DISTINCT FROM (e.type, e.source, epoch_us(e.time), e.subject, e.data, e.extensions)
    ORDER BY r.row"""
_IDS = "SELECT id FROM events WHERE seq >= $first AND seq < $past ORDER BY seq"
_FIRST, _PAST_ALL = -1, 2**62
_CHUNK = 2**20
_LEAST_READ, _MOST_READ = 500, 10_000


class Listener(Protocol):
    """Is told, in any thread, that events were added; may have a name of its own."""

    name: str | None

    def events_added(self) -> None:
        """Wake up."""
        ...


class EventStore:
    """Events by order of arrival (`seq` = 0 to n-1) under ids that are unique for ever.

    Writers take turns; readers see what was committed and wait for nobody. Every call blocks
    and may come from any thread: each thread has a cursor of its own.

    Attributes:
        size: The number of events.
        bookmarks: The last position that each named subscription has acknowledged; they last
            once saved.
        users: Whoever has the store open.
    """

    def __init__(
        self, path: str, *, memory_limit: str, hash_ids: Callable[[pl.Series], Hashes] = hash_ids
    ) -> None:
        """Open the store at a path, or make one."""
        self.path = path
        self._hash_ids = hash_ids
        self.users: WeakSet[object] = WeakSet()
        self._listeners: WeakSet[Listener] = WeakSet()
        self._listening = threading.Lock()
        self._connection = connect(path, memory_limit=memory_limit)
        self._local = threading.local()
        self._turn = threading.Lock()
        self._indexing = threading.Lock()
        self._known: PositionIndex | None = None
        with self._explained():
            self.size: int = self._cursor().execute("SELECT count(*) FROM events").fetchall()[0][0]
            self._saved = dict(self._cursor().execute("SELECT name, position FROM subscriptions").fetchall())
        self.bookmarks = dict(self._saved)

    def append(self, rows: pl.DataFrame) -> PublishResult:
        """Add rows with new ids, all in one transaction; of equal ids the first one counts."""
        return self.append_each([rows])[0]

    def append_each(self, parts: Sequence[pl.DataFrame]) -> list[PublishResult]:
        """Add the parts, in their order, all in one transaction; return each part's own result."""
        rows = pl.concat(parts)
        with self._turn, self._explained():
            hashes = self._hash_ids(rows[ID])
            is_new = pl.Series(self._positions(rows[ID], hashes) == ABSENT) & rows[ID].is_first_distinct()
            all_new = is_new.all()  # as nearly always; to filter takes polars longer than one would think
            fresh = rows if all_new else rows.filter(is_new)
            if fresh.height:
                self._insert(fresh, hashes[is_new.to_numpy()])
            conflicting = {} if all_new else self._conflicts(rows, ~is_new)
        self.tell_listeners()
        ends = np.cumsum([part.height for part in parts]).tolist()
        spans = [range(end - part.height, end) for part, end in zip(parts, ends, strict=True)]
        return [_result(is_new, conflicting, span) for span in spans]

    def listen(self, listener: Listener) -> None:
        """Tell a listener from now on whenever events were added.

        Raises:
            ServiceError: One of its name listens already.
        """
        with self._listening:
            name = listener.name
            if name is not None and any(other.name == name for other in self._listeners):
                raise ServiceError(f"subscription {name!r} is open already; close it, or choose another name")
            self._listeners.add(listener)

    def stop_listening(self, listener: Listener) -> None:
        """Tell a listener nothing more; harmless if it is told nothing."""
        with self._listening:
            self._listeners.discard(listener)

    def tell_listeners(self) -> None:
        """Tell all listeners that events were added."""
        with self._listening:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.events_added()

    def position_of(self, event_id: str) -> int | None:
        """Return the position of an event, or None when there is no such id."""
        ids = pl.Series([event_id], dtype=pl.String)
        with self._explained():
            position = int(self._positions(ids, self._hash_ids(ids))[0])
        return None if position == ABSENT else position

    def get(self, event_id: str) -> Event | None:
        """Return the event of an id, or None."""
        position = self.position_of(event_id)
        if position is None:
            return None
        ((_, event),) = self.page(Selection(), after=position - 1, limit=1)
        return event

    def page(
        self,
        selection: Selection,
        *,
        after: int | None,
        limit: int,
        sort: Sort = "asc",
        holds: Predicate | None = None,
    ) -> list[tuple[int, Event]]:
        """Return the next events behind a position, each with its own position.

        Args:
            selection: Which events are meant, as far as SQL says it.
            after: The position; None for the beginning.
            limit: At most so many events.
            sort: The direction.
            holds: What else must be so of an event; rows are read on until enough are found.
        """
        if holds is None:
            return self._rows(selection, after, limit, sort)
        found: list[tuple[int, Event]] = []
        size = max(limit, _LEAST_READ)
        while len(found) < limit:
            rows = self._rows(selection, after, size, sort)
            found += [row for row in rows if holds(row[1])]
            if len(rows) < size:
                break
            after, size = rows[-1][0], min(2 * size, _MOST_READ)
        return found[:limit]

    def _rows(
        self, selection: Selection, after: int | None, limit: int, sort: Sort
    ) -> list[tuple[int, Event]]:
        ahead = {"after": _FIRST if after is None else after, "before": _PAST_ALL}
        behind = {"after": _FIRST, "before": _PAST_ALL if after is None else after}
        query, span = (_UP, ahead) if sort == "asc" else (_DOWN, behind)
        with self._explained():
            rows = self._cursor().execute(query, asdict(selection) | span | {"limit": limit}).fetchall()
        return list(zip((row[0] for row in rows), events_of_rows(row[1:] for row in rows), strict=True))

    def frames(self, selection: Selection, *, size: int) -> Iterator[pl.DataFrame]:
        """Yield what is there now as frames with a log's attributes, from `size` positions each."""
        for first in range(0, past := self.size, size):
            span = {"after": first - 1, "before": min(first + size, past), "limit": size}
            with self._explained():
                frame = self._sql(_UP, asdict(selection) | span)
            if frame.height:
                time = pl.col(TS).cast(ENVELOPE[TIME]).alias(TIME)
                yield frame.select(SEQ, ID, TYPE, SOURCE, time, TS, SUBJECT, PAYLOAD, EXTENSIONS)

    def save_bookmarks(self) -> None:
        """Store the bookmarks that have moved."""
        with self._turn, self._explained():
            for name, position in list(self.bookmarks.items()):
                if self._saved.get(name) != position:
                    self._cursor().execute(
                        "INSERT OR REPLACE INTO subscriptions VALUES (?, ?)", [name, position]
                    )
                    self._saved[name] = position

    def close(self) -> None:
        """Save the bookmarks, and let go of the file."""
        try:
            self.save_bookmarks()
        finally:
            self._connection.close()

    def _positions(self, ids: pl.Series, hashes: Hashes) -> Positions:
        """Return where each id stands, or ABSENT; what the hashes say is compared with the ids."""
        candidates = self._index().find(hashes)
        (rows,) = np.nonzero(candidates != ABSENT)
        if not len(rows):
            return candidates
        wanted = pl.DataFrame({"row": rows, "id": ids.gather(rows), "seq": candidates[rows]})
        found = self._sql(_SAME_ID_AT, wanted=wanted)
        if found.height < len(rows):  # an id with the same hash stands there
            found.extend(self._sql(_SAME_ID, wanted=wanted.join(found, on="row", how="anti")))
        positions = np.full(len(ids), ABSENT)
        positions[found["row"].to_numpy()] = found["seq"].to_numpy()
        return positions

    def _index(self) -> PositionIndex:
        with self._indexing:
            if self._known is None:
                self._known = PositionIndex()
                for first in range(0, self.size, _CHUNK):
                    ids = self._sql(_IDS, {"first": first, "past": first + _CHUNK})[ID]
                    self._known.add(self._hash_ids(ids), np.arange(first, first + len(ids)))
            return self._known

    def _insert(self, fresh: pl.DataFrame, hashes: Hashes) -> None:
        positions = np.arange(self.size, self.size + fresh.height)
        self._index().add(hashes, positions)  # first: what a reader sees is found by its id at once
        try:
            with self._views(fresh=fresh.with_columns(pl.Series("seq", positions))) as cursor:
                cursor.execute(_INSERT)
        except BaseException:
            with self._indexing:
                self._known = None  # it says more than there is
            raise
        self.size += fresh.height

    def _conflicts(self, rows: pl.DataFrame, is_repeated: pl.Series) -> dict[int, str]:
        """Return, by row, the ids of those that say something else than what is kept under their id."""
        repeated = rows.with_row_index("row").filter(is_repeated)
        if repeated.is_empty():
            return {}
        positions = self._positions(repeated[ID], self._hash_ids(repeated[ID]))
        with self._views(repeated=repeated.with_columns(pl.Series("seq", positions))) as cursor:
            pairs = cursor.execute(_DIFFERING).fetchall()
        half = len(COLUMNS)
        return {
            row: pair[0] for row, *pair in pairs if not same_event(tuple(pair[:half]), tuple(pair[half:]))
        }

    def _sql(self, query: str, params: dict[str, Any] | None = None, **frames: pl.DataFrame) -> pl.DataFrame:
        with self._views(**frames) as cursor:
            frame: pl.DataFrame = cursor.sql(query, params=params).pl()
            return frame

    @contextmanager
    def _views(self, **frames: pl.DataFrame) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._cursor()
        for name, frame in frames.items():
            cursor.register(name, frame)
        try:
            yield cursor
        finally:
            for name in frames:
                cursor.unregister(name)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
        return cursor

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            raise ServiceError(f"event store {self.path}: {first_line(error)}") from error


def _result(is_new: pl.Series, conflicting: dict[int, str], span: range) -> PublishResult:
    """Return what became of the rows of one part."""
    accepted = int(is_new[span.start : span.stop].sum())
    ids = [event_id for row, event_id in conflicting.items() if row in span]
    return PublishResult(
        accepted=accepted,
        duplicates=len(span) - accepted,
        conflicts=len(ids),
        conflicting_ids=tuple(ids[:NAMED_CONFLICTS]),
    )


def open_store(path: str, user: object, *, memory_limit: str) -> EventStore:
    """Return the store at a path; within a process all users of a file share one."""
    path = path if path == MEMORY else os.path.realpath(path)  # a program may change its folder
    with _SHARING:
        store = _SHARED.get(path)
        if store is None:
            store = EventStore(path, memory_limit=memory_limit)
        if path != MEMORY:
            _SHARED[path] = store
        store.users.add(user)
        return store


def release_store(store: EventStore, user: object) -> None:
    """Close a store once the last of its users has left."""
    with _SHARING:
        store.users.discard(user)
        if not store.users:
            _SHARED.pop(store.path, None)
            store.close()


_SHARED: WeakValueDictionary[str, EventStore] = WeakValueDictionary()
_SHARING = threading.Lock()
