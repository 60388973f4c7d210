"""Records that could not be read: where they stand, why, and their raw text, kept in a file."""

from __future__ import annotations

import base64
import filecmp
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from evanalytics.exceptions import LogReadError

SUFFIX = ".quarantine.ndjson"
RAW_BYTES = 1024 * 1024


class BadRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record that was set aside.

    Attributes:
        file: Name of the file it stands in.
        line: Its line, from 1 (for Parquet: its row, from 1).
        byte: Where it begins in the (decompressed) file, from 0; None for Parquet.
        reason: Why it was set aside; begins with one of a few fixed phrases.
        raw: Its text, at most 1 MiB of it.
        raw_base64: Its bytes instead, where they are not UTF-8.
        header: For CSV, the first record of the file, so that this one can be read again.
    """

    file: str
    line: int
    byte: int | None = None
    reason: str
    raw: str | None = None
    raw_base64: str | None = None
    header: str | None = None

    @property
    def raw_bytes(self) -> bytes:
        """The record as it can be read again."""
        return (self.raw or "").encode() if self.raw_base64 is None else base64.b64decode(self.raw_base64)


def bad_record(
    file: str, line: int, byte: int | None, reason: str, raw: bytes, *, header: str | None = None
) -> BadRecord:
    """Return the record with its raw bytes kept as text where they are UTF-8."""
    raw = raw[:RAW_BYTES]
    try:
        text, encoded = raw.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(raw).decode()
    return BadRecord(
        file=file, line=line, byte=byte, reason=reason, raw=text, raw_base64=encoded, header=header
    )


class Quarantine:
    """Takes bad records while a log is read; writes them to a file, the first one opens it.

    A file with other content is never overwritten, for it may have been mended by hand: the
    next free name is taken (orders.quarantine.ndjson, orders-2.quarantine.ndjson, ...).
    `path` is set when the quarantine is closed.
    """

    def __init__(self, path: Path) -> None:
        """Set the file that is written when there is something to write."""
        self._wanted = path
        self._draft = path.with_name(f".{path.name}.{os.getpid()}-{id(self)}")
        self._stream: IO[bytes] | None = None
        self.path: Path | None = None
        self.reasons: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Return how many records were set aside."""
        return self.reasons.total()

    def add(self, records: Iterable[BadRecord]) -> None:
        """Write records down, each counted under its reason (what stands before a colon)."""
        for record in records:
            if self._stream is None:
                self._stream = self._open()
            self._stream.write(msgspec.json.encode(record) + b"\n")
            self.reasons[record.reason.partition(":")[0]] += 1

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is None:
            return
        self._stream.close()
        if error is None:
            self.path = self._settle()
        self._draft.unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        try:
            return open(self._draft, "wb")
        except OSError as error:
            raise LogReadError(
                f"{self._wanted}: records must be quarantined but this file cannot be written "
                f"({error.strerror}); say where with quarantine='...'"
            ) from error

    def _settle(self) -> Path:
        """Give the draft the first name that is free, or that holds the very same already."""
        stem = self._wanted.name.removesuffix(SUFFIX)
        for number in itertools.count(1):
            path = self._wanted if number == 1 else self._wanted.with_name(f"{stem}-{number}{SUFFIX}")
            if not path.exists():
                return self._draft.rename(path)
            if filecmp.cmp(path, self._draft, shallow=False):
                return path
        raise AssertionError("unreachable: numbers never end")


def quarantine_path(first_file: Path, wanted: str | Path | None) -> Path:
    """Return where a log's quarantine goes: as told (a file or a folder), or beside the log.

    Example:
        >>> str(quarantine_path(Path("logs/orders.ndjson.gz"), None))
        'logs/orders.quarantine.ndjson'
    """
    name = first_file.name.split(".")[0] + SUFFIX
    if wanted is None:
        return first_file.with_name(name)
    wanted = Path(wanted)
    if wanted.is_dir():
        return wanted / name
    return wanted if wanted.name.endswith(SUFFIX) else wanted.with_name(wanted.name + SUFFIX)


def read_quarantine(path: str | Path) -> Iterator[BadRecord]:
    """Yield the records of a quarantine file.

    Raises:
        LogReadError: A line is not a quarantined record; names the line.
    """
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=BadRecord)
            except msgspec.DecodeError as error:
                raise LogReadError(f"{path}:{number}: not a quarantined record: {error}") from error
