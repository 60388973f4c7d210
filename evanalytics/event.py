"""One event, validated, and its CloudEvents 1.0 JSON form, single and in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from evanalytics.exceptions import EventError

_REQUIRED = ("id", "source", "type")
_OWN = frozenset((*_REQUIRED, "specversion", "time", "data", "subject"))


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened: who says so, what it is, when, and its payload.

    Attributes:
        id: Unique among the events of a log; never empty.
        type: What happened, such as "order.created"; never empty.
        source: Who says so; never empty.
        time: When it happened; an aware datetime, kept in UTC.
        data: The payload: any JSON value, mostly an object.
        subject: What the event is about, if the producer says so.
        extensions: Further CloudEvents attributes, such as "datacontenttype" or "traceparent".

    Raises:
        EventError: An attribute is missing, empty, of the wrong type, or a time without zone
            or, in UTC, outside the years 1 to 9999.

    Example:
        >>> Event(id="1", type="order.created", source="shop",
        ...       time=datetime(2026, 1, 1, tzinfo=UTC), data={"total": 5}).type
        'order.created'
    """

    id: str
    type: str
    source: str
    time: datetime
    data: Any = None
    subject: str | None = None
    extensions: Mapping[str, str | int | bool] = {}

    def __post_init__(self) -> None:
        for name in _REQUIRED:
            value = getattr(self, name)
            if type(value) is not str or not value:
                raise EventError(f"event {self.id!r}: {name} needs text that is not empty, got {value!r}")
        if type(self.time) is not datetime or self.time.tzinfo is None:
            raise EventError(f"event {self.id!r}: time needs a datetime with a time zone, got {self.time!r}")
        if self.time.tzinfo is not UTC:
            msgspec.structs.force_setattr(self, "time", _in_utc(self.time, f"event {self.id!r}"))

    @classmethod
    def from_json(cls, text: bytes | str, *, received: datetime | None = None) -> Event:
        """Return the event that a CloudEvents 1.0 JSON document describes.

        Args:
            text: One JSON object.
            received: The time to use when the document has none (CloudEvents allows that).

        Raises:
            EventError: The text is no JSON, or no CloudEvent that can be kept.
        """
        return event_from_dict(_decode(text), received=received)

    def to_dict(self) -> dict[str, Any]:
        """Return the CloudEvents 1.0 form as a dict of JSON values."""
        out: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "time": format_time(self.time),
        }
        if self.subject is not None:
            out["subject"] = self.subject
        out.update(self.extensions)
        if self.data is not None:
            out["data"] = self.data
        return out

    def to_json(self) -> bytes:
        """Return the CloudEvents 1.0 JSON form in UTF-8.

        Raises:
            EventError: The payload holds something that JSON cannot say.
        """
        try:
            return msgspec.json.encode(self.to_dict())
        except (TypeError, ValueError, RecursionError) as error:
            raise EventError(f"event {self.id!r}: data is not JSON: {error}") from error


def event_from_dict(document: Any, *, received: datetime | None = None) -> Event:
    """Return the event described by a decoded CloudEvents 1.0 document.

    `specversion` may be left out, for most event logs are not strictly CloudEvents.

    Raises:
        EventError: It says which attribute is wrong, what was found and what would do.
    """
    if not isinstance(document, dict):
        raise EventError(f"an event is a JSON object, got {_kind(document)}")
    where = f"event {document.get('id')!r}"
    if document.get("specversion", "1.0") != "1.0":
        raise EventError(f"{where}: specversion must be '1.0', got {document['specversion']!r}")
    if "data_base64" in document:
        raise EventError(f"{where}: data_base64 (a binary payload) is not supported; send JSON as data")
    for name in _REQUIRED:
        if name not in document:
            raise EventError(f"{where}: {name} is missing")
    subject = document.get("subject")
    if subject is not None and not isinstance(subject, str):
        raise EventError(f"{where}: subject needs text, got {_kind(subject)}")
    extensions = {k: v for k, v in document.items() if k not in _OWN and v is not None}
    for name, value in extensions.items():
        if not isinstance(value, str | int | bool):
            raise EventError(
                f"{where}: attribute {name} needs text, an integer or a boolean, got {_kind(value)}"
            )
    return Event(
        id=document["id"],
        type=document["type"],
        source=document["source"],
        time=_time_of(document.get("time"), received, where),
        data=document.get("data"),
        subject=subject,
        extensions=extensions,
    )


def events_from_json(text: bytes | str, *, received: datetime | None = None) -> list[Event]:
    """Return the events of a CloudEvents JSON document: one object, or an array of them.

    Raises:
        EventError: The text is no JSON, or an event in it is wrong; says at which position.
    """
    document = _decode(text)
    if not isinstance(document, list):
        return [event_from_dict(document, received=received)]
    events = []
    for position, item in enumerate(document):
        try:
            events.append(event_from_dict(item, received=received))
        except EventError as error:
            raise EventError(f"batch item {position}: {error}") from error
    return events


def events_to_json(events: Iterable[Event]) -> bytes:
    """Return events as one CloudEvents JSON batch (an array) in UTF-8."""
    return b"[" + b",".join(event.to_json() for event in events) + b"]"


def format_time(time: datetime) -> str:
    """Return an aware datetime as RFC 3339 text in UTC with microseconds.

    Example:
        >>> format_time(datetime(2026, 1, 1, tzinfo=UTC))
        '2026-01-01T00:00:00.000000Z'
    """
    return time.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"  # 5x as quick as strftime


def _decode(text: bytes | str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"not JSON: {error}") from error


def _time_of(value: Any, received: datetime | None, where: str) -> datetime:
    if value is None:
        if received is None:
            raise EventError(f"{where}: time is missing")
        return received
    try:
        time = msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise EventError(
            f"{where}: time needs RFC 3339 text such as '2026-01-01T00:00:00Z', got {value!r}"
        ) from error
    if time.tzinfo is None:
        raise EventError(f"{where}: time {value!r} has no time zone; add 'Z' or an offset")
    return time


def _in_utc(time: datetime, where: str) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise EventError(
            f"{where}: time {time.isoformat()} is in none of the years 1 to 9999 in UTC"
        ) from error


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
