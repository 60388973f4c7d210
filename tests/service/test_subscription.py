from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evanalytics.clock import settle
from evanalytics.event import Event
from evanalytics.exceptions import ClosedError, ServiceError
from evanalytics.service import EmbeddedEventService, Subscription
from evanalytics.service.rows import frame_of_events
from evanalytics.service.selection import Selection
from evanalytics.service.store import EventStore
from evanalytics.service.subscription import StoreSubscription


def event(event_id: object, **attributes: Any) -> Event:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Event(**{"id": str(event_id), "type": "order", "source": "shop", "time": noon} | attributes)


async def take(subscription: Subscription, count: int) -> str:
    return "".join([(await anext(subscription)).id for _ in range(count)])


async def test_a_subscription_begins_with_what_is_published_after_it() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events([event("a")])
        subscription = service.subscribe()
        await service.publish_events([event("b"), event("c")])

        assert await take(subscription, 2) == "bc"


async def test_a_waiting_consumer_is_woken_by_a_publisher() -> None:
    async with EmbeddedEventService() as service:
        waiting = asyncio.ensure_future(take(service.subscribe(), 1))
        await asyncio.sleep(0)
        await service.publish_events([event("a")])

        assert await waiting == "a"


async def test_a_waiting_consumer_is_woken_by_another_service_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"

    async with EmbeddedEventService(path) as here, EmbeddedEventService(path) as there:
        waiting = asyncio.ensure_future(take(here.subscribe(), 1))
        await asyncio.sleep(0)
        await there.publish_events([event("a")])

        assert await waiting == "a"


async def test_a_waiting_consumer_is_woken_from_another_thread(tmp_path: Path) -> None:
    async def publish() -> None:
        async with EmbeddedEventService(tmp_path / "events.duckdb") as service:
            await service.publish_events([event("a")])

    async with EmbeddedEventService(tmp_path / "events.duckdb") as service:
        waiting = asyncio.ensure_future(take(service.subscribe(), 1))
        await asyncio.sleep(0)
        publisher = threading.Thread(target=asyncio.run, args=[publish()])
        publisher.start()

        assert await waiting == "a"
        await asyncio.to_thread(publisher.join)


async def test_a_consumer_that_has_caught_up_reads_no_more_until_events_are_added() -> None:
    reads = list[str]()

    async def at_once(call: Callable[..., Any], *arguments: Any) -> Any:
        reads.append(call.__name__)
        return call(*arguments)

    store = EventStore(":memory:", memory_limit="1GB")
    subscription = StoreSubscription(store, selection=Selection(), name=None, read=at_once, write=at_once)
    waiting = asyncio.ensure_future(take(subscription, 3))
    await settle()
    store.append(frame_of_events([event("a"), event("b")]))
    await settle()

    assert len(reads) == 3  # nothing, then both, then nothing
    waiting.cancel()
    store.close()


async def test_a_published_duplicate_is_not_delivered() -> None:
    async with EmbeddedEventService() as service:
        subscription = service.subscribe()
        await service.publish_events([event("a")])
        await service.publish_events([event("a"), event("b")])

        assert await take(subscription, 2) == "ab"


async def test_only_events_of_the_types_are_delivered() -> None:
    async with EmbeddedEventService() as service:
        subscription = service.subscribe(types="payment")
        await service.publish_events([event("a"), event("b", type="payment"), event("c")])
        await service.publish_events([event("d"), event("e", type="payment")])

        assert await take(subscription, 2) == "be"


async def test_a_slow_consumer_misses_nothing_however_far_behind() -> None:
    async with EmbeddedEventService() as service:
        subscription = service.subscribe()
        await service.publish_events(map(event, range(2_000)))

        assert [int((await anext(subscription)).id) for _ in range(2_000)] == list(range(2_000))


