"""`read_log`: files of any known format become one event log; every record is accounted for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.connection import connect
from evanalytics.logs.envelope import EnvelopeReader, RawRows
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.payloads import FromColumns, Payloads, ReadAgain
from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.quarantine import BadRecord, Quarantine, bad_record, quarantine_path, read_quarantine
from evanalytics.logs.read_csv import CsvReading
from evanalytics.logs.read_json import JsonReading
from evanalytics.logs.read_parquet import ParquetReading
from evanalytics.logs.reading import Reading, Request
from evanalytics.logs.report import ReadReport
from evanalytics.logs.schema import ENVELOPE, PAYLOAD, PREFIX, SEQ, SUBJECT
from evanalytics.logs.sources import LogFile, Paths, ReadLimits, find_files
from evanalytics.logs.stage import Stage, TemporaryFolder
from evanalytics.logs.tally import Tally


def read_log(
    paths: Paths,
    *,
    columns: Mapping[str, str] | None = None,
    default_type: str | None = None,
    default_source: str | None = None,
    quarantine: str | os.PathLike[str] | None = None,
    limits: ReadLimits | None = None,
    verify: bool = True,
    progress: bool = True,
) -> EventLog:
    """Read event logs: Parquet, NDJSON or CSV files (the text ones plain or gzip).

    Every record becomes an event or is quarantined: `report.read == report.good +
    report.quarantined`. Payload paths are typed over the whole log, not its first rows; where
    that cannot be done exactly a path stays JSON, and the report says so. How times are
    written is recognised and reported; a time without a zone is taken as UTC.

    Args:
        paths: A file, a glob, a folder (searched to the bottom), or a list of them; all of one
            format. A quarantine file is read as the records it holds. Single Parquet files may also
            lie at `s3://`, `gs://`, `az://` or `https://`: polars reads them with the credentials that the
            environment has (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, ...).
        columns: Where the attributes are, for logs with other names:
            `{"time": "ts", "type": "event_name"}`; dotted paths for nested ones. Keys: id, type,
            source, time, subject, data.
        default_type: The type of events that have none.
        default_source: The source of events that have none; else the file's name, if no
            record says its source.
        quarantine: File or folder for records that cannot be read; else beside the log.
        limits: What the log may ask of the machine.
        verify: Whether to verify the checksum of Parquet files that carry ours.
        progress: Whether to show a progress bar when it takes over two seconds.

    Raises:
        LogNotFoundError: There is no such file.
        LogReadError: The log as a whole cannot be read; says why and what would do.

    Example:
        log = read_log("clicks/*.ndjson.gz", columns={"time": "ts", "type": "event_name"})
        print(log.report)
    """
    limits = limits or ReadLimits()
    found = find_files(paths, limits=limits)
    unpacked = TemporaryFolder() if any(file.format == "quarantine" for file in found) else None
    files = found if unpacked is None else _unpack_quarantine(found, unpacked.path)
    formats = sorted({file.format for file in files})
    if len(formats) > 1:
        raise LogReadError(
            f"{files[0].path}: files of different formats ({', '.join(formats)}); read each by itself"
        )
    request = Request(
        files=files,
        unpacked=unpacked,
        columns=columns,
        default_type=default_type,
        default_source=default_source,
        limits=limits,
        connection=connect(),
        progress=progress,
    )
    reading: Reading
    if formats == ["parquet"]:
        reading = ParquetReading(request, check=verify)
    else:
        reading = JsonReading(request) if formats == ["ndjson"] else CsvReading(request)
    path = quarantine_path(found[0].path, None if quarantine is None else Path(quarantine))
    return _Reader(request, reading, path).read()


class _Reader:
    """Turns one reading into a log."""

    def __init__(self, request: Request, reading: Reading, quarantine: Path) -> None:
        self._request = request
        self._reading = reading
        self._quarantine = Quarantine(quarantine)
        self._tally = Tally()
        self._dropped: list[list[int]] = []

    def read(self) -> EventLog:
        self._reading.survey()
        self._envelope = EnvelopeReader(self._reading.mapping)
        reading = self._reading
        if isinstance(reading, ParquetReading) and reading.is_usable_as_is and self._is_clean(reading):
            nan = list(self._tally.nan)
            lazy, plain = reading.lazy(self._envelope.forms, nan), reading.plain(nan)
            return self._log(lazy, FromColumns(self._keys()), plain)
        return self._log(self._finish(self._stage()), self._payloads())

    def _is_clean(self, reading: ParquetReading) -> bool:
        for rows in reading.checks():
            good, bad = self._envelope.read(rows)
            if bad:
                self._tally = Tally()
                return False
            self._tally.add(good)
        return True

    def _stage(self) -> Stage:
        stage = Stage(self._request.limits.memory_budget())
        with self._quarantine as quarantine:
            for rows, refused in self._reading.rows():
                good, bad = self._envelope.read(rows)
                quarantine.add(_in_line_order(refused, rows, bad))
                self._dropped.append(sorted(bad))
                self._tally.add(good)
                stage.add(good)
        return stage

    def _finish(self, stage: Stage) -> pl.LazyFrame:
        lazy = stage.lazy()
        kept = {typed.column for plan in self._reading.plans for typed in plan.typed}
        names = [n for n in lazy.collect_schema() if n in kept or n in (*ENVELOPE, SUBJECT)]
        lazy = lazy.select(names).with_columns(pl.col(c).fill_nan(None) for c in self._tally.nan if c in kept)
        lazy = lazy.with_row_index(SEQ).with_columns(pl.col(SEQ).cast(pl.Int64))
        return lazy.select(*ENVELOPE, pl.exclude(*ENVELOPE))

    def _payloads(self) -> Payloads:
        if self._reading.texts() is None:
            return FromColumns(self._keys())
        dropped, reading = self._dropped, self._reading

        def read() -> Iterator[pl.Series]:
            texts = reading.texts()
            assert texts is not None
            for series, bad in zip(texts, dropped, strict=True):
                yield series.filter(~pl.int_range(len(series), eager=True).is_in(bad)) if bad else series

        return ReadAgain(read, [file.path for file in self._request.files])

    def _keys(self) -> dict[str, tuple[str, ...]]:
        return {t.column: tuple(t.path.split(".")[1:]) for t in self._reading.plans[0].typed}

    def _payload_note(self) -> list[str]:
        typed = self._reading.plans[0].typed
        if PAYLOAD in self._reading.mapping.columns or all(t.keys[0].startswith(PREFIX) for t in typed):
            return []
        return ["data: the log has none, the columns that are no attribute became the payload"]

    def _log(self, lazy: pl.LazyFrame, payloads: Payloads, plain: PlainFiles | None = None) -> EventLog:
        plans, tally = self._reading.plans, self._tally
        typed = {t.path: t for plan in plans for t in plan.typed}
        nulls = tuple(path for plan in plans for path in plan.nulls)
        json = {path: why for plan in plans for path, why in plan.json.items()}
        report = ReadReport(
            files=tuple(file.name for file in self._request.files),
            read=tally.rows + self._quarantine.count,
            good=tally.rows,
            quarantined=self._quarantine.count,
            reasons=dict(self._quarantine.reasons.most_common()),
            quarantine=self._quarantine.path,
            typed={path: str(t.dtype) for path, t in typed.items()},
            json_paths=json,
            nan_to_null={p: tally.nan[t.column] for p, t in typed.items() if t.column in tally.nan},
            null_paths=nulls,
            duplicate_ids=tally.duplicate_ids(),
            out_of_order=tally.out_of_order,
            start=tally.start,
            end=tally.end,
            notes=tuple(self._envelope.notes() + self._reading.notes() + self._payload_note()),
        )
        unclear = tuple(dict.fromkeys([*nulls, *report.nan_to_null]))  # a null that may have been a value
        schema = LogSchema(
            dict(lazy.collect_schema()), {p: t.column for p, t in typed.items()}, json, unclear
        )
        return EventLog(lazy, schema=schema, report=report, payloads=payloads, plain=plain)


def _in_line_order(refused: list[BadRecord], rows: RawRows, bad: Mapping[int, str]) -> list[BadRecord]:
    found = list(refused)
    for row, reason in bad.items():
        byte = None if rows.byte is None else int(rows.byte[row])
        found.append(
            bad_record(rows.file, int(rows.line[row]), byte, reason, rows.raw(row), header=rows.header)
        )
    return sorted(found, key=lambda record: record.line)


def _unpack_quarantine(files: list[LogFile], folder: Path) -> list[LogFile]:
    """Replace quarantine files by files of the records they hold."""
    out = []
    for number, file in enumerate(files):
        if file.format != "quarantine":
            out.append(file)
            continue
        records = list(read_quarantine(file.path))
        headers = {record.header for record in records}
        if len(headers) != 1:
            raise LogReadError(f"{file.path}: holds records of several formats; split it by its headers")
        header = headers.pop()
        path = folder / f"{number}.{'ndjson' if header is None else 'csv'}"
        lines = [record.raw_bytes for record in records]
        path.write_bytes(b"\n".join(lines if header is None else [header.encode(), *lines]) + b"\n")
        out.append(LogFile(path, file.name, "ndjson" if header is None else "csv", compressed=False))
    return out
