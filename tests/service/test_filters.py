"""`filter=` in queries and subscriptions: pages of what matches, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evanalytics.event import Event
from evanalytics.exceptions import FilterError
from evanalytics.filters.bounds import Bounds
from evanalytics.filters.filter import filter
from evanalytics.service import EmbeddedEventService
from tests.filters.random_filters import Randoms

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def event(number: int, **attributes: Any) -> Event:
    given = {
        "id": str(number),
        "type": "order",
        "source": "shop",
        "time": NOON + number * SECOND,
        "data": {"n": number, "tags": [number % 3]},
    }
    return Event(**given | attributes)


async def test_a_query_returns_what_matches() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events(event(n) for n in range(20))

        found = await service.query_events(filter={"data.tags": 1, "data.n": {"$gt": 5}})

    assert [e.id for e in found] == ["7", "10", "13", "16", "19"]


async def test_pages_follow_each_other_whatever_lies_between() -> None:
    chosen = filter({"data.n": {"$mod": [700, 0]}})
    async with EmbeddedEventService() as service:
        await service.publish_events(event(n) for n in range(5_000))
        first = await service.query_events(filter=chosen, limit=3)
        second = await service.query_events(filter=chosen, limit=3, after_id=first[-1].id)
        last = await service.query_events(filter=chosen, limit=2, sort="desc")

    assert [e.data["n"] for e in first + second] == [0, 700, 1400, 2100, 2800, 3500]
    assert [e.data["n"] for e in last] == [4900, 4200]


async def test_a_filter_goes_along_with_the_other_arguments() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events(event(n, type="even" if n % 2 == 0 else "odd") for n in range(10))

        found = await service.query_events(
            types=["even", "odd"],
            start=NOON + 2 * SECOND,
            filter={"type": "even", "time": {"$lte": NOON + 6 * SECOND}},
        )

    assert [e.id for e in found] == ["2", "4", "6"]


async def test_random_filters_find_what_the_predicate_finds() -> None:
    randoms = Randoms(3, wild=True)
    async with EmbeddedEventService() as service:
        await service.publish_events(randoms.event(n) for n in range(100))
        kept = await service.query_events(limit=1_000)

        for _ in range(100):
            chosen = filter(randoms.filter())
            found = await service.query_events(filter=chosen, limit=1_000)
            assert [e.id for e in found] == [e.id for e in kept if chosen(e)], chosen


async def test_a_subscription_gives_what_matches() -> None:
    async with EmbeddedEventService() as service:
        odd = service.subscribe(filter={"data.n": {"$mod": [2, 1]}}, name="odd")
        await service.publish_events(event(n) for n in range(6))

        assert [(await anext(odd)).id for _ in range(3)] == ["1", "3", "5"]


async def test_a_document_that_cannot_be_read_is_refused() -> None:
    async with EmbeddedEventService() as service:
        with pytest.raises(FilterError, match="unknown operator"):
            await service.query_events(filter={"data.n": {"$near": 1}})
        with pytest.raises(FilterError, match="did you mean"):
            service.subscribe(filter={"typ": "x"})


@pytest.mark.parametrize(
    ("document", "bounds"),
    [
        ({"type": {"$in": ["a", "b"]}, "source": "s"}, Bounds(types=frozenset("ab"), sources=frozenset("s"))),
        (
            {"time": {"$gt": NOON, "$lte": NOON + SECOND}},
            Bounds(start=NOON + SECOND / 1_000_000, end=NOON + SECOND * 1.000001),
        ),
        ({"time": {"$gte": NOON, "$lt": NOON + SECOND}}, Bounds(start=NOON, end=NOON + SECOND)),
        ({"time": NOON}, Bounds(start=NOON, end=NOON + SECOND / 1_000_000)),
        ({"$or": [{"type": "a"}, {"source": "s"}]}, Bounds()),
        ({"type": {"$ne": "a"}, "data.n": 1}, Bounds()),
        ({"time": {"$lte": datetime.max.replace(tzinfo=UTC)}}, Bounds()),
    ],
)
def test_what_a_filter_says_of_type_source_and_time(document: Any, bounds: Bounds) -> None:
    assert filter(document).bounds == bounds