async def test_each_subscription_gets_every_event() -> None:
    async with EmbeddedEventService() as service:
        one, two = service.subscribe(name="one"), service.subscribe(name="two")
        await service.publish_events([event("a"), event("b")])

        assert (await take(one, 2), await take(two, 2)) == ("ab", "ab")


async def test_a_cancelled_wait_loses_nothing() -> None:
    async with EmbeddedEventService() as service:
        subscription = service.subscribe()
        for _ in range(3):
            waiting = asyncio.ensure_future(anext(subscription))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await service.publish_events([event("a"), event("b")])

        assert await take(subscription, 2) == "ab"


async def test_a_named_subscription_goes_on_behind_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"

    async with EmbeddedEventService(path) as service:
        subscription = service.subscribe(name="billing")
        await service.publish_events(map(event, "abcd"))
        assert await take(subscription, 3) == "abc"  # asking for c has acknowledged b
    async with EmbeddedEventService(path) as service:
        assert await take(service.subscribe(name="billing"), 2) == "cd"


async def test_commit_acknowledges_the_event_in_hand(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"

    async with EmbeddedEventService(path) as service:
        subscription = service.subscribe(name="billing")
        await service.publish_events(map(event, "abcd"))
        assert await take(subscription, 3) == "abc"
        await subscription.commit()
    async with EmbeddedEventService(path) as service:
        assert await take(service.subscribe(name="billing"), 1) == "d"


async def test_a_new_name_misses_nothing_between_its_first_and_second_run(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"

    async with EmbeddedEventService(path) as service:
        await service.publish_events([event("a")])
        service.subscribe(name="billing")
        await service.publish_events([event("b")])
    async with EmbeddedEventService(path) as service:
        await service.publish_events([event("c")])

        assert await take(service.subscribe(name="billing"), 2) == "bc"


async def test_a_loop_that_breaks_off_can_be_taken_up_again() -> None:
    async with EmbeddedEventService() as service:
        async with service.subscribe(name="billing") as subscription:
            await service.publish_events(map(event, "abc"))
            async for one in subscription:
                if one.id == "b":
                    break

        assert await take(service.subscribe(name="billing"), 2) == "bc"


async def test_a_name_can_be_open_once() -> None:
    async with EmbeddedEventService() as service:
        async with service.subscribe(name="billing"):
            with pytest.raises(ServiceError, match="subscription 'billing' is open already"):
                service.subscribe(name="billing")

        service.subscribe(name="billing")


async def test_closing_a_subscription_ends_its_loop() -> None:
    async with EmbeddedEventService() as service:
        subscription = service.subscribe()

        async def consume() -> list[str]:
            return [one.id async for one in subscription]

        consumer = asyncio.ensure_future(consume())
        await asyncio.sleep(0)
        await subscription.close()

        assert await consumer == []


@pytest.mark.parametrize("passes", [0, 1, 5])
async def test_closing_the_service_ends_its_subscriptions(passes: int) -> None:
    service = EmbeddedEventService()
    subscription = service.subscribe(name="billing")
    await service.publish_events([event("a")])
    got = list[str]()

    async def consume() -> None:
        got.extend([one.id async for one in subscription])

    consumer = asyncio.ensure_future(consume())
    for _ in range(passes):
        await asyncio.sleep(0)
    await service.close()
    await consumer

    assert got in ([], ["a"])


async def test_a_closed_service_takes_no_subscription() -> None:
    service = EmbeddedEventService()
    await service.close()

    with pytest.raises(ClosedError):
        service.subscribe()


async def test_a_publisher_is_not_disturbed_by_a_consumer_whose_loop_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    here = EmbeddedEventService(path)
    subscription = here.subscribe()

    async def wait_a_little() -> None:
        waiting = asyncio.ensure_future(anext(subscription))
        await settle()
        waiting.cancel()

    await asyncio.to_thread(asyncio.run, wait_a_little())

    assert (await here.publish_events([event("a")])).accepted == 1
    await here.close()
