"""Live events that do not fit the schema of their run: none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import msgspec

from evanalytics.exceptions import StreamError
from evanalytics.logs.quarantine import bad_record
from evanalytics.logs.typed_events import Refused

_MOST = 10_000


class RefusedEvents:
    """Counts refused events, and keeps them: in a file, or in memory up to 10,000 of them."""

    def __init__(self, path: Path | None) -> None:
        """Take the file, which `read_quarantine` reads; None: memory."""
        self._path = path
        self._stream: IO[bytes] | None = None
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

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _write(self, path: Path, refused: Refused, first: int) -> None:
        if refused and self._stream is None:
            self._stream = open(path, "ab")  # noqa: SIM115  closed with the run
        for event, reason in refused:
            assert self._stream is not None
            record = bad_record("live", first + 1, None, reason, event.to_json())
            self._stream.write(msgspec.json.encode(record) + b"\n")
        if self._stream is not None:
            self._stream.flush()
