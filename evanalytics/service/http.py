"""The event service at the other end of a URL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

import msgspec

from evanalytics.clock import Clock, SystemClock
from evanalytics.delivery.policy import Retry
from evanalytics.durations import Duration
from evanalytics.event import Event, events_from_json, events_to_json
from evanalytics.exceptions import EventError, ServiceError
from evanalytics.filters.filter import filter as read_filter
from evanalytics.service import wire
from evanalytics.service.api_key import ApiKey
from evanalytics.service.calls import Call, HttpCalls
from evanalytics.service.client import FilterLike, Names, PublishResult, Sort
from evanalytics.service.http_subscription import HttpSubscription
from evanalytics.service.selection import listed

if TYPE_CHECKING:
    import httpx


class HttpEventServiceClient:
    """An `EventServiceClient` of a service that `evanalytics serve` offers.

    It raises what an embedded service would raise, by the same classes. Calls that are not answered
    in time, or by 429 or a status from 500 on, are tried again: each event is kept once, by its
    id, however often it is sent. Only, events which an attempt had stored before its answer was lost
    count as duplicates in the result of the next.

    The key is shown nowhere: not in a repr, a log, a traceback, or a pickle, which it refuses.

    Example:
        >>> HttpEventServiceClient("http://127.0.0.1:8787", api_key="not-to-be-shown")
        HttpEventServiceClient('http://127.0.0.1:8787')
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: Duration = "10s",
        retry: Retry | None = None,
        max_retry_after: Duration = "60s",
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Name the service; nothing is connected yet.

        Args:
            base_url: Where it is, such as "http://127.0.0.1:8787".
            api_key: The key; else what `EVANALYTICS_API_KEY` holds, if anything.
            timeout: The longest time from the beginning of an attempt to its end. For a subscription,
                which has no end, the longest silence; but not less than 30 s.
            retry: When a call is tried again; 5 attempts by default. `Retry-After` lengthens a wait.
            max_retry_after: A service that asks for a longer rest is not waited for.
            clock: Where time comes from; the system's by default.
            transport: What carries requests, to reach an application without a network.

        Raises:
            ServiceError: The URL is none.
            ServiceAccessError: The key cannot be one.
        """
        self._url = ""
        given = [api_key]
        del api_key  # from here on no traceback that shows local names can show it
        key = ApiKey.from_environment() if given == [None] else ApiKey(given.pop() or "")
        self._calls = HttpCalls(
            base_url,
            key,
            timeout=timeout,
            retry=retry or Retry(),
            max_retry_after=max_retry_after,
            clock=clock or SystemClock(),
            transport=transport,
        )
        self._url = str(self._calls.base_url)
        self._subscriptions: WeakSet[HttpSubscription] = WeakSet()

    async def publish_events(self, events: Iterable[Event]) -> PublishResult:
        """Keep events; all of them or, when this raises `EventError`, none.

        After any other error they may have been kept all the same; publishing them again is harmless.

        Raises:
            EventError: A payload is not JSON.
            ServiceAccessError: The key is missing or wrong.
            ServiceUnavailableError: No attempt was answered.
            ServiceError: The service answered something else.
            ClosedError: The client is closed.
        """
        call = Call(
            method="POST", path=wire.EVENTS, content=events_to_json(events), media_type=wire.EVENT_BATCH
        )
        body = await self._calls.send(call)
        try:
            return msgspec.json.decode(body, type=PublishResult)
        except msgspec.MsgspecError as error:
            raise self._strange(error) from error

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
        """Return events by order of arrival, a page at a time; `EventServiceClient` says what is what.

        Raises:
            FilterError: The filter document cannot be read.
            QueryError: `after_id` is not there, or another argument makes no sense.
            ServiceError: As for `publish_events`.
            ClosedError: The client is closed.
        """
        query = wire.Query(
            types=listed(types),
            sources=listed(sources),
            start=start,
            end=end,
            after_id=after_id,
            limit=limit,
            sort=sort,
            filter=None if filter is None else read_filter(filter).to_dict(),
        )
        call = Call(method="POST", path=wire.QUERY, content=msgspec.json.encode(query))
        return self._events(await self._calls.send(call))

    async def get_event(self, event_id: str) -> Event | None:
        """Return the event of that id, or None.

        Raises:
            ServiceError: As for `publish_events`.
            ClosedError: The client is closed.
        """
        call = Call(method="GET", path=wire.EVENTS, params=(("id", event_id),))
        try:
            (event,) = self._events(await self._calls.send(call))
        except wire.AbsentError:
            return None
        return event

    def subscribe(
        self, *, types: Names = None, name: str | None = None, filter: FilterLike | None = None
    ) -> HttpSubscription:
        """Return the events that are published from when it is entered, or first asked for one.

        When its connection breaks it comes back, and goes on behind the last event it handed out.

        Args:
            types: Only events of these types.
            name: Continue where the subscription of this name stopped, if there was one.
            filter: Only events that match this filter, or filter document.

        Raises:
            FilterError: The filter document cannot be read.
        """
        wanted = wire.Subscribe(
            types=listed(types),
            name=name,
            filter=None if filter is None else read_filter(filter).to_dict(),
        )
        subscription = HttpSubscription(self._calls, wanted)
        self._subscriptions.add(subscription)
        return subscription

    async def close(self) -> None:
        """Close the client and its subscriptions; closing twice is harmless."""
        try:
            for subscription in list(self._subscriptions):
                await subscription.close()
        finally:
            await self._calls.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"HttpEventServiceClient({self._url!r})"

    def _events(self, body: bytes) -> list[Event]:
        try:
            return events_from_json(body)
        except EventError as error:
            raise self._strange(error) from error

    def _strange(self, error: Exception) -> ServiceError:
        return ServiceError(f"{self._url} answers what is no answer of an event service: {error}")
