"""Reading CSV files as one log."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.csv_text import CsvChunk, CsvHeader, read_header, read_records
from evanalytics.logs.envelope import EnvelopeMap, RawRows, map_envelope
from evanalytics.logs.paths import PathPlan
from evanalytics.logs.quarantine import BadRecord, bad_record
from evanalytics.logs.reading import Request
from evanalytics.logs.schema import PAYLOAD
from evanalytics.logs.sources import LogFile
from evanalytics.logs.table import TableRecords


class CsvReading:
    """CSV files on their way to become a log."""

    mapping: EnvelopeMap
    plans: tuple[PathPlan, PathPlan]

    def __init__(self, request: Request) -> None:
        """Take what was asked for; only the headers are read yet."""
        self._request = request
        self._headers = {file.path: read_header(file, limits=request.limits) for file in request.files}
        self._columns = list(dict.fromkeys(n for header in self._headers.values() for n in header.columns))
        self.mapping = map_envelope(
            request.columns,
            self._columns,
            has=self._columns.__contains__,
            where=request.name,
            default_type=request.default_type,
            default_source=request.default_source,
        )
        dtypes = dict.fromkeys(self._columns, pl.String())
        self._table = TableRecords(request.connection, self.mapping, dtypes, is_text=True)

    def survey(self) -> None:
        """See what the values of every column look like."""
        count = 0
        for file in self._request.each_file("surveying"):
            for chunk in self._chunks(file):
                count += len(chunk.frame) + len(chunk.bad)
                self._table.survey(self._whole(chunk.frame))
        if count == 0:
            raise LogReadError(f"{self._request.name}: a header, but no record below it")
        self.plans = self._table.plan()

    def rows(self) -> Iterator[tuple[RawRows, list[BadRecord]]]:
        """Yield the typed rows chunk by chunk."""
        for file in self._request.each_file("reading"):
            header = self._headers[file.path].text
            for chunk in self._chunks(file):
                frame, refused = self._table.rows(self._whole(chunk.frame), self.plans)
                bad = [
                    bad_record(file.name, line, byte, reason, raw, header=header)
                    for line, byte, reason, raw in chunk.bad
                ]
                yield (
                    RawRows(
                        frame=frame,
                        file=file.name,
                        line=chunk.line,
                        byte=chunk.byte,
                        raw=chunk.raw,
                        refused=refused,
                        header=header,
                    ),
                    bad,
                )

    def texts(self) -> Iterator[pl.Series] | None:
        """Yield the payload's text chunk by chunk, if a column holds it."""
        column = self.mapping.columns.get(PAYLOAD)
        if column is None:
            return None
        return (chunk.frame[column] for file in self._request.files for chunk in self._chunks(file))

    def notes(self) -> list[str]:
        """Return sentences for the report."""
        delimiters = {header.delimiter for header in self._headers.values()} - {","}
        return ["csv: an empty field is taken as missing"] + [
            f"csv: fields are separated by {delimiter!r}" for delimiter in sorted(delimiters)
        ]

    def _chunks(self, file: LogFile) -> Iterator[CsvChunk]:
        header: CsvHeader = self._headers[file.path]
        return read_records(file, header, limits=self._request.limits)

    def _whole(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the frame the columns that only other files have."""
        missing = [pl.lit(None, pl.String).alias(name) for name in self._columns if name not in frame.columns]
        return frame.with_columns(missing)
