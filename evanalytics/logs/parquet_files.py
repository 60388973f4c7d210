"""Parquet files of one log: their columns made one schema, read lazily or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.integrity import verify
from evanalytics.logs.sources import LogFile

BATCH_ROWS = 122_880
ROW = "__row"


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """One file: its scan with struct columns taken apart, its columns, and whether it had such."""

    file: LogFile
    scan: pl.LazyFrame
    schema: dict[str, pl.DataType]
    rows: int
    is_nested: bool


def open_parquet(files: Sequence[LogFile], *, check: bool) -> list[ParquetFile]:
    """Return the files opened, their footers read and, if they carry one, their checksums verified.

    Struct columns become flat ones, named with double underscores.

    Raises:
        LogReadError: A file is damaged, or no Parquet at all.
    """
    return [_open(file, check) for file in files]


def batches(file: ParquetFile, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield some columns of a file in row order, a batch at a time."""
    with parquet_errors(file.file):
        present = [name for name in columns if name in file.schema]
        missing = [pl.lit(None).alias(name) for name in columns if name not in file.schema]
        frames = file.scan.select(present).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
        for frame in frames:
            yield frame.with_columns(missing).select(columns)


def scan_numbered(file: ParquetFile, start: int) -> pl.LazyFrame:
    """Return the scan of a file without struct columns, its rows numbered from `start` in `ROW`.

    Numbered by the scan itself, for filters do not get past `with_row_index`.
    """
    return pl.scan_parquet(
        file.file.location, hive_partitioning=True, glob=False, row_index_name=ROW, row_index_offset=start
    )


@contextmanager
def parquet_errors(file: LogFile) -> Iterator[None]:
    """Turn whatever the native reader raises into a `LogReadError` that names the file."""
    try:
        yield
    except (LogReadError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if not isinstance(
            error, pl.exceptions.PolarsError | pl.exceptions.PanicException | OSError | ValueError
        ):
            raise
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        what = "damaged, cut off, or no Parquet file" if file.url is None else "cannot be read"
        raise LogReadError(f"{file.location}: {what}: {first}") from error


def unify(files: Sequence[ParquetFile]) -> tuple[dict[str, pl.DataType], dict[str, str]]:
    """Return each column's dtype over all files, and why a column cannot have one."""
    dtypes: dict[str, pl.DataType] = {}
    reasons: dict[str, str] = {}
    for file in files:
        for name, found in file.schema.items():
            dtype = _ours(found)
            if dtype is None:
                reasons[name] = "arrays" if isinstance(found, pl.List | pl.Array) else f"type {found}"
                continue
            known = dtypes.setdefault(name, dtype)
            if known == dtype or dtype == pl.Null:
                continue
            if known == pl.Null or (known == pl.Int64 and dtype == pl.Float64):
                dtypes[name] = dtype
            elif not (known == pl.Float64 and dtype == pl.Int64):
                reasons[name] = f"types differ between files: {known} and {dtype}"
    typed = {n: pl.String() if d == pl.Null else d for n, d in dtypes.items() if n not in reasons}
    return typed, reasons


def _open(file: LogFile, check: bool) -> ParquetFile:
    if check and file.url is None:
        verify(file.path)
    with parquet_errors(file):
        scan = pl.scan_parquet(file.location, hive_partitioning=True, glob=False)
        is_nested = any(isinstance(dtype, pl.Struct) for dtype in scan.collect_schema().values())
        scan, schema = _flatten(scan)
        rows = int(scan.select(pl.len()).collect().item())
    return ParquetFile(file, scan, schema, rows, is_nested)


def _flatten(scan: pl.LazyFrame) -> tuple[pl.LazyFrame, dict[str, pl.DataType]]:
    """Take struct columns apart, to the bottom."""
    schema = dict(scan.collect_schema())
    while any(isinstance(dtype, pl.Struct) for dtype in schema.values()):
        columns: list[pl.Expr] = []
        for name, dtype in schema.items():
            if isinstance(dtype, pl.Struct):
                fields = [field.name for field in dtype.fields]
                columns += [pl.col(name).struct.field(f).alias(f"{name}__{f}") for f in fields]
            else:
                columns.append(pl.col(name))
        scan = scan.select(columns)
        schema = dict(scan.collect_schema())
    return scan, schema


def _ours(dtype: pl.DataType) -> pl.DataType | None:
    """Return the dtype that the library uses for a column of this dtype; None if it has none."""
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if dtype == pl.UInt64 or dtype.is_decimal() or dtype.is_temporal() or dtype == pl.Null:
        return dtype
    if dtype.is_integer():
        return pl.Int64() if dtype not in (pl.Int128, pl.UInt128) else None
    if dtype.is_float():
        return pl.Float64()
    return dtype if dtype in (pl.String, pl.Boolean) else None
