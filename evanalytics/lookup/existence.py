"""Whether a service has an event, by the cheapest of three tiers that can tell; and which it has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.scalable import ScalableBloomFilterIndex
from evanalytics.event import Event
from evanalytics.exceptions import BloomError
from evanalytics.filters.builder import EventFilterBuilder
from evanalytics.filters.filter import Filter
from evanalytics.filters.filter import filter as read_filter
from evanalytics.service.client import EventServiceClient, FilterLike, Names, Sort

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class TierCounts:
    """Which tier answered how often.

    Attributes:
        recent: Yes, from the exact ids seen last.
        bloom: No, from the filter: surely absent.
        present: Yes, from an exact lookup in the service.
        absent: No, from an exact lookup: the filter was mistaken, or not ready yet.
    """

    recent: int = 0
    bloom: int = 0
    present: int = 0
    absent: int = 0

    @property
    def lookups(self) -> int:
        """How many questions went to the service."""
        return self.present + self.absent


class EventFilterService:
    """Answers whether a service has an event, without asking it more than it must.

    Recent ids, exact and bounded (yes is certain) -> Bloom filter (no is certain) -> exact
    lookup. The filter answers only once it has been filled: before `ready()` every id that is
    not recent is looked up. "Absent" means absent from what was read so far and what was handed
    to `process_new_event`; others who publish to the same service are caught up with by calling
    `ready()` again, which reads only what came since.

    A lookup that fails is raised, never taken for "absent".

    Attributes:
        index: The filter.

    Example:
        >>> import asyncio
        >>> from datetime import UTC, datetime
        >>> from evanalytics.service.embedded import EmbeddedEventService
        >>> async def main() -> None:
        ...     async with EmbeddedEventService() as client:
        ...         await client.publish_events([
        ...             Event(id="1", type="order.created", source="shop", time=datetime.now(UTC))
        ...         ])
        ...         service = EventFilterService(client)
        ...         await service.ready(progress=False)
        ...         print(await service.does_event_exist("1"), await service.does_event_exist("2"))
        >>> asyncio.run(main())
        True False
    """

    def __init__(
        self,
        client: EventServiceClient,
        index: BloomFilterIndex | ScalableBloomFilterIndex | None = None,
        *,
        recent: int = 10_000,
    ) -> None:
        """Put the tiers in front of a service.

        Args:
            client: The service; it stays the caller's to close.
            index: An empty filter of String ids; one that grows if left out.
            recent: How many exact ids are kept; the oldest goes out, whatever adds to them.

        Raises:
            BloomError: The index holds something else than String ids, or already holds some.
        """
        self.index = ScalableBloomFilterIndex() if index is None else index
        if self.index.dtype != pl.String or self.index.count:
            raise BloomError(
                f"index: needs an empty one of String ids, got {self.index!r}: only what the service "
                "has may be in it"
            )
        if recent < 0:
            raise BloomError(f"recent: needs a number of ids of at least 0, got {recent!r}")
        self._client = client
        self._most_recent = recent
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._last_id: str | None = None
        self._is_ready = False
        self._counts = {"recent": 0, "bloom": 0, "present": 0, "absent": 0}

    @property
    def is_ready(self) -> bool:
        """Whether the filter has been filled."""
        return self._is_ready

    @property
    def counts(self) -> TierCounts:
        """Which tier answered how often so far."""
        return TierCounts(**self._counts)

    async def ready(self, *, progress: bool = True) -> int:
        """Fill the filter from the service, in pages of 1,000 events; return how many were read.

        Called again it reads only what was published since. When it fails, what was read stays,
        and the next call goes on behind it.

        Args:
            progress: Show a progress bar.

        Raises:
            ServiceError: A page could not be read.
        """
        from tqdm.auto import tqdm

        read = 0
        with tqdm(desc="indexing ids", unit=" events", unit_scale=True, disable=not progress) as bar:
            while page := await self._client.query_events(after_id=self._last_id, limit=_PAGE, sort="asc"):
                ids = [event.id for event in page]
                self.index.add_many(pl.Series("id", ids, dtype=pl.String))
                self._remember(ids)
                self._last_id = ids[-1]
                read += len(ids)
                bar.update(len(ids))
        self._is_ready = True
        return read

    async def does_event_exist(self, event_id: str) -> bool:
        """Return whether the service has an event of this id.

        Raises:
            BloomError: The id is no text.
            ServiceError: The lookup failed, so that nobody knows.
        """
        if not isinstance(event_id, str):
            raise BloomError(f"event_id: needs text, got {event_id!r}")
        if event_id in self._recent:
            return self._answer("recent", True)
        might_exist = self.index.might_contain(event_id)
        if self._is_ready and not might_exist:
            return self._answer("bloom", False)
        exists = await self._client.get_event(event_id) is not None
        return self._answer("present" if exists else "absent", exists)

    def process_new_event(self, event: Event) -> None:
        """Take note of an event that the service has accepted."""
        self.index.add(event.id)
        self._remember([event.id])

    def create_optimized_filter(
        self,
        *,
        types: Names = None,
        sources: Names = None,
        after: datetime | str | None = None,
        before: datetime | str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Filter:
        """Return the filter of all these conditions in its quickest form; none given match everything.

        Args:
            types: Only events of these types.
            sources: Only events of these sources.
            after: Only events later than this instant.
            before: Only events earlier than this instant.
            data: Payload path to the value it must have, to operators such as `{"$gt": 5}`, or
                to a list of which it must have one.

        Raises:
            FilterError: It says at which key, what was found and what would do.
        """
        builder = EventFilterBuilder()
        if types is not None:
            builder = builder.with_types(types)
        if sources is not None:
            builder = builder.with_sources(sources)
        if after is not None:
            builder = builder.after(after)
        if before is not None:
            builder = builder.before(before)
        for path, value in (data or {}).items():
            add = builder.with_data_field_in if isinstance(value, list | tuple) else builder.with_data_field
            builder = add(path, value)
        return builder.build().optimized()

    async def query_with_optimized_filter(
        self, condition: FilterLike, *, limit: int = 100, sort: Sort = "desc"
    ) -> list[Event]:
        """Return the events of the service that match, the latest to arrive first.

        Args:
            condition: A filter, such as `create_optimized_filter` returns, or the document of one.
            limit: At most so many events, from 1 to 10,000.
            sort: "desc" begins with the event that came last, "asc" with the first.

        Raises:
            FilterError: The document cannot be read.
            QueryError: The limit or the order makes no sense.
            ServiceError: The service could not be asked.
        """
        chosen = read_filter(condition).optimized()
        return await self._client.query_events(filter=chosen, limit=limit, sort=sort)

    def _answer(self, tier: str, exists: bool) -> bool:
        self._counts[tier] += 1
        return exists

    def _remember(self, ids: Iterable[str]) -> None:
        """Keep ids as the most recent ones; an id that comes again counts as new."""
        for id in ids:
            self._recent.pop(id, None)
            self._recent[id] = None
        while len(self._recent) > self._most_recent:
            self._recent.popitem(last=False)
