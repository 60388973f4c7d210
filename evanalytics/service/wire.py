"""What the HTTP client and the server agree on: paths, documents, and errors by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from evanalytics.event import Event, event_from_dict
from evanalytics.exceptions import (
    ClosedError,
    EvAnalyticsError,
    EventError,
    FilterError,
    QueryError,
    ServiceAccessError,
    ServiceError,
    ServiceUnavailableError,
    ThrottleError,
)

EVENTS, QUERY, SUBSCRIBE, BOOKMARK, HEALTH = "/events", "/query", "/subscribe", "/bookmark", "/health"

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names by which a machine calls itself."""

JSON, NDJSON = "application/json", "application/x-ndjson"
EVENT, EVENT_BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


class AbsentError(ServiceError):
    """There is no event of that id."""


class RefusedError(ServiceError):
    """The service will not do that, however often it is asked: it takes no request so long, say."""


_STATUS: dict[type[EvAnalyticsError], int] = {
    EventError: 400,
    FilterError: 400,
    QueryError: 400,
    ThrottleError: 400,
    ServiceAccessError: 401,
    AbsentError: 404,
    ServiceUnavailableError: 503,
    ClosedError: 503,
    ServiceError: 500,
}
_BY_NAME = {kind.__name__: kind for kind in _STATUS if kind is not ServiceError}


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The arguments of `query_events`."""

    types: list[str] | str | None = None
    sources: list[str] | str | None = None
    start: datetime | None = None
    end: datetime | None = None
    after_id: str | None = None
    limit: int = 100
    sort: str = "asc"
    filter: dict[str, Any] | None = None


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The arguments of `subscribe`, and where to go on.

    `session` tells a consumer that comes back after its connection broke from another one.
    """

    session: str = ""
    types: list[str] | str | None = None
    name: str | None = None
    filter: dict[str, Any] | None = None
    after: int | None = None


class Bookmark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the consumer of a named subscription has acknowledged."""

    name: str
    position: int


class _Failure(msgspec.Struct, frozen=True):
    kind: str
    message: str


class _Answer(msgspec.Struct, frozen=True):
    error: _Failure


class _Line(msgspec.Struct, frozen=True):
    offset: int
    event: Any = None


def decode(text: bytes, kind: type[Any]) -> Any:
    """Return the document of that kind which JSON text holds.

    Raises:
        QueryError: It is something else; the message says where.
    """
    try:
        return msgspec.json.decode(text or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(f"{kind.__name__.lower()}: {error}") from error


def line_of(offset: int, event: Event | None = None) -> bytes:
    r"""Return a line of a subscription: an event and its position, or how far everything is told.

    Example:
        >>> line_of(7)
        b'{"offset":7}\n'
    """
    if event is None:
        return b'{"offset":%d}\n' % offset
    return b'{"offset":%d,"event":%b}\n' % (offset, event.to_json())


def read_line(line: bytes | str) -> tuple[int, Event | None]:
    """Return what `line_of` wrote.

    Raises:
        ServiceError: It is something else.
    """
    try:
        read = msgspec.json.decode(line, type=_Line)
        return read.offset, None if read.event is None else event_from_dict(read.event)
    except (msgspec.MsgspecError, EventError) as error:
        raise ServiceError(f"subscription: a line that is no event: {error}") from error


def status_of(error: EvAnalyticsError) -> int:
    """Return the HTTP status of an error."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def document_of(error: Exception) -> bytes:
    """Return the JSON body that tells an error."""
    return error_body(type(error).__name__, str(error))


def error_body(kind: str, message: str) -> bytes:
    """Return the JSON body of an error of that kind.

    Example:
        >>> error_body("QueryError", "limit: from 1")
        b'{"error":{"kind":"QueryError","message":"limit: from 1"}}'
    """
    return msgspec.json.encode(_Answer(_Failure(kind, message)))


def error_of(
    status: int, body: bytes, headers: Mapping[str, str], *, retry_after_s: float | None
) -> EvAnalyticsError:
    """Return the error that an answer tells, ready to be raised: of the same class as at the server."""
    try:
        told = msgspec.json.decode(body, type=_Answer).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        server = headers.get("server", "something")
        told = _Failure("ServiceError", f"{server} answered {status} and nothing that this client knows")
    if status == 429 or status >= 500:
        return ServiceUnavailableError(f"{told.message} (HTTP {status})", retry_after_s=retry_after_s)
    kind = _BY_NAME.get(told.kind, RefusedError)
    return kind(told.message)
