"""The client over HTTP: the same as embedded, and what it does when answers do not come."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evanalytics.clock import ManualClock
from evanalytics.delivery.policy import Retry
from evanalytics.exceptions import (
    ClosedError,
    EventError,
    FilterError,
    QueryError,
    ServiceAccessError,
    ServiceError,
    ServiceUnavailableError,
)
from evanalytics.filters.filter import filter as read_filter
from evanalytics.service import EmbeddedEventService
from evanalytics.service.api_key import ApiKey
from evanalytics.service.http import HttpEventServiceClient
from evanalytics.service.server import event_app
from tests.service.served import AT_ONCE, NOON, URL, at_port, client_of, event, in_process

KEY = "k-3f9a71c2d8"


class Answers:
    """An application that gives the answers it was told to, one after the other, and counts."""

    def __init__(self, *answers: tuple[int, bytes, dict[str, str]]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body, headers = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


ACCEPTED = (200, b'{"accepted":1,"duplicates":0,"conflicts":0,"conflicting_ids":[]}', {})


async def test_what_is_published_is_returned_whole() -> None:
    sent = event(
        "a/b?c", data={"total": 5, "tags": ["x", None]}, subject="s", extensions={"traceparent": "00-1"}
    )

    async with in_process() as client:
        result = await client.publish_events([sent])
        back = await client.get_event("a/b?c")

    assert (result.accepted, result.duplicates) == (1, 0)
    assert back == sent


async def test_an_absent_event_is_none() -> None:
    async with in_process() as client:
        assert await client.get_event("nowhere") is None


async def test_another_service_at_that_url_is_an_error_and_no_absence() -> None:
    async with client_of(Answers((404, b"<html>", {"server": "nginx"}))) as client:
        with pytest.raises(ServiceError, match="nginx answered 404 and nothing that this client knows"):
            await client.get_event("a")


async def test_publishing_twice_tells_duplicates_and_conflicts() -> None:
    async with in_process() as client:
        await client.publish_events([event("a"), event("b")])
        result = await client.publish_events([event("a"), event("b", data=1), event("c")])

    assert (result.accepted, result.duplicates, result.conflicting_ids) == (1, 2, ("b",))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, "abcd"),
        ({"types": "order"}, "acd"),
        ({"types": ["order", "click"], "limit": 2}, "ab"),
        ({"sources": ("shop",), "sort": "desc"}, "dcba"),
        ({"start": NOON + timedelta(hours=1)}, "cd"),
        ({"end": NOON + timedelta(hours=1)}, "ab"),
        ({"after_id": "b"}, "cd"),
        ({"filter": {"data.total": {"$gt": 1}}}, "cd"),
        ({"filter": read_filter({"type": "click"})}, "b"),
    ],
)
async def test_a_query_means_what_it_means_to_an_embedded_service(query: dict[str, Any], ids: str) -> None:
    events = [
        event("a", data={"total": 0}),
        event("b", type="click"),
        event("c", time=NOON + timedelta(hours=1), data={"total": 2}),
        event("d", time=NOON + timedelta(hours=2), data={"total": 3}),
    ]
    async with EmbeddedEventService() as service, client_of(event_app(service)) as client:
        await service.publish_events(events)
        over_http = await client.query_events(**query)

        assert "".join(found.id for found in over_http) == ids
        assert over_http == await service.query_events(**query)


@pytest.mark.parametrize(
    ("query", "error", "sentence"),
    [
        ({"limit": 0}, QueryError, "limit: from 1 to 10,000, got 0"),
        ({"sort": "up"}, QueryError, "sort: 'asc' or 'desc', got 'up'"),
        ({"after_id": "x"}, QueryError, "there is no event 'x'"),
        ({"start": NOON.replace(tzinfo=None)}, QueryError, "start: needs a datetime with a time zone"),
        ({"filter": {"data.a": {"$near": 1}}}, FilterError, "near"),
    ],
)
async def test_errors_are_those_of_an_embedded_service(
    query: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    async with in_process() as client:
        with pytest.raises(error, match=sentence):
            await client.query_events(**query)


async def test_a_payload_that_is_no_json_is_refused_before_anything_is_sent() -> None:
    app = Answers(ACCEPTED)
    async with client_of(app) as client:
        with pytest.raises(EventError, match="data is not JSON"):
            await client.publish_events([event("a", data=object())])

    assert app.asked == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_refusal_that_may_pass_is_tried_again(status: int) -> None:
    app = Answers((status, b"", {}), (status, b"", {}), ACCEPTED)
    async with client_of(app) as client:
        await client.publish_events([event("a")])

    assert app.asked == 3


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 415, 302])
async def test_a_refusal_that_will_not_pass_is_not_tried_again(status: int) -> None:
    app = Answers((status, b"", {}))
    async with client_of(app) as client:
        with pytest.raises(ServiceError):
            await client.publish_events([event("a")])

    assert app.asked == 1


async def test_the_last_refusal_is_told() -> None:
    app = Answers((503, b'{"error":{"kind":"ClosedError","message":"closing down"}}', {}))
    async with client_of(app) as client:
        with pytest.raises(ServiceUnavailableError, match=r"closing down \(HTTP 503\)"):
            await client.publish_events([event("a")])

    assert app.asked == AT_ONCE.max_attempts


def retry_after(seconds: str, **headers: str) -> Answers:
    return Answers((429, b"", {"retry-after": seconds} | headers), ACCEPTED)


async def waited_s(app: ASGIApp, clock: ManualClock, **options: Any) -> float:
    """Return how long a publish takes on a clock that is moved from timer to timer."""
    async with client_of(app, clock=clock, **options) as client:
        publishing = asyncio.ensure_future(client.publish_events([event("a")]))
        while not publishing.done():
            await clock.advance("100ms")
        await publishing
    return clock.monotonic_ns() / 1e9


async def test_retry_after_is_honoured() -> None:
    assert await waited_s(retry_after("7"), ManualClock()) == pytest.approx(7, abs=0.2)


async def test_retry_after_as_a_date_counts_from_the_servers_own_time() -> None:
    app = retry_after("Wed, 21 Oct 2015 07:28:09 GMT", date="Wed, 21 Oct 2015 07:28:00 GMT")

    assert await waited_s(app, ManualClock()) == pytest.approx(9, abs=0.2)


async def test_retry_after_that_is_too_long_is_an_error_that_tells_it() -> None:
    app = retry_after("3600")
    async with client_of(app, max_retry_after="30s") as client:
        with pytest.raises(ServiceUnavailableError) as refused:
            await client.publish_events([event("a")])

    assert (app.asked, refused.value.retry_after_s) == (1, 3_600)


async def test_a_server_that_hangs_is_given_up_in_time() -> None:
    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    clock = ManualClock()
    with pytest.raises(ServiceUnavailableError, match="no answer within 2s"):
        await waited_s(hang, clock, timeout="2s", retry=Retry(max_attempts=2, base="1s", jitter=0))

    assert clock.monotonic_ns() / 1e9 == pytest.approx(5, abs=0.2)


class Drip(httpx.AsyncBaseTransport):
    """A service that refuses whatever it is asked, and does not come to the end of its sentence."""

    def __init__(self) -> None:
        self.is_closed = self.is_hung_up = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, stream=_Dripping(self))

    async def aclose(self) -> None:
        self.is_closed = True


class _Dripping(httpx.AsyncByteStream):
    def __init__(self, service: Drip) -> None:
        self._service = service

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self._service.is_hung_up = True


async def test_a_refused_subscription_whose_reason_does_not_end_is_given_up() -> None:
    clock, service = ManualClock(), Drip()
    once = Retry(max_attempts=1)
    async with HttpEventServiceClient(
        URL, transport=service, clock=clock, timeout="2s", retry=once
    ) as client:
        waiting = asyncio.ensure_future(anext(client.subscribe()))
        while not waiting.done():
            await clock.advance("100ms")

        with pytest.raises(ServiceUnavailableError, match="no end of an answer within 2s"):
            await waiting
    assert service.is_hung_up


async def test_a_subscription_that_cannot_be_closed_keeps_no_client_open() -> None:
    service = Drip()
    client = HttpEventServiceClient(URL, transport=service, retry=Retry(max_attempts=1))
    subscription = client.subscribe(name="billing")

    async def fail() -> None:
        raise ServiceUnavailableError("the bookmark is not kept")

    subscription.close = fail  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailableError):
        await client.close()

    assert service.is_closed


async def test_a_server_that_takes_the_connection_and_is_silent_is_given_up() -> None:
    hung_up = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # to the end
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as silent:
        url = f"{URL}:{silent.sockets[0].getsockname()[1]}"
        async with HttpEventServiceClient(url, timeout="500ms", retry=Retry(max_attempts=1)) as client:
            with pytest.raises(ServiceUnavailableError, match="no answer within 500ms"):
                await client.publish_events([event("a")])
        await hung_up.wait()


async def test_nobody_at_that_port_is_unavailable() -> None:
    async with HttpEventServiceClient(f"{URL}:1", retry=Retry(max_attempts=1)) as client:
        with pytest.raises(ServiceUnavailableError, match="ConnectError"):
            await client.get_event("a")


class DroppedAnswers:
    """Lets an application do its work, and drops so many of 100 answers."""

    def __init__(self, app: ASGIApp, percent: int) -> None:
        self.app, self.percent = app, percent
        self.chance = random.Random(0)
        self.dropped = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_dropped = self.chance.randrange(100) < self.percent
        answer = list[Message]()

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(scope, receive, keep)
        if is_dropped:
            self.dropped += 1
            raise httpx.RemoteProtocolError("server disconnected without sending a response")
        for message in answer:
            await send(message)


async def test_nothing_is_lost_or_doubled_when_a_third_of_the_answers_is() -> None:
    events = [event(number) for number in range(10_000)]
    async with EmbeddedEventService() as service:
        app = DroppedAnswers(event_app(service), percent=30)
        async with client_of(app, retry=Retry(max_attempts=20, base="1ms", max_delay="1ms")) as client:
            batches = [events[first : first + 50] for first in range(0, len(events), 50)]
            await asyncio.gather(*map(client.publish_events, batches))
        ids = [one async for frame in service.export_frames() for one in frame["id"]]

    assert app.dropped > 50
    assert sorted(ids, key=int) == [one.id for one in events]


async def test_a_closed_client_refuses() -> None:
    async with in_process() as client:
        pass
    await client.close()

    with pytest.raises(ClosedError, match=r"the client of http://127\.0\.0\.1 is closed"):
        await client.get_event("a")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("127.0.0.1:8787", "needs one such as http://127.0.0.1:8787"),
        ("ftp://example", "needs one such as"),
        ("http://me:secret@example", "the key goes into api_key"),
        ("http://example?key=secret", "the key goes into api_key"),
    ],
)
def test_a_url_that_is_none_or_holds_a_secret_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ServiceError, match=sentence) as refused:
        HttpEventServiceClient(url)

    assert "secret" not in str(refused.value)


# the key ------------------------------------------------------------------------------------


async def test_the_key_opens_and_a_wrong_or_no_key_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVANALYTICS_API_KEY", raising=False)
    async with EmbeddedEventService() as service:
        app = event_app(service, api_key=ApiKey(KEY))
        async with client_of(app, KEY) as client:
            await client.publish_events([event("a")])
        async with client_of(app, "wrong") as client:
            with pytest.raises(ServiceAccessError, match="API key is wrong: EVANALYTICS_API_KEY"):
                await client.get_event("a")
        async with client_of(app) as client:
            with pytest.raises(ServiceAccessError, match="set EVANALYTICS_API_KEY"):
                await client.get_event("a")


async def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVANALYTICS_API_KEY", KEY)
    async with in_process(api_key=ApiKey.from_environment()) as client:
        assert await client.get_event("a") is None


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ServiceAccessError, match="visible ASCII"):
        HttpEventServiceClient(URL, "")


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_a_header_cannot_carry_is_refused_unshown(key: str) -> None:
    with pytest.raises(ServiceAccessError, match="visible ASCII") as refused:
        HttpEventServiceClient(URL, key)

    inner = traceback.TracebackException.from_exception(refused.value, capture_locals=True).stack[1:]
    assert not any(key in str(value) for frame in inner for value in (frame.locals or {}).values())


def everything_shown(thing: Any, seen: set[int] | None = None) -> str:
    """Return what reprs show of an object, its attributes and theirs, as a notebook might."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return ""
    seen.add(id(thing))
    return "\n".join([repr(thing), *(repr(value) for value in getattr(thing, "__dict__", {}).values())])


