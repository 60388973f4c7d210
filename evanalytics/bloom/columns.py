"""Ids on their way into a filter: what is refused, and how one id becomes bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from evanalytics.exceptions import BloomError

Id = str | bytes | int
"""One id; which of the three is decided by the index's dtype."""

IdType = type[pl.String] | type[pl.Binary] | type[pl.Int64] | type[pl.Int32]

DTYPES: dict[str, IdType] = {"String": pl.String, "Binary": pl.Binary, "Int64": pl.Int64, "Int32": pl.Int32}
"""What ids can be; an integer's width counts, for 7 has other bytes as int32 than as int64."""


def dtype_named(dtype: Any) -> IdType:
    """Return the one of `DTYPES` that is meant.

    Raises:
        BloomError: It is none of them.
    """
    found = DTYPES.get(str(dtype))
    if found is None:
        raise BloomError(f"dtype: ids are String, Binary, Int64 or Int32, got {dtype}; cast the column")
    return found


def refuse_unfit(ids: pl.Series, dtype: IdType) -> None:
    """Check a column before any of it is hashed.

    Raises:
        BloomError: It is no column, of another dtype, or has nulls.
    """
    if not isinstance(ids, pl.Series):
        raise BloomError(f"ids: needs a polars Series of {dtype}, got {type(ids).__name__}")
    if ids.dtype != dtype:
        raise BloomError(
            f"ids {ids.name!r}: this index holds {dtype}, got {ids.dtype}; cast the column, or make the "
            f"index with dtype=pl.{ids.dtype if str(ids.dtype) in DTYPES else dtype}"
        )
    if nulls := ids.null_count():
        raise BloomError(
            f"ids {ids.name!r}: null in {nulls:,} rows, the first is row {ids.is_null().arg_max()}; "
            "a null is no id, drop those rows first"
        )


def encoder(dtype: IdType) -> Callable[[Any], bytes]:
    """Return what turns one id of a dtype into the bytes that are hashed.

    It raises TypeError, ValueError or OverflowError for an id of another kind.
    """
    if dtype == pl.String:
        return str.encode
    if dtype == pl.Binary:
        return _as_they_are
    width = 8 if dtype == pl.Int64 else 4
    return partial(int.to_bytes, length=width, byteorder="little", signed=True)


def _as_they_are(data: bytes) -> bytes:
    if type(data) is not bytes:
        raise TypeError(f"needs bytes, got {type(data).__name__}")
    return data
