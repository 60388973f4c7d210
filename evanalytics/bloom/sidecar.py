"""Filters in a file of their own: a Parquet table with one row per filter and a digest of each.

Columns: `file` and `row_group` (what it is of; null if of nothing in particular), `rows`,
`capacity`, `error_rate`, `dtype`, `hashes` (null for split blocks), `note`, `sbbf` (Parquet's
header and bits; for the classic layout its bits alone) and `digest` (SHA-256 of all the others).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evanalytics.bloom.bits import Words
from evanalytics.bloom.columns import IdType, dtype_named
from evanalytics.bloom.header import decode_filter, encode_filter
from evanalytics.bloom.sizing import Classic, Shape, SplitBlock
from evanalytics.exceptions import BloomError

_FIELDS = ("file", "row_group", "rows", "capacity", "error_rate", "dtype", "hashes", "note")
_VERSION = {b"evanalytics.bloom": b"1"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredFilter:
    """One filter of a sidecar: its bits, what it promises and what it is of.

    Attributes:
        shape: The layout and its size.
        words: The bits, as uint32.
        rows: How many ids it holds.
        capacity: How many it is made for.
        error_rate: What it promises at capacity.
        dtype: What the ids are.
        file: The file whose ids they are, if they are a file's.
        row_group: Which of its row groups, if they are of one.
        note: Text that whoever wrote it wants back.
    """

    shape: Shape
    words: Words
    rows: int
    capacity: int
    error_rate: float
    dtype: IdType
    file: str | None = None
    row_group: int | None = None
    note: str = ""


def write_sidecar(path: str | os.PathLike[str], filters: Iterable[StoredFilter]) -> None:
    """Write filters as one file, which appears under its name once it is whole.

    Raises:
        BloomError: The file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    schema = _schema(pa)
    try:
        with pq.ParquetWriter(draft, schema, compression="none", use_dictionary=False) as writer:
            for row in map(_row, filters):
                writer.write_table(pa.Table.from_pylist([row], schema=schema))
        draft.replace(path)
    except OSError as error:
        raise BloomError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def read_sidecar(path: str | os.PathLike[str]) -> list[StoredFilter]:
    """Read the filters of a file, each checked against its digest.

    Raises:
        BloomError: There is no such file, it is something else, or it is damaged.
    """
    if not Path(path).is_file():
        raise BloomError(f"{path}: no such file")
    return [_filter(row, f"{path}: filter {number}") for number, row in enumerate(_rows(path))]


def _rows(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if not _VERSION.items() <= (file.schema_arrow.metadata or {}).items():
                raise BloomError(f"{path}: holds no filters of ours, or those of a newer version")
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group).to_pylist()
    except BloomError:
        raise
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        raise BloomError(f"{path}: damaged, cut off, or no file of filters: {error}") from error


def _row(stored: StoredFilter) -> dict[str, Any]:
    row = {name: getattr(stored, name) for name in _FIELDS if name not in ("dtype", "hashes")}
    row["dtype"] = str(stored.dtype)
    if isinstance(stored.shape, SplitBlock):
        row |= {"hashes": None, "sbbf": encode_filter(stored.shape, stored.words)}
    else:
        bits = stored.words.astype("<u4", copy=False).tobytes()
        row |= {"hashes": stored.shape.hashes, "sbbf": bits}
    return row | {"digest": _digest(row)}


def _filter(row: dict[str, Any], where: str) -> StoredFilter:
    if row.get("digest") != _digest(row):
        raise BloomError(f"{where}: damaged: its digest does not fit its content; make it again")
    shape: Shape
    if row["hashes"] is None:
        shape, words = decode_filter(row["sbbf"], where=where)
    else:
        words = np.frombuffer(row["sbbf"], "<u4")
        shape = Classic(32 * len(words), row["hashes"])
    given = {name: row[name] for name in _FIELDS if name not in ("dtype", "hashes")}
    return StoredFilter(shape=shape, words=words, dtype=dtype_named(row["dtype"]), **given)


def _digest(row: dict[str, Any]) -> bytes:
    digest = hashlib.sha256(json.dumps([row.get(name) for name in _FIELDS]).encode())
    digest.update(row.get("sbbf") or b"")
    return digest.digest()


def _schema(pa: Any) -> Any:
    return pa.schema(
        {
            "file": pa.string(),
            "row_group": pa.int32(),
            "rows": pa.int64(),
            "capacity": pa.int64(),
            "error_rate": pa.float64(),
            "dtype": pa.string(),
            "hashes": pa.int32(),
            "note": pa.string(),
            "sbbf": pa.large_binary(),
            "digest": pa.binary(),
        },
        metadata=_VERSION,
    )
