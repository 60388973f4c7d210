from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.event import Event
from evanalytics.exceptions import BloomError, ClosedError, FilterError, ServiceError
from evanalytics.filters import filter
from evanalytics.lookup.existence import EventFilterService, TierCounts
from evanalytics.service.embedded import EmbeddedEventService

TIME = datetime(2026, 1, 1, tzinfo=UTC)


class CountingService(EmbeddedEventService):
    """The real service, which counts what it is asked and can lose its connection."""

    def __init__(self):
        super().__init__()
        self.asked, self.pages, self.is_down = [], 0, False

    async def get_event(self, event_id):
        self.asked.append(event_id)
        if self.is_down:
            raise ServiceError("the connection was lost")
        return await super().get_event(event_id)

    async def query_events(self, **options):
        self.pages += 1
        if self.is_down:
            raise ServiceError("the connection was lost")
        return await super().query_events(**options)


def events(start, stop):
    return [
        Event(id=f"order-{n}", type="order.created", source="shop", time=TIME) for n in range(start, stop)
    ]


async def filled(client, count=2_500, **options):
    await client.publish_events(events(0, count))
    service = EventFilterService(client, **options)
    await service.ready(progress=False)
    return service


async def test_the_index_is_filled_in_pages_of_a_thousand():
    async with CountingService() as client:
        await filled(client)

        assert client.pages == 4


async def test_every_event_of_the_service_exists():
    async with CountingService() as client:
        service = await filled(client)

        assert all([await service.does_event_exist(f"order-{n}") for n in range(2_500)])


async def test_an_absent_id_costs_no_lookup():
    async with CountingService() as client:
        service = await filled(client, index=BloomFilterIndex(1e-9, 10_000))
        exists = await service.does_event_exist("nothing")

        assert (exists, client.asked, service.counts) == (False, [], TierCounts(bloom=1))


async def test_a_recent_id_costs_no_lookup():
    async with CountingService() as client:
        service = await filled(client)
        exists = await service.does_event_exist("order-2499")

        assert (exists, client.asked, service.counts) == (True, [], TierCounts(recent=1))


async def test_an_older_id_is_looked_up():
    async with CountingService() as client:
        service = await filled(client, recent=100)
        exists = await service.does_event_exist("order-0")

        assert (exists, client.asked, service.counts) == (True, ["order-0"], TierCounts(present=1))


async def test_a_mistaken_filter_is_put_right_by_the_lookup():
    async with CountingService() as client:
        service = await filled(client, index=BloomFilterIndex(0.5, 2_500), recent=0)
        answers = [await service.does_event_exist(f"nothing-{n}") for n in range(100)]

        assert not any(answers)
        assert service.counts.absent > 0
        assert service.counts.absent + service.counts.bloom == 100


async def test_before_it_is_ready_the_filter_does_not_answer():
    async with CountingService() as client:
        await client.publish_events(events(0, 1))
        service = EventFilterService(client)

        assert await service.does_event_exist("order-0")
        assert not await service.does_event_exist("order-1")
        assert service.counts == TierCounts(present=1, absent=1)


async def test_a_new_event_is_known_at_once():
    async with CountingService() as client:
        service = await filled(client, 10)
        service.process_new_event(events(10, 11)[0])

        assert await service.does_event_exist("order-10")
        assert client.asked == []


async def test_ready_again_reads_only_what_came_since():
    async with CountingService() as client:
        service = await filled(client)
        await client.publish_events(events(2_500, 2_503))

        assert await service.ready(progress=False) == 3
        assert await service.does_event_exist("order-2502")


@pytest.mark.parametrize("adder", ["page", "new event"])
async def test_the_oldest_recent_id_goes_out_whatever_adds(adder):
    async with CountingService() as client:
        service = await filled(client, 5, recent=3)
        if adder == "new event":
            service.process_new_event(events(5, 6)[0])
        oldest = "order-2" if adder == "new event" else "order-1"
        await service.does_event_exist(oldest)

        assert service.counts.recent == 0


async def test_an_id_that_comes_again_counts_as_recent():
    async with CountingService() as client:
        service = await filled(client, 3, recent=3)
        service.process_new_event(events(0, 1)[0])
        service.process_new_event(events(9, 10)[0])
        await service.does_event_exist("order-0")

        assert service.counts.recent == 1


