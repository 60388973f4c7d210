"""What an event service offers, wherever its events are kept: the protocol and its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypedDict

from evanalytics.event import Event
from evanalytics.filters.filter import Filter

Names = str | Iterable[str] | None
"""One name, several, or None for whatever there is."""
Sort = Literal["asc", "desc"]
FilterLike = Filter | Mapping[str, Any]
"""A filter, or the document of one."""


class QueryArguments(TypedDict, total=False):
    """The keywords of `query_events`, for whoever passes them on."""

    types: Names
    sources: Names
    start: datetime | None
    end: datetime | None
    after_id: str | None
    limit: int
    sort: Sort
    filter: FilterLike | None


NAMED_CONFLICTS = 20
"""How many conflicting ids a result names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """What became of published events: accepted + duplicates = published.

    Attributes:
        accepted: Events that are kept now and were not before.
        duplicates: Events whose id was there already; the first one stays as it is.
        conflicts: Duplicates that differ from what is kept in more than the spelling of
            their JSON: somebody gave one id to two events.
        conflicting_ids: The first of their ids, at most 20.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    conflicting_ids: tuple[str, ...] = ()

    def __add__(self, other: PublishResult) -> PublishResult:
        return PublishResult(
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            conflicts=self.conflicts + other.conflicts,
            conflicting_ids=(self.conflicting_ids + other.conflicting_ids)[:NAMED_CONFLICTS],
        )


class Subscription(Protocol):
    """New events as they are published, one after the other, for one consumer.

    An event is *acknowledged* when the next one is asked for, or by `commit`. A named
    subscription stores its position after every 500 events, whenever it has caught up, at
    `commit` and at `close`; the next one of that name continues behind what was acknowledged.
    So delivery is at least once: what was handed out and not acknowledged, or acknowledged
    and not stored when the process was killed, is handed out again.

    A consumer that lags holds one page of events, not a growing queue, and slows nobody down.
    Cancelling a wait loses nothing. Iteration ends once the subscription or its service is closed.
    """

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...

    async def commit(self) -> None:
        """Acknowledge everything handed out so far, and store the position."""
        ...

    async def close(self) -> None:
        """Store the position and end the iteration; the event in hand stays unacknowledged."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class EventServiceClient(Protocol):
    """Keeps events under ids that are unique for ever, in the order in which they came.

    Every method but `subscribe` is a coroutine; `async with` closes the client at the end.
    """

    async def publish_events(self, events: Iterable[Event]) -> PublishResult:
        """Keep events; all of them or, when this raises, none.

        Once it has returned, they outlive the process. An id that is there already changes
        nothing, so publishing again after a failure is harmless.
        """
        ...

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
            filter: Only events that match this filter, or filter document.
        """
        ...

    async def get_event(self, event_id: str) -> Event | None:
        """Return the event of that id, or None."""
        ...

    def subscribe(
        self, *, types: Names = None, name: str | None = None, filter: FilterLike | None = None
    ) -> Subscription:
        """Return the events that are published from now on.

        Args:
            types: Only events of these types.
            name: Continue where the subscription of this name stopped, if there was one.
            filter: Only events that match this filter, or filter document.
        """
        ...

    async def close(self) -> None:
        """Close the client and its subscriptions; closing twice is harmless."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
