"""Subscriptions over HTTP: in order, without gaps, whatever the connection does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evanalytics.delivery.policy import Retry
from evanalytics.exceptions import ServiceError, ServiceUnavailableError
from evanalytics.service import EmbeddedEventService, Subscription
from evanalytics.service.http import HttpEventServiceClient
from evanalytics.service.server import event_app
from evanalytics.service.wire import SUBSCRIBE
from tests.service.served import AT_ONCE, at_port, event, in_another_process


@asynccontextmanager
async def served(
    service: EmbeddedEventService | None = None, **options: Any
) -> AsyncIterator[tuple[HttpEventServiceClient, str]]:
    """Give a client of a service behind a real port, and the URL."""
    async with service or EmbeddedEventService() as kept:
        app = event_app(kept, **options)
        async with at_port(app) as url, HttpEventServiceClient(url, retry=AT_ONCE) as client:
            yield client, url
            await client.close()
            app.state.feeds.end_all()


async def take(subscription: Subscription, count: int) -> str:
    return "".join([(await anext(subscription)).id for _ in range(count)])


async def test_it_begins_with_what_is_published_after_it_is_entered() -> None:
    async with served() as (client, _):
        await client.publish_events([event("a")])
        async with client.subscribe() as subscription:
            await client.publish_events([event("b"), event("c")])

            assert await take(subscription, 2) == "bc"


async def test_a_waiting_consumer_gets_events_as_they_are_published() -> None:
    async with served() as (client, _), client.subscribe() as subscription:
        waiting = asyncio.ensure_future(take(subscription, 2))
        await client.publish_events([event("a")])
        await client.publish_events([event("b")])

        assert await waiting == "ab"


async def test_types_and_a_filter_choose() -> None:
    wanted: dict[str, Any] = {"types": ["order"], "filter": {"data.total": {"$gt": 1}}}
    async with served() as (client, _), client.subscribe(**wanted) as subscription:
        totals = [event("a", data={"total": 1}), event("b", data={"total": 2}), event("c", type="click")]
        await client.publish_events([*totals, event("d", data={"total": 3})])

        assert await take(subscription, 2) == "bd"


async def test_more_than_a_page_comes_in_order() -> None:
    events = [event(number) for number in range(2_345)]
    async with served() as (client, _), client.subscribe() as subscription:
        await client.publish_events(events)
        taken = [(await anext(subscription)).id for _ in events]

    assert taken == [one.id for one in events]


async def test_a_name_goes_on_behind_what_was_acknowledged() -> None:
    async with served() as (client, _):
        async with client.subscribe(name="billing") as first:
            await client.publish_events([event(name) for name in "abc"])
            begun = await take(first, 2)  # asking for b acknowledges a
        async with client.subscribe(name="billing") as second:
            again = await take(second, 2)
            await second.commit()
        async with client.subscribe(name="billing") as third:
            await client.publish_events([event("d")])

            assert (begun, again, await take(third, 1)) == ("ab", "bc", "d")


async def test_a_new_name_is_known_from_its_beginning_on() -> None:
    async with served() as (client, _):
        async with client.subscribe(name="billing"):
            pass
        await client.publish_events([event("a")])
        async with client.subscribe(name="billing") as subscription:
            assert await take(subscription, 1) == "a"


async def test_a_name_is_open_once() -> None:
    async with served() as (client, _), client.subscribe(name="billing"):
        with pytest.raises(ServiceError, match="subscription 'billing' is open already"):
            await anext(client.subscribe(name="billing"))


async def test_a_name_is_free_again_once_its_consumer_is_gone() -> None:
    async with served() as (client, url):
        async with HttpEventServiceClient(url) as other:
            await other.subscribe(name="billing").__aenter__()
        async with asyncio.timeout(60):
            while True:  # until the server has seen that the connection is gone
                try:
                    await client.subscribe(name="billing").__aenter__()
                    break
                except ServiceError:
                    await asyncio.sleep(0)


async def test_cancelling_a_wait_loses_nothing() -> None:
    chance = random.Random(0)
    events = [event(number) for number in range(200)]
    taken = list[str]()
    async with served() as (client, _), client.subscribe() as subscription:
        publishing = asyncio.create_task(publish_slowly(client, events))
        while len(taken) < len(events):
            waiting = asyncio.ensure_future(anext(subscription))
            for _ in range(chance.randint(0, 30)):
                await asyncio.sleep(0)
            waiting.cancel()
            try:
                taken.append((await waiting).id)
            except asyncio.CancelledError:
                continue
        await publishing

    assert taken == [one.id for one in events]


async def publish_slowly(client: HttpEventServiceClient, events: list[Any]) -> None:
    for first in range(0, len(events), 7):
        await client.publish_events(events[first : first + 7])


class CutFeeds:
    """Cuts every subscription after some bytes, in the middle of a line as often as not."""

    def __init__(self, app: ASGIApp, chance: random.Random) -> None:
        self.app, self.chance, self.cuts = app, chance, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = self.chance.randint(0, 3_000) if scope.get("path") == SUBSCRIBE else 10**9

        async def some(message: Message) -> None:
            nonlocal left
            body = message.get("body", b"")
            await send(message | {"body": body[:left]} if "body" in message else message)
            left -= len(body)
            if left < 0:
                self.cuts += 1
                raise ConnectionAbortedError("cut")

        await self.app(scope, receive, some)


async def test_a_connection_that_breaks_is_resumed_without_gap_or_double() -> None:
    events = [event(number, data={"n": number}) for number in range(300)]
    async with EmbeddedEventService() as service:
        app = event_app(service)
        cut = CutFeeds(app, random.Random(3))
        retry = Retry(max_attempts=50, base="1ms", max_delay="1ms")
        async with at_port(cut) as url, HttpEventServiceClient(url, retry=retry) as client:
            async with client.subscribe(name="all") as subscription:
                await client.publish_events(events)
                taken = [(await anext(subscription)).id for _ in events]
            app.state.feeds.end_all()

    assert cut.cuts > 10
    assert taken == [one.id for one in events]


async def test_a_server_that_comes_back_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    retry = Retry(max_attempts=200, base="50ms", factor=1)
    with in_another_process(path) as (_, url):
        port = int(url.rpartition(":")[2])
        client = HttpEventServiceClient(url, retry=retry)
        subscription = await client.subscribe().__aenter__()
        await client.publish_events([event("a")])
        first = await take(subscription, 1)
    waiting = asyncio.ensure_future(take(subscription, 1))
    with in_another_process(path, port=port):
        await client.publish_events([event("b")])

        assert (first, await waiting) == ("a", "b")
        await client.close()


async def test_a_server_that_does_not_come_back_is_an_error() -> None:
    async with EmbeddedEventService() as service:
        app = event_app(service)
        async with at_port(app) as url:
            client = HttpEventServiceClient(url, retry=AT_ONCE)
            subscription = await client.subscribe().__aenter__()
            app.state.feeds.end_all()
    with pytest.raises(ServiceUnavailableError):
        await anext(subscription)
    await client.close()


async def test_silence_is_broken_by_the_position() -> None:
    async with (
        served(heartbeat="1ms") as (client, _),
        client.subscribe(types="click", name="clicks") as clicks,
    ):
        waiting = asyncio.ensure_future(anext(clicks))
        await client.publish_events([event("a")])  # no click, so only its position is told
        async with asyncio.timeout(60):
            while vars(clicks)["_told"] != 0:
                await asyncio.sleep(0)
        waiting.cancel()


async def test_closing_ends_the_iteration_of_a_task_that_waits() -> None:
    async with served() as (client, _):
        subscription = client.subscribe()
        waiting = asyncio.ensure_future(collect(subscription))
        while vars(subscription)["_told"] is None:
            await asyncio.sleep(0)
        await client.publish_events([event("a")])
        while vars(subscription)["_told"] != 0:  # the position of that event
            await asyncio.sleep(0)
        await subscription.close()

        assert await waiting == ["a"]


async def collect(subscription: Subscription) -> list[str]:
    return [one.id async for one in subscription]
