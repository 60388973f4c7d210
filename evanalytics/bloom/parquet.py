"""Bloom filters in Parquet files: read from the footer without the column, written by pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import polars as pl

from evanalytics.bloom.columns import DTYPES, IdType, dtype_named
from evanalytics.bloom.header import MAX_HEADER, decode_filter, read_header
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.exceptions import BloomError

_PHYSICAL: dict[str, tuple[str, ...]] = {
    "BYTE_ARRAY": ("String", "Binary"),
    "INT64": ("Int64",),
    "INT32": ("Int32",),
}


@dataclass(frozen=True, slots=True)
class RowGroupFilter:
    """What a Parquet footer knows of one row group's ids.

    Attributes:
        row_group: Which one, from 0.
        rows: How many rows it has.
        index: Its filter; None if the file has none for it.
    """

    row_group: int
    rows: int
    index: BloomFilterIndex | None


@dataclass(frozen=True, slots=True)
class FileFilters:
    """The filters of one column of a Parquet file.

    Attributes:
        path: The file.
        column: The column.
        row_groups: One entry per row group.
        bytes_read: How much of the file was read for them.
        file_bytes: How large the file is.
    """

    path: Path
    column: str
    row_groups: tuple[RowGroupFilter, ...]
    bytes_read: int
    file_bytes: int

    def candidates(self, id: Any) -> list[int]:
        """Return the row groups that may hold an id: those whose filter says so, or that have none."""
        return [g.row_group for g in self.row_groups if g.index is None or g.index.might_contain(id)]


def read_filters(path: str | os.PathLike[str], column: str = "id") -> FileFilters:
    """Read the Bloom filters of a column from a Parquet file, and nothing of the column itself.

    Args:
        path: The file, by whomever it was written.
        column: Which column; a dotted path for a nested one.

    Raises:
        BloomError: The file cannot be read, is no Parquet, has no such column, or its dtype or
            its filters are of a kind that is not known here.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    try:
        with open(path, "rb") as stream:
            counting = _Counting(stream)
            metadata = pq.ParquetFile(counting).metadata
            dtype = _dtype_of(metadata, column, path)
            groups = tuple(
                _row_group(counting, metadata.row_group(g), g, column, dtype, path)
                for g in range(metadata.num_row_groups)
            )
            return FileFilters(path, column, groups, counting.bytes_read, path.stat().st_size)
    except (OSError, pa.ArrowException) as error:
        raise BloomError(f"{path}: cannot be read as Parquet: {error}") from error


def write_parquet_with_filters(
    path: str | os.PathLike[str],
    frames: Iterable[pl.DataFrame],
    *,
    columns: Iterable[str] = ("id",),
    error_rate: float = 0.01,
    row_group_rows: int = 122_880,
) -> int:
    """Write frames of one schema as a Parquet file whose footer has Bloom filters; return its rows.

    pyarrow's writer rounds a filter's size to a power of two, by a formula that is a little too
    kind, and folds filters that stay half empty: it is up to twice as large as an index of ours,
    and its error rate can pass the one asked for by a hundredth or two of it.

    Args:
        path: Where to; an existing file is replaced once the new one is whole.
        frames: At least one frame; memory holds one at a time, and the filters of the file.
        columns: The columns that get filters: String, Binary, Int64 or Int32.
        error_rate: What the filters promise.
        row_group_rows: Rows of a row group.

    Raises:
        BloomError: There is no frame, or a column is missing or of another dtype.
    """
    import pyarrow.parquet as pq

    path, names, rows = Path(path), list(columns), 0
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    wanted = {name: {"ndv": row_group_rows, "fpp": error_rate} for name in names}
    writer: Any = None
    try:
        for frame in frames:
            for name in names:
                _refuse_column(frame, name, path)
            table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
            if writer is None:
                writer = pq.ParquetWriter(
                    draft, table.schema, compression="zstd", store_schema=False, bloom_filter_options=wanted
                )
            writer.write_table(table, row_group_size=row_group_rows)
            rows += len(frame)
        if writer is None:
            raise BloomError(f"{path}: no frame to write; an empty file still needs one for its schema")
        writer.close()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return rows


class _Counting:
    """A file for reading that counts the bytes it hands out."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.bytes_read = 0
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.bytes_read += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        """Stay open: whoever opened the stream closes it."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return True

    def flush(self) -> None:
        """Nothing is written."""


def _row_group(
    stream: _Counting, group: Any, number: int, column: str, dtype: IdType, path: Path
) -> RowGroupFilter:
    columns = (group.column(i) for i in range(group.num_columns))
    chunk = next(chunk for chunk in columns if chunk.path_in_schema == column)
    if chunk.bloom_filter_offset is None:
        return RowGroupFilter(number, group.num_rows, None)
    where = f"{path}: row group {number}, filter of {column!r}"
    stream.seek(chunk.bloom_filter_offset)
    data = stream.read(chunk.bloom_filter_length or MAX_HEADER)
    if chunk.bloom_filter_length is None:  # older writers do not say how long it is
        size, begin = read_header(data, where)
        data += stream.read(max(0, begin + size - len(data)))
    shape, words = decode_filter(data, where=where)
    rows = group.num_rows
    index = BloomFilterIndex.of_shape(
        shape, error_rate=shape.error_rate(rows), capacity=rows, dtype=dtype, words=words
    )
    return RowGroupFilter(number, rows, index)


def _dtype_of(metadata: Any, column: str, path: Path) -> IdType:
    schema = metadata.schema
    names = [schema.column(i).path for i in range(len(schema))]
    if column not in names:
        raise BloomError(f"{path}: has no column {column!r}; it has {', '.join(names[:20])}")
    found = schema.column(names.index(column))
    if found.physical_type not in _PHYSICAL:
        raise BloomError(f"{path}: column {column!r} holds {found.physical_type}, which is no dtype of ids")
    kinds = _PHYSICAL[found.physical_type]
    is_text = found.logical_type.type in ("STRING", "ENUM", "JSON") or found.converted_type == "UTF8"
    return dtype_named(kinds[0] if is_text else kinds[-1])


def _refuse_column(frame: pl.DataFrame, name: str, path: Path) -> None:
    if name not in frame.columns:
        raise BloomError(f"{path}: the frame has no column {name!r}; it has {', '.join(frame.columns)}")
    if str(frame.schema[name]) not in DTYPES:
        raise BloomError(f"{path}: column {name!r} is {frame.schema[name]}; filters hold {', '.join(DTYPES)}")
