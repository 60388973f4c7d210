"""A Bloom filter of a column of a Spark frame: filled part by part where the rows lie, and joined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from evanalytics.bloom.columns import IdType, dtype_named
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.sizing import shape_for
from evanalytics.exceptions import BloomError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_MOST_BYTES = 2**30  # a part's bits come over as one value


def index_on_spark(
    frame: Any,
    column: str = "id",
    *,
    error_rate: float = 0.01,
    capacity: int = 1_000_000,
    dtype: IdType | pl.DataType = pl.String,
    parts: int | None = None,
) -> BloomFilterIndex:
    """Return the Bloom filter of a column of a Spark frame, bit for bit that of its ids added here.

    Each part of the frame fills a filter of its own; their union has the bits of all ids, in whichever
    order they came. What crosses the network is one filter a part, not the ids.

    Args:
        frame: A PySpark frame, or a narwhals one over it, as `log.frame("spark", ...)` returns.
        column: Of ids, without nulls.
        error_rate: As of `BloomFilterIndex`.
        capacity: How many different ids all parts have together.
        dtype: What the ids are.
        parts: Into how many parts the frame is drawn together first; by default it stays as it is. Each
            part costs the bytes of a whole filter.

    Raises:
        BloomError: There are nulls, another dtype, or the filter is over 1 GiB.

    Example:
        index = ev.index_on_spark(log.frame("spark", spark=session), capacity=1_000_000_000)
    """
    shape, wanted = shape_for(error_rate, capacity), dtype_named(dtype)
    if shape.bytes > _MOST_BYTES:
        raise BloomError(
            f"index_on_spark: {shape} has {shape.bytes:,} bytes, at most {_MOST_BYTES:,} can be joined; "
            "raise the error rate, or make an index for each file"
        )

    def fill(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        index = BloomFilterIndex.of_shape(shape, error_rate=error_rate, capacity=2**62, dtype=wanted)
        for batch in batches:
            index.add_many(pl.DataFrame(batch).to_series().cast(wanted))
        bits = pl.DataFrame({"bits": [index.words.tobytes()]})
        yield from bits.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_bits_schema()).to_batches()

    native: DataFrame = nw.to_native(frame, pass_through=True)
    ids = native.select(column)
    _refuse_nulls(ids, column)
    ids = ids if parts is None else ids.coalesce(parts)
    words = np.zeros(shape.bytes // 4, np.uint32)
    for (bits,) in ids.mapInArrow(fill, "bits binary").toLocalIterator():
        words |= np.frombuffer(bits, np.uint32)
    return BloomFilterIndex.of_shape(
        shape, error_rate=error_rate, capacity=capacity, dtype=wanted, words=words
    )


def _refuse_nulls(ids: DataFrame, column: str) -> None:
    quoted = "`" + column.replace("`", "``") + "`"
    if nulls := ids.filter(f"{quoted} IS NULL").count():
        raise BloomError(f"ids {column!r}: null in {nulls:,} rows; a null is no id, drop those rows first")


def _bits_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("bits", pa.binary())])
