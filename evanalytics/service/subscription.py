"""A subscription to an embedded service: pages of its store, and a position that lasts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from evanalytics.event import Event
from evanalytics.exceptions import ClosedError
from evanalytics.filters.predicate import Predicate
from evanalytics.service.selection import Selection
from evanalytics.service.store import EventStore

_PAGE = 500

Runner = Callable[..., Awaitable[Any]]
"""Runs a blocking call, given with its arguments, outside the event loop."""


class StoreSubscription:
    """A `Subscription` that reads pages from a store whenever events were added to it."""

    def __init__(
        self,
        store: EventStore,
        *,
        selection: Selection,
        name: str | None,
        read: Runner,
        write: Runner,
        holds: Predicate | None = None,
        after: int | None = None,
    ) -> None:
        """Begin behind `after`, else behind the position of that name, else behind the last event."""
        self.name = name
        self._store = store
        self._in_reader, self._in_writer = read, write
        self._selection = selection
        self._holds = holds
        last = store.size - 1
        known = None if name is None else store.bookmarks.get(name)
        self._position = next((place for place in (after, known) if place is not None), last)
        self._given: int | None = None
        self._page: deque[tuple[int, Event]] = deque()
        self._closed = False
        self._added = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        store.listen(self)
        self._move_to(self._position)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        self._acknowledge()
        with suppress(ClosedError):  # the service closes while a page is being read
            while not (self._closed or self._page):
                await self._turn_page()
        if self._closed:
            raise StopAsyncIteration
        self._given, event = self._page.popleft()
        return event

    @property
    def position(self) -> int:
        """Where it stands: everything up to here has been acknowledged, or is not asked for."""
        return self._position

    async def read_page(self) -> list[tuple[int, Event]]:
        """Return the next events at once, up to 500, with their positions; none once it has caught up.

        The page before counts as acknowledged. For whoever passes pages on; not to be mixed with iteration.
        """
        self._acknowledge()
        self._loop = asyncio.get_running_loop()
        self._added.clear()
        last = self._store.size - 1
        page: list[tuple[int, Event]] = await self._in_reader(self._read, self._position)
        if page:
            self._given = page[-1][0]
        else:
            self._move_to(max(last, self._position))
        return page

    async def wait_for_events(self) -> None:
        """Return once events may have been added since the last page, or the subscription has ended."""
        if not self._closed:
            await self._added.wait()

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    async def commit(self) -> None:
        """Acknowledge everything handed out so far, and store the position."""
        self._acknowledge()
        if self.name is not None:
            await self._in_writer(self._store.save_bookmarks)

    async def close(self) -> None:
        """Store the position and end the iteration; the event in hand stays unacknowledged."""
        if not self._closed:
            self.end()
            if self.name is not None:
                await self._in_writer(self._store.save_bookmarks)

    def end(self) -> None:
        """End the iteration, also for a task that waits for an event just now."""
        self._closed = True
        self._store.stop_listening(self)
        self.events_added()

    def events_added(self) -> None:
        """Wake the consumer; may be called from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the consumer's loop is gone
                self._loop.call_soon_threadsafe(self._added.set)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _acknowledge(self) -> None:
        if self._given is not None:
            self._move_to(self._given)
            self._given = None

    def _move_to(self, position: int) -> None:
        self._position = position
        if self.name is not None:
            self._store.bookmarks[self.name] = position

    async def _turn_page(self) -> None:
        """Store the position, then fetch the next page, or wait until there might be one."""
        if self.name is not None:
            await self._in_writer(self._store.save_bookmarks)
        self._page.extend(await self.read_page())
        self._given = None  # `__anext__` hands them out one by one
        if not self._page:
            await self.wait_for_events()

    def _read(self, after: int) -> list[tuple[int, Event]]:
        return self._store.page(self._selection, after=after, limit=_PAGE, holds=self._holds)
