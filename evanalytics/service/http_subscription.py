"""The client's half of a subscription over HTTP: lines of ndjson, resumed by their offset."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx
import msgspec

from evanalytics.event import Event
from evanalytics.exceptions import ServiceUnavailableError
from evanalytics.service.calls import Call, HttpCalls, ended
from evanalytics.service.wire import BOOKMARK, SUBSCRIBE, Bookmark, Subscribe, read_line

_STORED_EVERY = 500


class HttpSubscription:
    """A `Subscription` whose connection may break: it comes back behind the last event handed out.

    Like any other call it gives up after `Retry.max_attempts` in a row that told nothing; asked for the
    next event once more, it tries again.
    """

    def __init__(self, calls: HttpCalls, wanted: Subscribe) -> None:
        """Subscribe when entered, or when first asked for an event."""
        self._calls = calls
        self._wanted = msgspec.structs.replace(wanted, session=uuid.uuid4().hex)
        self._answer: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._part = b""  # of a line whose end has not come yet
        self._lines: deque[bytes] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0
        self._told: int | None = None  # the last position told: where to resume
        self._given: int | None = None  # that of the event in hand
        self._acknowledged: int | None = None
        self._stored: int | None = None
        self._unstored = 0
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._given is not None:
            await self._acknowledge(self._given)
        while not self._closed:
            event = await self._next_told()
            if event is not None:
                self._given = self._told
                return event
        raise StopAsyncIteration

    async def commit(self) -> None:
        """Acknowledge everything handed out so far, and store the position."""
        if self._given is not None:
            await self._acknowledge(self._given)
        await self._store()

    async def close(self) -> None:
        """Store the position and end the iteration; the event in hand stays unacknowledged."""
        if not self._closed:
            self._closed = True
            if self._reading is not None:
                await ended(self._reading)
            await self._hang_up()
            await self._store()

    async def __aenter__(self) -> Self:
        while self._told is None and not self._closed:
            await self._next_told()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _next_told(self) -> Event | None:
        """Return the next event; None if it is told only where everything stands, or if this was closed."""
        if not self._lines:
            await self._wait_for_lines()
            return None
        self._told, event = read_line(self._lines.popleft())
        if event is None:  # all before it has been acknowledged by asking for more
            is_start = self._acknowledged is None
            self._acknowledged = self._told
            if is_start:
                self._stored = self._told
            await self._store()
        return event

    async def _read_on(self) -> None:
        """Take in what the service tells next; connect before, or again."""
        error = await self._connect() if self._answer is None else await self._take_chunk()
        if error is None:
            return
        await self._hang_up()
        self._failures += 1
        wait_ns = self._calls.wait_ns(self._failures, error)
        if wait_ns is None:
            self._failures = 0
            raise error
        await self._calls.clock.sleep_until_ns(self._calls.clock.monotonic_ns() + wait_ns)

    async def _connect(self) -> Exception | None:
        wanted = (
            self._wanted if self._told is None else msgspec.structs.replace(self._wanted, after=self._told)
        )
        call = Call(method="POST", path=SUBSCRIBE, content=msgspec.json.encode(wanted))
        answer = await self._calls.attempt(call, stream=True)
        if isinstance(answer, Exception):
            return answer
        self._answer, self._chunks = answer, answer.aiter_bytes()
        return None

    async def _take_chunk(self) -> Exception | None:
        assert self._chunks is not None
        chunk = await self._calls.in_silence(anext(self._chunks, b""))
        if isinstance(chunk, Exception):
            return chunk
        if not chunk:
            return ServiceUnavailableError(f"{self._calls.base_url}: the subscription was ended there")
        *lines, self._part = (self._part + chunk).split(b"\n")
        self._lines.extend(lines)
        if lines:
            self._failures = 0
        return None

    async def _hang_up(self) -> None:
        answer, self._answer, self._chunks = self._answer, None, None
        self._part = b""
        self._lines.clear()
        if answer is not None:
            await answer.aclose()

    async def _wait_for_lines(self) -> None:
        """Return once the service has told more, or this is closed.

        Reading goes on when a caller that waits is cancelled: the next one finds what was read.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on())
        await asyncio.wait({self._reading})
        if not self._closed:
            reading, self._reading = self._reading, None
            reading.result()

    async def _acknowledge(self, position: int) -> None:
        self._acknowledged, self._given = position, None
        self._unstored += 1
        if self._unstored >= _STORED_EVERY:
            await self._store()

    async def _store(self) -> None:
        """Store what was acknowledged, for a subscription with a name."""
        name, position = self._wanted.name, self._acknowledged
        if name is None or position is None or position == self._stored:
            return
        bookmark = msgspec.json.encode(Bookmark(name=name, position=position))
        await self._calls.send(Call(method="POST", path=BOOKMARK, content=bookmark))
        self._stored, self._unstored = position, 0
