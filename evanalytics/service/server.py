"""An embedded event service over HTTP: the Starlette application behind `evanalytics serve`."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from evanalytics.clock import Clock, SystemClock
from evanalytics.durations import Duration
from evanalytics.event import events_from_json, events_to_json
from evanalytics.exceptions import EvAnalyticsError, QueryError
from evanalytics.service import wire
from evanalytics.service.api_key import ApiKey
from evanalytics.service.client import Sort
from evanalytics.service.embedded import EmbeddedEventService
from evanalytics.service.feeds import Feeds, NameTakenError
from evanalytics.service.guard import Guard
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import ThrottlePolicy

MOST_BODY_BYTES = 16 * 2**20


def event_app(
    service: EmbeddedEventService,
    *,
    api_key: ApiKey | None = None,
    throttle: ThrottlePolicy | None = None,
    max_body_bytes: int = MOST_BODY_BYTES,
    heartbeat: Duration = "10s",
    clock: Clock | None = None,
) -> Starlette:
    """Return the application that serves an embedded service; who started that also closes it.

    | | |
    |---|---|
    | `POST /events` | publish a CloudEvents JSON event, or a batch of them; answers a `PublishResult` |
    | `GET /events?id=...` | one event, or 404 |
    | `POST /query` | the arguments of `query_events`; answers a CloudEvents JSON batch |
    | `POST /subscribe` | the arguments of `subscribe`, and `after`; answers ndjson lines without end |
    | `POST /bookmark` | `name` and `position`: what the consumer of that name has acknowledged |
    | `GET /health` | how many events and subscriptions there are; needs no key |

    Errors are `{"error": {"kind": ..., "message": ...}}`. Each request but the last two costs tokens of its
    operation ("publish", "query" or "subscribe"); where there are none, the answer is 429 and says in
    `Retry-After` how long to wait.

    Args:
        service: Keeps the events.
        api_key: What `Authorization: Bearer ...` must carry. None: there is no key, so only callers
            who name this machine as theirs are answered.
        throttle: The server's own limits; none if left out.
        max_body_bytes: Longer requests get 413.
        heartbeat: The longest silence of a subscription.
        clock: Where time comes from; the system's by default.
    """
    clock = clock or SystemClock()
    endpoints = _Endpoints(
        service, ThrottleManager(throttle or ThrottlePolicy(), clock=clock), clock, heartbeat
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        endpoints.feeds.end_all()

    app = Starlette(
        routes=[
            Route(wire.EVENTS, endpoints.publish, methods=["POST"]),
            Route(wire.EVENTS, endpoints.get_event, methods=["GET"]),
            Route(wire.QUERY, endpoints.query, methods=["POST"]),
            Route(wire.SUBSCRIBE, endpoints.subscribe, methods=["POST"]),
            Route(wire.BOOKMARK, endpoints.bookmark, methods=["POST"]),
            Route(wire.HEALTH, endpoints.health, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, api_key=api_key, clock=clock)],
        exception_handlers={
            EvAnalyticsError: _on_error,
            HTTPException: _on_http_error,
            ClientDisconnect: _on_disconnect,
            Exception: _on_failure,
        },
        lifespan=lifespan,
    )
    app.state.feeds = endpoints.feeds
    app.state.max_body_bytes = max_body_bytes
    return app


class _Endpoints:
    """Each request of the server, answered."""

    def __init__(
        self, service: EmbeddedEventService, throttle: ThrottleManager, clock: Clock, heartbeat: Duration
    ) -> None:
        self.feeds = Feeds(service, clock=clock, heartbeat=heartbeat)
        self._service = service
        self._throttle = throttle
        self._clock = clock

    async def publish(self, request: Request) -> Response:
        events = events_from_json(await _json_body(request), received=self._clock.now())
        self._spend("publish", max(self._throttle.policy.tokens_of(len(events)), 1))
        return _answer(msgspec.json.encode(await self._service.publish_events(events)))

    async def get_event(self, request: Request) -> Response:
        self._spend("query")
        event_id = request.query_params.get("id")
        if event_id is None:
            raise QueryError(f"{wire.EVENTS}: say which event, as in {wire.EVENTS}?id=order-17")
        event = await self._service.get_event(event_id)
        if event is None:
            raise wire.AbsentError(f"there is no event {event_id!r}")
        return _answer(event.to_json(), wire.EVENT)

    async def query(self, request: Request) -> Response:
        self._spend("query")
        query: wire.Query = wire.decode(await _json_body(request), wire.Query)
        ascending, descending = get_args(Sort)
        if query.sort not in (ascending, descending):
            raise QueryError(f"sort: {ascending!r} or {descending!r}, got {query.sort!r}")
        events = await self._service.query_events(
            types=query.types,
            sources=query.sources,
            start=query.start,
            end=query.end,
            after_id=query.after_id,
            limit=query.limit,
            sort=descending if query.sort == descending else ascending,
            filter=query.filter,
        )
        return _answer(events_to_json(events), wire.EVENT_BATCH)

    async def subscribe(self, request: Request) -> Response:
        self._spend("subscribe")
        return await self.feeds.open(wire.decode(await _json_body(request), wire.Subscribe))

    async def bookmark(self, request: Request) -> Response:
        await self.feeds.acknowledge(wire.decode(await _json_body(request), wire.Bookmark))
        return _answer(b"{}")

    async def health(self, request: Request) -> Response:
        state = {"status": "ok", "events": self._service.event_count, "subscriptions": len(self.feeds)}
        return _answer(msgspec.json.encode(state))

    def _spend(self, operation: str, tokens: int = 1) -> None:
        """Take the tokens of a request, or refuse it."""
        if self._throttle.try_acquire(operation, tokens):
            return
        seconds = max(math.ceil(self._throttle.wait_ns(operation, tokens) / 1e9), 1)
        raise HTTPException(
            429,
            f"{operation}: over this server's {self._throttle.policy.limit_of(operation)!r}; "
            f"try again in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )


async def _json_body(request: Request) -> bytes:
    given = request.headers.get("content-type", wire.JSON).partition(";")[0].strip().lower()
    if given != wire.JSON and not given.endswith("+json"):
        raise HTTPException(
            415, f"content-type: needs {wire.EVENT}, {wire.EVENT_BATCH} or {wire.JSON}, got {given}"
        )
    most = request.app.state.max_body_bytes
    body = bytearray()
    if int(request.headers.get("content-length", 0)) <= most:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                break
        else:
            return bytes(body)
    raise HTTPException(413, f"the request is longer than {most:,} bytes; publish fewer events at a time")


def _answer(body: bytes, media_type: str = wire.JSON) -> Response:
    return Response(body, media_type=media_type)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EvAnalyticsError)
    status = 409 if isinstance(error, NameTakenError) else wire.status_of(error)
    return Response(wire.document_of(error), status, media_type=wire.JSON)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code in (404, 405):
        message = f"there is no {request.method} {request.url.path} here; see `evanalytics serve --help`"
    body = wire.error_body("ServiceError", message)
    return Response(body, error.status_code, headers=error.headers, media_type=wire.JSON)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _on_failure(request: Request, error: Exception) -> Response:
    body = wire.error_body("ServiceError", f"the server failed: {type(error).__name__}; its log says more")
    return Response(body, 500, media_type=wire.JSON)
