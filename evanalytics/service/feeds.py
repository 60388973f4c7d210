"""The server's half of subscriptions over HTTP: each one a long answer of ndjson lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from evanalytics.clock import Clock, wait_all
from evanalytics.durations import Duration
from evanalytics.exceptions import ClosedError, ServiceError
from evanalytics.service.embedded import EmbeddedEventService
from evanalytics.service.subscription import StoreSubscription
from evanalytics.service.wire import NDJSON, Bookmark, Subscribe, line_of


class NameTakenError(ServiceError):
    """Somebody else has the subscription of that name open."""


class Feeds:
    """The subscriptions that a server has open.

    A feed begins with the position it stands at and tells it again whenever it has caught up, and
    while there is nothing else to tell: a consumer that hears nothing for longer knows that the
    server is gone. What is acknowledged is the consumer's to say, by `acknowledge`.
    """

    def __init__(self, service: EmbeddedEventService, *, clock: Clock, heartbeat: Duration) -> None:
        """Feed from a service; `heartbeat` is the longest silence."""
        self._service = service
        self._clock = clock
        self._heartbeat = heartbeat
        self._open: set[StoreSubscription] = set()
        self._named: dict[str, tuple[str, StoreSubscription]] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def open(self, wanted: Subscribe) -> StreamingResponse:
        """Return the answer that tells the events which are wanted, until either side ends it.

        Raises:
            NameTakenError: Another consumer has that name.
            QueryError: There is no such position.
            FilterError: The filter document cannot be read.
        """
        after = wanted.after if wanted.after is not None else await self._start_of(wanted.name)
        self._take_over(wanted)
        feed = self._service.subscribe(types=wanted.types, filter=wanted.filter, after=after)
        self._open.add(feed)
        if wanted.name is not None:
            self._named[wanted.name] = wanted.session, feed
        return _FeedResponse(self._lines(feed), on_end=partial(self._end, feed, wanted.name))

    async def acknowledge(self, bookmark: Bookmark) -> None:
        """Store what a consumer has acknowledged."""
        await self._service.move_bookmark(bookmark.name, bookmark.position)

    def end_all(self) -> None:
        """End all feeds, so that the server can stop."""
        for feed in list(self._open):
            feed.end()

    async def _start_of(self, name: str | None) -> int:
        """Return where a consumer starts that does not say so; a new name is known from now on."""
        known = None if name is None else self._service.bookmark(name)
        if known is not None:
            return known
        last = self._service.event_count - 1
        if name is not None:
            await self._service.move_bookmark(name, last)
        return last

    def _take_over(self, wanted: Subscribe) -> None:
        session, feed = self._named.get(wanted.name or "", (None, None))
        if feed is None:
            return
        if session != wanted.session:
            raise NameTakenError(
                f"subscription {wanted.name!r} is open already; close it, or choose another name"
            )
        feed.end()  # the same consumer, whose last connection broke

    async def _lines(self, feed: StoreSubscription) -> AsyncIterator[bytes]:
        yield line_of(feed.position)
        with suppress(ClosedError):  # the service closes while a page is being read
            while not feed.is_closed:
                page = await feed.read_page()
                if page:
                    yield b"".join(line_of(offset, event) for offset, event in page)
                else:
                    yield line_of(feed.position)
                    await self._wait(feed)

    async def _wait(self, feed: StoreSubscription) -> None:
        """Return once there may be events, or after the longest silence."""
        waiting = asyncio.ensure_future(feed.wait_for_events())
        try:
            await wait_all([waiting], clock=self._clock, timeout=self._heartbeat)
        finally:
            waiting.cancel()

    def _end(self, feed: StoreSubscription, name: str | None) -> None:
        feed.end()
        self._open.discard(feed)
        if name is not None and self._named.get(name, (None, None))[1] is feed:
            del self._named[name]


class _FeedResponse(StreamingResponse):
    """An answer of lines that tells when it has ended, even if it never began."""

    def __init__(self, lines: AsyncIterator[bytes], *, on_end: Callable[[], None]) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()
