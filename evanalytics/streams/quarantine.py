"""Live events that do not fit the schema of their run: none is lost, none is kept twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec
import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import StreamError
from evanalytics.logs.quarantine import BadRecord, bad_record
from evanalytics.logs.typed_events import Refused

_MOST = 10_000
_TOTALS = {"count": pl.Int64, "bytes": pl.Int64}
_HELD = {"event": pl.String, "reason": pl.String}


class RefusedEvents:
    """Counts refused events, and keeps them: in a file, or in memory up to 10,000 of them.

    A run that goes on from a checkpoint reads again what came after it. What the file has got of that
    already is not written a second time.
    """

    def __init__(self, path: Path | None) -> None:
        """Take the file, which `read_quarantine` reads; None: memory."""
        self._path = path
        self._stream: IO[bytes] | None = None
        self._written: Counter[str | None] = Counter()  # behind the checkpoint, by the event's text
        self.held: Refused = []
        self.count = 0

    def add(self, refused: Refused, first: int) -> None:
        """Keep refused events.

        Args:
            refused: The events with their reasons.
            first: The position of the micro-batch that they came in.

        Raises:
            StreamError: There are too many of them to be held in memory.
        """
        self.count += len(refused)
        if self._path is not None:
            self._write(self._path, refused, first)
            return
        self.held += refused
        if len(self.held) > _MOST:
            raise StreamError(
                f"{len(self.held):,} events do not fit the schema ({refused[-1][1]}); declare another "
                "schema, or say where to keep such events with quarantine='...'"
            )

    def dump(self) -> dict[str, pl.DataFrame]:
        """Return what a checkpoint keeps: how many there were, how long the file is, those in memory."""
        size = self._path.stat().st_size if self._path is not None and self._path.exists() else 0
        held = [(event.to_json().decode(), reason) for event, reason in self.held]
        return {
            "totals": pl.DataFrame([(self.count, size)], schema=_TOTALS, orient="row"),
            "held": pl.DataFrame(held, schema=_HELD, orient="row"),
        }

    def load(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Go on from what `dump` returned.

        Raises:
            StreamError: The file holds something else.
        """
        self.count, size = frames["totals"].row(0)
        self.held = [(Event.from_json(text), reason) for text, reason in frames["held"].rows()]
        if self._path is not None and self._path.exists():
            self._written = Counter(_raw(record) for record in _records_behind(self._path, size))

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _write(self, path: Path, refused: Refused, first: int) -> None:
        for event, reason in refused:
            record = bad_record("live", first + 1, None, reason, event.to_json())
            if self._written[_raw(record)]:
                self._written[_raw(record)] -= 1
                continue
            if self._stream is None:
                self._stream = open(path, "ab")  # noqa: SIM115  closed with the run
            self._stream.write(msgspec.json.encode(record) + b"\n")
        if self._stream is not None:
            self._stream.flush()


def _raw(record: BadRecord) -> str | None:
    return record.raw or record.raw_base64


def _records_behind(path: Path, size: int) -> list[BadRecord]:
    """Return the records of a file behind its first bytes; a last line that was cut while written goes."""
    with open(path, "rb+") as stream:
        stream.seek(min(size, path.stat().st_size))
        text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        stream.seek(len(whole) - len(text), 2)
        stream.truncate()
    try:
        return [msgspec.json.decode(line, type=BadRecord) for line in whole.splitlines()]
    except msgspec.DecodeError as error:
        raise StreamError(f"quarantine: {path} holds something else; choose another file") from error
