"""Events as rows of a store, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import EventError
from evanalytics.logs.log import decode_payload
from evanalytics.logs.schema import EXTENSION, ID, PAYLOAD, SOURCE, SUBJECT, TS, TYPE

EXTENSIONS = "extensions"
COLUMNS = (ID, TYPE, SOURCE, TS, SUBJECT, PAYLOAD, EXTENSIONS)
"""A row: `ts` in microseconds since the epoch; payload and extensions are JSON text or null."""

Row = tuple[str, str, str, int, str | None, str | None, str | None]

_SCHEMA = {name: pl.Int64() if name == TS else pl.String() for name in COLUMNS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# DuckDB writes whole row groups (122,880 rows) past its write-ahead log: 2x the speed of less.
_MOST_ROWS, _MOST_BYTES = 2 * 122_880, 2**27
_PREFIX = f"{EXTENSION}__"


def frame_of_events(events: Sequence[Event]) -> pl.DataFrame:
    """Return events as a frame of rows.

    Raises:
        EventError: A payload is not JSON, or a text cannot be written in UTF-8.
    """
    rows = [_row_of(event) for event in events]
    try:
        return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    except UnicodeEncodeError as error:
        raise EventError(f"{error.object!r} cannot be written in UTF-8: {error.reason}") from error


def frame_of_log(batch: pl.DataFrame) -> pl.DataFrame:
    """Return a batch of a log (attributes, payload as JSON text) as a frame of rows."""
    names = [name for name in batch.columns if name.startswith(_PREFIX)]
    packed = pl.struct(pl.col(name).alias(name.removeprefix(_PREFIX)) for name in names) if names else None
    absent = pl.lit(None, pl.String)
    return batch.select(
        ID,
        TYPE,
        SOURCE,
        TS,
        (pl.col(SUBJECT) if SUBJECT in batch.columns else absent).alias(SUBJECT),
        PAYLOAD,
        (absent if packed is None else packed.struct.json_encode()).alias(EXTENSIONS),
    )


def gathered(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield frames put together into larger ones, up to 245,760 rows or 128 MiB."""
    held, rows, size = list[pl.DataFrame](), 0, 0
    for frame in frames:
        held.append(frame)
        rows += frame.height
        size += int(frame.estimated_size())
        if rows >= _MOST_ROWS or size >= _MOST_BYTES:
            yield pl.concat(held)
            held, rows, size = [], 0, 0
    if held:
        yield pl.concat(held)


def events_of_rows(rows: Iterable[Row]) -> list[Event]:
    """Return the events that rows of a store hold."""
    return [
        Event(
            id=event_id,
            type=event_type,
            source=source,
            time=_EPOCH + timedelta(microseconds=ts),
            data=_data(data),
            subject=subject,
            extensions=_extensions(extensions),
        )
        for event_id, event_type, source, ts, subject, data, extensions in rows
    ]


def same_event(one: Row, other: Row) -> bool:
    """Return whether two rows are the same event, however their JSON is spelled."""
    pairs = zip(one[5:], other[5:], (_data, _extensions), strict=True)
    return one[:5] == other[:5] and all(
        text == again or _canonical(read(text)) == _canonical(read(again)) for text, again, read in pairs
    )


def _row_of(event: Event) -> Row:
    try:
        data = None if event.data is None else msgspec.json.encode(event.data).decode()
        extensions = msgspec.json.encode(event.extensions).decode() if event.extensions else None
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(f"event {event.id!r}: data is not JSON: {error}") from error
    ts = (event.time - _EPOCH) // _MICROSECOND
    return event.id, event.type, event.source, ts, event.subject, data, extensions


def _data(text: str | None) -> Any:
    return None if text is None else decode_payload(text)


def _extensions(text: str | None) -> dict[str, Any]:
    """Return the extensions; one that is null is none, for a log has a column of it for all its events."""
    document = {} if text is None else decode_payload(text)
    return {name: value for name, value in document.items() if value is not None}


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")
