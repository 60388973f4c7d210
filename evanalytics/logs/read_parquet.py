"""Reading Parquet files as one log: lazily where their columns are fit to use as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.envelope import EnvelopeMap, RawRows, map_envelope
from evanalytics.logs.parquet_files import ROW, ParquetFile, batches, open_parquet, scan_numbered, unify
from evanalytics.logs.paths import PathPlan
from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.quarantine import BadRecord
from evanalytics.logs.reading import Request
from evanalytics.logs.schema import ENVELOPE, ID, PAYLOAD, PREFIX, SEQ, SOURCE, SUBJECT, TIME, TS, TYPE
from evanalytics.logs.table import TableRecords, path_of_column
from evanalytics.logs.times import TimeForm, time_us


class ParquetReading:
    """Parquet files on their way to become a log."""

    mapping: EnvelopeMap
    plans: tuple[PathPlan, PathPlan]

    def __init__(self, request: Request, *, check: bool) -> None:
        """Open the files: footers are read, checksums verified."""
        self._request = request
        self._files = open_parquet(request.files, check=check)
        self._dtypes, self._reasons = unify(self._files)
        if not any(file.rows for file in self._files):
            raise LogReadError(f"{request.name}: no row in it")
        names = [name for name in [*self._dtypes, *self._reasons] if name not in (SEQ, TS)]
        self.mapping = map_envelope(
            request.columns,
            names,
            has=names.__contains__,
            where=request.name,
            default_type=request.default_type,
            default_source=request.default_source,
        )
        if self.mapping.columns.get(PAYLOAD) and not self._json_payload:
            raise LogReadError(f"{request.name}: column {self.mapping.columns[PAYLOAD]!r} holds no JSON text")
        own = {c for a, c in self.mapping.columns.items() if a != PAYLOAD}
        if bad := [column for column in own if column in self._reasons]:
            raise LogReadError(f"{request.name}: column {bad[0]!r} cannot be used: {self._reasons[bad[0]]}")
        self._table = TableRecords(request.connection, self.mapping, self._dtypes, is_text=False)

    @property
    def _json_payload(self) -> bool:
        return self._dtypes.get(self.mapping.columns.get(PAYLOAD, "")) == pl.String

    @property
    def _columns(self) -> list[str]:
        return [name for name in self._dtypes if name not in (SEQ, TS)]

    def survey(self) -> None:
        """Plan the payload's columns; only JSON text has to be read for that."""
        if self._json_payload:
            for file in self._each("surveying"):
                for frame in batches(file, [self.mapping.columns[PAYLOAD]]):
                    self._table.survey(frame)
        self.plans = self._table.plan()
        self.plans[0].json |= {path_of_column(name): why for name, why in self._reasons.items()}

    def rows(self) -> Iterator[tuple[RawRows, list[BadRecord]]]:
        """Yield the typed rows batch by batch."""
        for file in self._each("reading"):
            start = 1
            for frame in batches(file, self._columns):
                typed, refused = self._table.rows(self._cast(frame), self.plans)
                raw = RawRows(
                    frame=typed,
                    file=file.file.name,
                    line=np.arange(start, start + len(frame)),
                    byte=None,
                    raw=lambda row, frame=frame: _row_text(frame, row),  # type: ignore[misc]
                    refused=refused,
                )
                start += len(frame)
                yield raw, []

    def checks(self) -> Iterator[RawRows]:
        """Yield what must be looked at before rows can be used as they are: attributes and floats."""
        floats = [t for plan in self.plans for t in plan.typed if t.dtype.is_float()]
        names = {a: c for a, c in self.mapping.columns.items() if a != PAYLOAD}
        wanted = list(dict.fromkeys([*names.values(), *(typed.keys[0] for typed in floats)]))
        for file in self._each("checking"):
            start = 1
            for frame in batches(file, wanted):
                columns = [pl.col(column).alias(name) for name, column in names.items()]
                columns += [pl.col(t.keys[0]).cast(pl.Float64).alias(t.column) for t in floats]
                yield RawRows(
                    frame=frame.select(columns),
                    file=file.file.name,
                    line=np.arange(start, start + len(frame)),
                    byte=None,
                    raw=lambda row: b"",
                )
                start += len(frame)

    @property
    def is_usable_as_is(self) -> bool:
        """Return whether every column can be used where it lies, without staging."""
        time = self._dtypes[self.mapping.columns[TIME]]
        nested = any(file.is_nested for file in self._files)
        plain = time.is_temporal() or time.is_integer()
        return plain and not self._json_payload and not nested and ID in self.mapping.columns

    def lazy(self, forms: dict[str, TimeForm], nan: Sequence[str]) -> pl.LazyFrame:
        """Return the log as one lazy frame over the files, without `seq`'s gaps or a copy."""
        parts, start = [], 0
        for file in self._files:
            if file.rows:
                scan = scan_numbered(file, start)
                parts.append(scan.select(self._expressions(file, forms[file.file.name], set(nan))))
            start += file.rows
        return pl.concat(parts)

    def plain(self, nan: Sequence[str]) -> PlainFiles | None:
        """Return the files as they lie; None where they are remote, or columns have to be made fit first."""
        wanted = self._plain_columns(nan)
        if wanted is None or any(file.file.url is not None for file in self._files):
            return None
        files, start = [], 0
        for file in self._files:
            files.append((str(file.file.path), start))
            start += file.rows
        return PlainFiles(tuple(files), wanted)

    def _plain_columns(self, nan: Sequence[str]) -> dict[str, str] | None:
        """Return the log's columns, each with the file's column that is just it; None if one is not."""
        names = {attribute: self.mapping.columns.get(attribute) for attribute in (ID, TYPE, SOURCE, TIME)}
        wanted: dict[str, tuple[str | None, pl.DataType]] = {
            attribute: (column, ENVELOPE[attribute]) for attribute, column in names.items()
        }
        if SUBJECT in self.mapping.columns:
            wanted[SUBJECT] = (self.mapping.columns[SUBJECT], pl.String())
        for typed in [*self.plans[0].typed, *self.plans[1].typed]:
            wanted[typed.column] = (typed.keys[0], typed.dtype)
        asked_for = self.mapping.default_type or self.mapping.default_source
        special = any(char in str(file.file.path) for file in self._files for char in "*?[]{}")
        folders = {part for file in self._files for part in file.file.path.parent.parts}
        told_by_folders = {folder.partition("=")[0] for folder in folders if "=" in folder}  # day=1/a.parquet
        fits = all(file.schema.get(c or "") == t for file in self._files for c, t in wanted.values())
        is_told = any(column in told_by_folders for column, _ in wanted.values())
        if nan or asked_for or special or is_told or not fits:
            return None
        return {name: str(column) for name, (column, _) in wanted.items()}

    def texts(self) -> Iterator[pl.Series] | None:
        """Yield the payload's text batch by batch, if a column holds it."""
        if not self._json_payload:
            return None
        column = self.mapping.columns[PAYLOAD]
        return (frame[column] for file in self._files for frame in batches(file, [column]))

    def notes(self) -> list[str]:
        """Return sentences for the report."""
        dtype = self._dtypes.get(self.mapping.columns.get(ID, ""))
        return [] if dtype in (None, pl.String) else [f"id: {dtype} in the file, made text"]

    def _each(self, title: str) -> Iterator[ParquetFile]:
        for file, _ in zip(self._files, self._request.each_file(title), strict=True):
            yield file

    def _cast(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            pl.col(name).cast(dtype) for name, dtype in self._dtypes.items() if name in frame.columns
        )

    def _expressions(self, file: ParquetFile, form: TimeForm, nan: set[str]) -> list[pl.Expr]:
        source = self.mapping.default_source or file.file.name.split("/")[-1].split(".")[0]
        time = self.mapping.columns[TIME]
        us = time_us(pl.col(time), file.schema[time], form)
        out = [
            pl.col(ROW).cast(pl.Int64).alias(SEQ),
            pl.col(self.mapping.columns[ID]).cast(pl.String).alias(ID),
            self._text(TYPE, self.mapping.default_type),
            self._text(SOURCE, source),
            # bare where it can be, so that bounds on it reach the statistics of row groups
            (pl.col(time) if file.schema[time] == ENVELOPE[TIME] else us.cast(ENVELOPE[TIME])).alias(TIME),
            us.alias(TS),
        ]
        if SUBJECT in self.mapping.columns:
            out.append(pl.col(self.mapping.columns[SUBJECT]).cast(pl.String).alias(SUBJECT))
        for typed in [*self.plans[0].typed, *self.plans[1].typed]:
            name = typed.keys[0]
            value = pl.col(name).cast(typed.dtype) if name in file.schema else pl.lit(None, typed.dtype)
            out.append((value.fill_nan(None) if typed.column in nan else value).alias(typed.column))
        return out

    def _text(self, name: str, default: str | None) -> pl.Expr:
        if name not in self.mapping.columns:
            return pl.lit(default, pl.String).alias(name)
        column = pl.col(self.mapping.columns[name]).cast(pl.String)
        given = self.mapping.default_type if name == TYPE else self.mapping.default_source
        return (column if given is None else column.fill_null(given)).alias(name)


def _row_text(frame: pl.DataFrame, row: int) -> bytes:
    values = {n: v for n, v in frame.row(row, named=True).items() if v is not None}
    nested = {n.removeprefix(PREFIX): v for n, v in values.items() if n.startswith(PREFIX)}
    flat = {n: v for n, v in values.items() if not n.startswith(PREFIX)}
    return msgspec.json.encode(flat | ({PAYLOAD: nested} if nested else {}), enc_hook=str)
