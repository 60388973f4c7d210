"""A checksum for the Parquet files that we write, because no reader checks the pages' own CRCs.

The file's key-value metadata holds `evanalytics.checksum` = `evanalytics:sha256:` + 64 hex
digits: the SHA-256 of the whole file with those digits taken as zeros. Other readers see one
more metadata key and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import polars as pl
import pyarrow.parquet as pq

from evanalytics.exceptions import LogReadError

_KEY = b"evanalytics.checksum"
_LABEL = b"evanalytics:sha256:"
_DIGITS = 64
_MARKED = re.compile(re.escape(_LABEL) + rb"([0-9a-f]{64})")
_MAX_FOOTER = 256 * 2**20
_LEAST_TAIL = 2**20  # searched whatever the footer says its length is: that may be damaged too
_BLOCK = 2**22


def write_parquet(
    path: str | Path,
    frames: Iterable[pl.DataFrame],
    *,
    metadata: Callable[[], dict[str, str]] | None = None,
    row_group_size: int = 122_880,
) -> int:
    """Write frames of one schema as one Parquet file (zstd) with a checksum; return its rows.

    The file appears under its name only when it is whole.

    Args:
        path: Where to; an existing file is replaced.
        frames: At least one frame; memory holds one at a time.
        metadata: Called at the end for further key-value metadata.
        row_group_size: Rows of a row group.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    rows = 0
    try:
        writer: pq.ParquetWriter | None = None
        for frame in frames:
            table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
            if writer is None:
                writer = pq.ParquetWriter(
                    draft, table.schema, compression="zstd", write_page_index=True, store_schema=False
                )
            writer.write_table(table, row_group_size=row_group_size)
            rows += len(frame)
        if writer is None:
            raise ValueError(f"{path}: no frame to write; an empty log still needs one for its schema")
        further = metadata() if metadata else {}
        writer.add_key_value_metadata({**further, _KEY.decode(): _LABEL.decode() + "0" * _DIGITS})
        writer.close()
        _seal(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def verify(path: str | Path) -> bool:
    """Check a Parquet file against its checksum; False if it carries none (others wrote it).

    Raises:
        LogReadError: The file is not what was written.
    """
    with open(path, "rb") as stream:
        place = _find(stream, Path(path))
        if place is None:
            return False
        at, digits = place
        if _digest(stream, at).encode() != digits:
            raise LogReadError(
                f"{path}: damaged: its checksum does not fit its content; restore it from a copy"
            )
    return True


def _seal(path: Path) -> None:
    with open(path, "r+b") as stream:
        place = _find(stream, path)
        assert place is not None
        digest = _digest(stream, place[0])
        stream.seek(place[0])
        stream.write(digest.encode())
        stream.flush()
        os.fsync(stream.fileno())


def _find(stream: IO[bytes], path: Path) -> tuple[int, bytes] | None:
    """Return where the digits stand and what they are; None for a file that is not ours.

    Key and label are two marks: one flipped bit spoils one of them at most, and the other
    still says that there ought to be a checksum.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 8))
    tail = stream.read(8)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < 8 or tail[4:] != b"PAR1" or length > min(size - 8, _MAX_FOOTER):
        raise LogReadError(f"{path}: damaged, cut off, or no Parquet file: it does not end as one")
    start = max(0, size - 8 - max(length, _LEAST_TAIL))
    stream.seek(start)
    footer = stream.read(size - 8 - start)
    found = list(_MARKED.finditer(footer))
    if found:
        return start + found[-1].start(1), found[-1].group(1)
    if _KEY in footer or _LABEL in footer:
        raise LogReadError(f"{path}: damaged: its checksum cannot be read; restore it from a copy")
    return None


def _digest(stream: IO[bytes], digits_at: int) -> str:
    digest = hashlib.sha256()
    stream.seek(0)
    at = 0
    while block := stream.read(_BLOCK):
        begin, end = max(digits_at, at), min(digits_at + _DIGITS, at + len(block))
        if begin < end:
            block = block[: begin - at] + b"0" * (end - begin) + block[end - at :]
        digest.update(block)
        at += len(block)
    return digest.hexdigest()