@pytest.mark.parametrize("wrong", [7, b"order-0", None, ["order-0"]], ids=str)
async def test_an_id_that_is_no_text_is_refused(wrong):
    async with CountingService() as client:
        service = await filled(client, 1)

        with pytest.raises(BloomError, match="event_id: needs text, got"):
            await service.does_event_exist(wrong)


async def test_a_failing_lookup_is_raised():
    async with CountingService() as client:
        service = await filled(client, 10, recent=0)
        client.is_down = True

        with pytest.raises(ServiceError, match="the connection was lost"):
            await service.does_event_exist("order-0")


async def test_a_failing_lookup_is_not_counted():
    async with CountingService() as client:
        service = await filled(client, 10, recent=0)
        client.is_down = True
        with pytest.raises(ServiceError):
            await service.does_event_exist("order-0")

        assert service.counts == TierCounts()


async def test_a_closed_service_is_no_absent_event():
    client = CountingService()
    service = await filled(client, 10, recent=0)
    await client.close()

    with pytest.raises(ClosedError):
        await service.does_event_exist("order-0")


async def test_filling_goes_on_behind_what_was_read():
    async with CountingService() as client:
        await client.publish_events(events(0, 1_500))
        service = EventFilterService(client)
        client.is_down = True
        with pytest.raises(ServiceError):
            await service.ready(progress=False)
        client.is_down = False

        assert (service.is_ready, await service.ready(progress=False)) == (False, 1_500)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Binary], ids=str)
async def test_an_index_of_other_ids_is_refused(dtype):
    async with CountingService() as client:
        with pytest.raises(BloomError, match="index: needs an empty one of String ids"):
            EventFilterService(client, BloomFilterIndex(dtype=dtype))


async def test_an_index_that_holds_ids_is_refused():
    index = BloomFilterIndex(capacity=10)
    index.add("a")
    async with CountingService() as client:
        with pytest.raises(BloomError, match="index: needs an empty one of String ids"):
            EventFilterService(client, index)


def orders(count):
    """Orders by the minute, of alternating types and countries."""
    return [
        Event(
            id=f"order-{n}",
            type="order.created" if n % 2 else "order.paid",
            source="shop" if n < 8 else "kiosk",
            time=TIME.replace(minute=n),
            data={"country": ("DE", "FR", "PL")[n % 3], "total": n},
        )
        for n in range(count)
    ]


CONDITIONS = {
    "types": ({"types": "order.created"}, [1, 3, 5, 7, 9, 11]),
    "several types": ({"types": ["order.created", "order.paid"]}, list(range(12))),
    "sources": ({"sources": ["kiosk"]}, [8, 9, 10, 11]),
    "after and before": ({"after": TIME.replace(minute=3), "before": TIME.replace(minute=6)}, [4, 5]),
    "a value": ({"data": {"country": "FR"}}, [1, 4, 7, 10]),
    "one of several values": ({"data": {"country": ["FR", "PL"]}}, [1, 2, 4, 5, 7, 8, 10, 11]),
    "operators": ({"data": {"total": {"$gte": 10}}}, [10, 11]),
    "all at once": ({"types": "order.created", "sources": "shop", "data": {"data.country": "FR"}}, [1, 7]),
    "none": ({}, list(range(12))),
}


@pytest.mark.parametrize(("conditions", "expected"), CONDITIONS.values(), ids=CONDITIONS)
async def test_an_optimized_filter_finds_what_its_conditions_say(conditions, expected):
    async with EmbeddedEventService() as client:
        await client.publish_events(orders(12))
        service = EventFilterService(client)
        found = await service.query_with_optimized_filter(
            service.create_optimized_filter(**conditions), sort="asc"
        )

        assert [event.data["total"] for event in found] == expected


async def test_a_query_begins_with_what_came_last():
    async with EmbeddedEventService() as client:
        await client.publish_events(orders(12))
        found = await EventFilterService(client).query_with_optimized_filter({"type": "order.paid"}, limit=2)

        assert [event.id for event in found] == ["order-10", "order-8"]


async def test_a_filter_is_optimized():
    async with EmbeddedEventService() as client:
        service = EventFilterService(client)

        assert service.create_optimized_filter(types=["a", "a"]) == filter({"type": "a"})


async def test_a_condition_that_makes_no_sense_is_refused():
    async with EmbeddedEventService() as client:
        with pytest.raises(FilterError, match="filter at time"):
            EventFilterService(client).create_optimized_filter(after="yesterday")
