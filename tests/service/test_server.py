"""What the server answers, by itself and as `evanalytics serve`."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from evanalytics.clock import ManualClock
from evanalytics.exceptions import ServiceError
from evanalytics.service import EmbeddedEventService
from evanalytics.service.api_key import ApiKey
from evanalytics.service.http import HttpEventServiceClient
from evanalytics.service.server import event_app
from evanalytics.service.serving import serve
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from tests.service.served import URL, event, in_another_process

ORDER = {"id": "a", "type": "order", "source": "shop", "time": "2026-01-01T00:00:00Z", "data": {"total": 5}}


@asynccontextmanager
async def asked(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Give a plain HTTP client of a server in this process."""
    async with EmbeddedEventService() as service:
        transport = httpx.ASGITransport(event_app(service, **options), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            yield http


def error_in(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


async def test_a_single_event_and_a_batch_are_published() -> None:
    async with asked() as http:
        single = await http.post("/events", json=ORDER)
        batch = await http.post(
            "/events",
            content=json.dumps([ORDER, ORDER | {"id": "b"}]),
            headers={"content-type": "application/cloudevents-batch+json; charset=utf-8"},
        )

    assert single.json() == {"accepted": 1, "duplicates": 0, "conflicts": 0, "conflicting_ids": []}
    assert (batch.json()["accepted"], batch.json()["duplicates"]) == (1, 1)


async def test_an_event_without_time_gets_the_servers() -> None:
    async with asked(clock=ManualClock()) as http:
        await http.post("/events", json={"id": "a", "type": "order", "source": "shop"})
        answer = await http.get("/events", params={"id": "a"})

    assert answer.headers["content-type"] == "application/cloudevents+json"
    assert answer.json()["time"] == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'[{"id": "a"}]', "batch item 0: event 'a': source is missing"),
        (b'"text"', "an event is a JSON object, got text"),
    ],
)
async def test_what_is_no_event_is_refused_in_a_sentence(body: bytes, sentence: str) -> None:
    async with asked() as http:
        status, message = error_in(await http.post("/events", content=body))

    assert status == 400
    assert sentence in message


async def test_another_content_type_is_refused() -> None:
    async with asked() as http:
        form = await http.post("/events", data={"id": "a"})

    assert error_in(form)[0] == 415
    assert "got application/x-www-form-urlencoded" in error_in(form)[1]


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_body_over_the_limit_is_refused(has_length: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    body: Any = b" " * 2_000 if has_length else chunks()
    async with asked(max_body_bytes=1_000) as http:
        answer = await http.post("/events", content=body)

    assert error_in(answer) == (413, "the request is longer than 1,000 bytes; publish fewer events at a time")


async def test_over_its_own_limit_the_server_says_when_to_come_back() -> None:
    clock = ManualClock()
    throttle = ThrottlePolicy(operations={"publish": RateLimit(2, "5s")})
    async with asked(throttle=throttle, clock=clock) as http:
        statuses = [(await http.post("/events", json=ORDER)).status_code for _ in range(2)]
        await clock.advance("1500ms")
        refused = await http.post("/events", json=ORDER)
        query = await http.post("/query", json={})
        await clock.advance("3500ms")
        again = await http.post("/events", json=ORDER)

    assert (statuses, refused.status_code, again.status_code) == ([200, 200], 429, 200)
    assert refused.headers["retry-after"] == "4"
    assert error_in(refused)[1] == (
        "publish: over this server's RateLimit(max_requests=2, per='5s'); try again in 4 s"
    )
    assert query.status_code == 200  # operations have limits of their own


async def test_a_publish_that_no_window_holds_is_refused_for_good() -> None:
    throttle = ThrottlePolicy(RateLimit(1, "1s"), tokens_per="event")
    async with asked(throttle=throttle) as http:
        answer = await http.post("/events", json=[ORDER, ORDER | {"id": "b"}])

    assert answer.status_code == 400
    assert "ask for at most 1 at a time" in error_in(answer)[1]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("DELETE", "/events"), ("GET", "/query"), ("POST", "/nowhere")]
)
async def test_other_paths_and_methods_are_refused_in_json(method: str, path: str) -> None:
    async with asked() as http:
        status, message = error_in(await http.request(method, path))

    assert status in (404, 405)
    assert f"there is no {method} {path} here" in message


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/query", {"limit": "ten"}, "query: Expected `int`, got `str` - at `$.limit`"),
        ("/query", {"filtre": {}}, "unknown field `filtre`"),
        ("/subscribe", {"after": 9}, "after: from -1 to -1 (the last event), got 9"),
        ("/bookmark", {"name": "billing"}, "missing required field `position`"),
        ("/bookmark", {"name": "billing", "position": 3}, "position: from -1 to -1, got 3"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    path: str, body: dict[str, Any], sentence: str
) -> None:
    async with asked() as http:
        status, message = error_in(await http.post(path, json=body))

    assert status == 400
    assert sentence in message


