"""Where a live run gets its events from, and how it goes on from where another one stopped."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

from evanalytics.event import Event
from evanalytics.exceptions import ClosedError, StreamError
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.typed_events import declared_schema, schema_of_events, strict
from evanalytics.replay.replay import Replay
from evanalytics.service.client import EventServiceClient

_PAGE = 1_000
_SAMPLE = 10_000

Source = EventServiceClient | EventLog | Replay | AsyncIterable[Event] | Callable[[int], AsyncIterable[Event]]
"""What a run can read: a service, a log, a replay, any async iterator of events, or a function that
returns one from a position on."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a source has been read.

    Attributes:
        position: Events read so far; of a log, the `seq` of the next one.
        last_id: The id of the last of them.
    """

    position: int = 0
    last_id: str | None = None


class Feed(Protocol):
    """A source that is being read."""

    async def begin(self, offset: Offset | None) -> Offset:
        """Set where reading begins: behind an offset, or where a first run begins."""
        ...

    def pages(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield events as they come, some at a time."""
        ...


class ServiceFeed:
    """The events of a service, in the order in which they came; none is missed or read twice.

    What is there already is read by pages, what comes then through a subscription.
    """

    def __init__(
        self, client: EventServiceClient, types: Sequence[str] | None, *, from_beginning: bool
    ) -> None:
        """Take the client; a first run begins with its first event, or with the next one to come."""
        self._client, self._types, self._from_beginning = client, types, from_beginning
        self._last_id: str | None = None

    async def begin(self, offset: Offset | None) -> Offset:
        """Go behind an event, or behind the last one that is there now."""
        if offset is None and not self._from_beginning:
            last = await self._client.query_events(limit=1, sort="desc")
            offset = Offset(0, last[0].id if last else None)
        self._last_id = None if offset is None else offset.last_id
        return offset or Offset()

    async def pages(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield pages of what is there, then single events as they are published; it never ends.

        Raises:
            ClosedError: The service was closed.
        """
        async for page in self._stored():
            yield page
        async with self._client.subscribe(types=self._types) as news:
            known: set[str] = set()  # published between the last page and the subscription
            async for page in self._stored():
                known.update(event.id for event in page)
                yield page
            async for event in news:
                if event.id in known:
                    continue
                known.clear()
                yield [event]
        raise ClosedError(
            "source: the event service was closed while a run read it; stop the run before, or go on with "
            "the service opened again"
        )

    async def _stored(self) -> AsyncIterator[Sequence[Event]]:
        while page := await self._client.query_events(
            types=self._types, after_id=self._last_id, limit=_PAGE, sort="asc"
        ):
            self._last_id = page[-1].id
            yield page


class ReplayFeed:
    """A log, replayed at its pace."""

    def __init__(self, replay: Replay) -> None:
        """Take the replay; it is moved to where a run goes on."""
        self._replay = replay

    async def begin(self, offset: Offset | None) -> Offset:
        """Go to a position, or stay where the replay is."""
        if offset is not None:
            self._replay.seek(offset.position)
        return offset or Offset(self._replay.position)

    async def pages(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield what is due."""
        async for events in self._replay.batches():
            yield events


class IteratorFeed:
    """Any async iterator of events."""

    def __init__(self, events: AsyncIterable[Event] | Callable[[int], AsyncIterable[Event]]) -> None:
        """Take the events, or a function that returns them from a position on."""
        self._events = events
        self._position = 0

    async def begin(self, offset: Offset | None) -> Offset:
        """Note where to go on."""
        if offset is not None and offset.position and not callable(self._events):
            raise StreamError(
                f"source: cannot go on behind event {offset.position:,}, for an iterator has only one "
                "beginning; give a function that returns one from a position on"
            )
        self._position = 0 if offset is None else offset.position
        return offset or Offset()

    async def pages(self) -> AsyncGenerator[Sequence[Event], None]:
        """Yield the events one by one."""
        async for event in self._events(self._position) if callable(self._events) else self._events:
            yield [event]


async def read_until(
    stopping: asyncio.Event, feed: Feed, take: Callable[[Sequence[Event]], Awaitable[object]]
) -> bool:
    """Hand on the events of a feed until it ends (True) or it is time to stop (False)."""
    reading = asyncio.create_task(_read(feed, take), name="evanalytics-stream-reader")
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
        return reading.done()
    finally:
        for task in (reading, waiting):
            task.cancel()
        await asyncio.wait({reading, waiting})


async def _read(feed: Feed, take: Callable[[Sequence[Event]], Awaitable[object]]) -> None:
    async with aclosing(feed.pages()) as pages:
        async for events in pages:
            await take(events)


def feed_of(source: Source, types: Sequence[str] | None, *, from_beginning: bool) -> Feed | None:
    """Return the feed of a source; None for a log, which is read as frames.

    Raises:
        StreamError: It is nothing that can be read.
    """
    if isinstance(source, EventLog):
        return None
    if isinstance(source, Replay):
        return ReplayFeed(source)
    if hasattr(source, "subscribe") and hasattr(source, "query_events"):
        return ServiceFeed(cast("EventServiceClient", source), types, from_beginning=from_beginning)
    if callable(source) or hasattr(source, "__aiter__"):
        return IteratorFeed(source)
    raise StreamError(
        f"source: needs an event service, a log, a replay or an async iterator of events, got {source!r}"
    )


async def schema_for(
    source: Source, given: LogSchema | Mapping[str, Any] | None, types: Sequence[str] | None
) -> LogSchema:
    """Return the schema of a run: as given, the log's, or that of the service's first events.

    Raises:
        StreamError: There is nothing to tell it from.
        ColumnError: What is declared cannot be a schema.
    """
    if given is not None:
        return strict(given) if isinstance(given, LogSchema) else declared_schema(given)
    if isinstance(source, EventLog):
        return source.schema
    if isinstance(source, Replay):
        return strict(source.log.schema)
    if hasattr(source, "query_events"):
        kinds = None if types is None else list(types)
        return schema_of_events(await source.query_events(types=kinds, limit=_SAMPLE))
    raise StreamError(
        "schema: an iterator does not tell its columns; declare them: schema={'data.total': pl.Float64}"
    )