async def test_no_repr_shows_the_key() -> None:
    client = HttpEventServiceClient(URL, KEY)
    calls = vars(client)["_calls"]
    shown = [everything_shown(part) for part in (client, calls, *vars(calls).values(), client.subscribe())]

    assert not any(KEY in text for text in shown)
    assert KEY not in f"{client} {client!r} {ApiKey(KEY)!r} {ApiKey(KEY)}"
    await client.close()


def test_a_client_or_a_key_is_not_pickled_or_copied() -> None:
    for thing in (ApiKey(KEY), HttpEventServiceClient(URL, KEY)):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.deepcopy(thing)


async def test_no_log_shows_the_key_or_a_payload(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with EmbeddedEventService() as service, at_port(event_app(service, api_key=ApiKey(KEY))) as url:
        async with HttpEventServiceClient(url, KEY) as client:
            await client.publish_events([event("a", data={"card": "4111-1111"})])
        async with HttpEventServiceClient(url, "wr-ong") as client:
            with pytest.raises(ServiceAccessError):
                await client.get_event("a")
    text = "\n".join(str(vars(record)) + record.getMessage() for record in caplog.records)

    assert "/events 200" in text
    assert "401" in text
    assert KEY not in text
    assert "wr-ong" not in text
    assert "4111-1111" not in text


async def failing_calls(client: HttpEventServiceClient) -> list[BaseException]:
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: client.publish_events([event("a")]),
        lambda: client.query_events(),
        lambda: client.get_event("a"),
        lambda: anext(client.subscribe()),
    ]
    errors = list[BaseException]()
    for call in calls:
        try:
            await call()
        except ServiceError as error:
            errors.append(error)
    return errors


async def test_no_traceback_shows_the_key_not_even_with_local_names() -> None:
    errors = list[BaseException]()
    locked = ApiKey("another")
    async with EmbeddedEventService() as service, at_port(event_app(service, api_key=locked)) as url:
        for base in (url, f"{URL}:1"):
            async with HttpEventServiceClient(base, KEY, retry=Retry(max_attempts=1)) as client:
                errors += await failing_calls(client)
    texts = [
        "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        for error in errors
    ]

    assert len(texts) == 8
    assert all("self = " in text for text in texts)  # local names are really there
    assert not any(KEY in text for text in texts)


async def test_a_notebook_that_shows_the_client_does_not_show_the_key() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_cell("%xmode Verbose")
    shell.user_ns["client"] = HttpEventServiceClient(f"{URL}:1", KEY, retry=Retry(max_attempts=1))
    try:
        await shell.user_ns["client"].get_event("a")
    except ServiceUnavailableError as error:
        trace = "\n".join(shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__))
    data, _ = shell.display_formatter.format(shell.user_ns["client"])

    assert "ConnectError" in trace
    assert KEY not in trace
    assert KEY not in str(data)
    await shell.user_ns["client"].close()