async def test_a_failure_inside_is_told_without_its_text() -> None:
    async with EmbeddedEventService() as service:
        app = event_app(service)

        async def broken(*arguments: object) -> None:
            raise RuntimeError("secret of the house")

        service.get_event = broken  # type: ignore[method-assign, assignment]
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            answer = await http.get("/events", params={"id": "a"})

    assert error_in(answer) == (500, "the server failed: RuntimeError; its log says more")


# who is let in ------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "key", "Basic a2V5", "bearer key"])
async def test_without_the_key_nothing_is_answered(header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    async with asked(api_key=ApiKey("key")) as http:
        answers = [
            await http.post("/events", json=ORDER, headers=headers),
            await http.get("/events", params={"id": "a"}, headers=headers),
            await http.post("/query", json={}, headers=headers),
            await http.post("/subscribe", json={}, headers=headers),
            await http.post("/bookmark", json={"name": "x", "position": -1}, headers=headers),
            await http.get("/nowhere", headers=headers),
        ]

    assert [answer.status_code for answer in answers] == [401] * 6
    assert all("EVANALYTICS_API_KEY" in error_in(answer)[1] for answer in answers)
    assert all(answer.headers["www-authenticate"] == "Bearer" for answer in answers)


async def test_health_needs_no_key_and_tells_no_events() -> None:
    async with asked(api_key=ApiKey("key")) as http:
        assert (await http.get("/health")).json() == {"status": "ok", "events": 0, "subscriptions": 0}


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8787", 200), ("localhost", 200), ("[::1]:8787", 200), ("evil.example:8787", 401), ("", 401)],
)
async def test_without_a_key_only_names_of_this_machine_are_answered(host: str, status: int) -> None:
    async with asked() as http:
        answer = await http.post("/query", json={}, headers={"host": host})

    assert answer.status_code == status


@pytest.mark.parametrize(
    "told_by_the_browser",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_without_a_key_no_page_in_a_browser_can_publish(told_by_the_browser: dict[str, str]) -> None:
    async with asked() as http:
        answer = await http.post("/events", json=ORDER, headers=told_by_the_browser)
        health = await http.get("/health")

    assert error_in(answer) == (401, "without EVANALYTICS_API_KEY this server answers no page in a browser")
    assert health.json()["events"] == 0


async def test_with_the_key_a_page_is_answered_like_any_other_program() -> None:
    headers = {"Origin": "https://shop.example", "Authorization": "Bearer secret-of-sixteen"}
    async with asked(api_key=ApiKey("secret-of-sixteen")) as http:
        answer = await http.post("/events", json=ORDER, headers=headers)

    assert answer.json()["accepted"] == 1


async def test_without_a_key_another_address_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVANALYTICS_API_KEY", raising=False)

    with pytest.raises(
        ServiceError, match=r"serves only 127\.0\.0\.1, not 0\.0\.0\.0: set EVANALYTICS_API_KEY"
    ):
        await serve(tmp_path / "events.duckdb", host="0.0.0.0")


async def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    async def nothing(reader: object, writer: object) -> None: ...

    other = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    with pytest.raises(ServiceError, match=f"port {port} of 127.0.0.1 cannot be had .*--port"):
        await serve(tmp_path / "events.duckdb", port=port)
    other.close()


# in a process of its own ----------------------------------------------------------------------


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_subscriptions_and_closes_the_file(tmp_path: Path, name: signal.Signals) -> None:
    path = tmp_path / "events.duckdb"
    with in_another_process(path, key="key") as (process, url):
        async with HttpEventServiceClient(url, "key") as client, client.subscribe() as subscription:
            await client.publish_events([event("a")])
            first = await anext(subscription)
            process.send_signal(name)
            status = await asyncio.to_thread(process.wait)
            assert process.stdout is not None
            said = process.stdout.read()

    async with EmbeddedEventService(path) as service:
        assert (first.id, status, service.event_count) == ("a", 0, 1)
    assert said == f"stopped; {path} is closed\n"


def test_it_says_where_it_listens_and_that_there_is_no_key(tmp_path: Path) -> None:
    with in_another_process(tmp_path / "events.duckdb") as (process, url):
        assert process.stdout is not None
        second = process.stdout.readline()

    assert url.startswith("http://127.0.0.1:")
    assert second == (
        "no EVANALYTICS_API_KEY is set: everybody on this machine can read and publish, nobody else\n"
    )


async def test_a_limit_of_the_command_holds(tmp_path: Path) -> None:
    with in_another_process(tmp_path / "events.duckdb", arguments=("--limit", "1")) as (_, url):
        async with httpx.AsyncClient(base_url=url) as http:
            answers = [await http.post("/query", json={}) for _ in range(5)]

    assert 429 in [answer.status_code for answer in answers]


def test_the_application_is_what_starlette_runs() -> None:
    assert isinstance(event_app(EmbeddedEventService()), Starlette)
