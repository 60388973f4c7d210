"""Which column of a foreign log is which attribute of an event, and its values made ours."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.schema import ENVELOPE, ID, PAYLOAD, SEQ, SOURCE, SUBJECT, TIME, TS, TYPE
from evanalytics.logs.times import TimeForm, recognise_times, times_us, without_zone

ATTRIBUTES = (ID, TYPE, SOURCE, TIME, SUBJECT, PAYLOAD)
_OFTEN_CALLED = {
    ID: ("event_id", "eventid", "uuid", "_id", "message_id", "messageid", "key"),
    TYPE: ("event_type", "eventtype", "event_name", "event", "name", "action", "kind", "detail-type"),
    TIME: ("timestamp", "ts", "@timestamp", "event_time", "datetime", "created_at", "date", "occurred_at"),
    SOURCE: ("origin", "service", "app", "producer"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeMap:
    """Where each attribute comes from: a column (or dotted path) of the log, or None.

    Attributes:
        columns: Attribute to column; an attribute that the log lacks is not in it.
        default_type: The type of events that have none.
        default_source: The source of events that have none.
    """

    columns: Mapping[str, str]
    default_type: str | None = None
    default_source: str | None = None

    def describe(self) -> list[str]:
        """Return the sentences for the report about what was mapped and what was filled in."""
        notes = [f"{name}: read from {given!r}" for name, given in self.columns.items() if name != given]
        if ID not in self.columns:
            notes.append("id: the log has none, made from file name and line (file#line)")
        if TYPE not in self.columns:
            notes.append(f"type: the log has none, {self.default_type!r} was given")
        elif self.default_type is not None:
            notes.append(f"type: {self.default_type!r} where the log has none")
        if SOURCE not in self.columns:
            given = (
                f"{self.default_source!r} was given" if self.default_source else "the file's name was taken"
            )
            notes.append(f"source: the log has none, {given}")
        return notes


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Records of one file on their way to become events.

    Attributes:
        frame: One row a record: the attributes under our names, as the log has them, and the
            payload's columns, typed.
        file: Name of the file.
        line: Line of each record, from 1.
        byte: Where each record begins; None where that has no meaning.
        raw: Returns the raw bytes of a record.
        refused: Reasons already known, by row.
        header: For CSV, the text of the first record.
    """

    frame: pl.DataFrame
    file: str
    line: npt.NDArray[np.int64]
    byte: npt.NDArray[np.int64] | None
    raw: Callable[[int], bytes]
    refused: Mapping[int, str] = field(default_factory=dict)
    header: str | None = None


def map_envelope(
    given: Mapping[str, str] | None,
    available: Sequence[str],
    *,
    has: Callable[[str], bool],
    where: str,
    default_type: str | None,
    default_source: str | None,
) -> EnvelopeMap:
    """Decide where each attribute comes from.

    Args:
        given: The user's mapping from attribute to column.
        available: The log's own column names, for messages.
        has: Whether the log has a column or path of this name.
        where: The log, for messages.
        default_type: The type of events that have none.
        default_source: The source of events that have none.

    Raises:
        LogReadError: An unknown attribute, a column that is not there, no time, or no type.
    """
    given = dict(given or {})
    for name, column in given.items():
        if name not in ATTRIBUTES:
            raise LogReadError(f"columns: {name!r} is no attribute; the keys are {', '.join(ATTRIBUTES)}")
        if not has(column):
            near = difflib.get_close_matches(column, available, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {_listed(available)}"
            raise LogReadError(f"{where}: columns says {name} is {column!r}, but the log has none{hint}")
    columns = {name: given.get(name, name) for name in ATTRIBUTES if name in given or has(name)}
    if TIME not in columns:
        raise LogReadError(_missing(TIME, available, where, ""))
    if TYPE not in columns and default_type is None:
        raise LogReadError(_missing(TYPE, available, where, ", or one type for all with default_type='...'"))
    return EnvelopeMap(columns=columns, default_type=default_type, default_source=default_source)


class EnvelopeReader:
    """Turns raw rows into events' columns, and says which rows cannot become events."""

    def __init__(self, mapping: EnvelopeMap) -> None:
        """Take the mapping; how times are written is recognised file by file."""
        self.mapping = mapping
        self.forms: dict[str, TimeForm] = {}
        self._unzoned = False

    def read(self, rows: RawRows) -> tuple[pl.DataFrame, dict[int, str]]:
        """Return the good rows in our columns (without `seq`), and the reasons of the others by row."""
        form = self._form_of(rows)
        times = rows.frame[TIME]
        frame = rows.frame.with_columns(
            self._id(rows),
            self._text(TYPE, self.mapping.default_type),
            self._text(SOURCE, self.mapping.default_source or self._file_as_source(rows.file)),
            times_us(times, form).alias(TS),
        )
        if SUBJECT in frame.columns:
            frame = frame.with_columns(pl.col(SUBJECT).cast(pl.String))
        bad = _reasons(frame, times) | dict(rows.refused)
        if bad:
            good = np.ones(len(frame), dtype=bool)
            good[list(bad)] = False
            frame = frame.filter(pl.Series(good))
        frame = frame.with_columns(pl.col(TS).cast(pl.Datetime("us", "UTC")).alias(TIME))
        own = [name for name in ENVELOPE if name != SEQ]
        return frame.select(*own, pl.exclude(*own)), bad

    def notes(self) -> list[str]:
        """Return the sentences for the report."""
        times = list(dict.fromkeys(form.describe() for form in self.forms.values()))
        if self._unzoned:
            times.append("time: some have no zone and are taken as UTC")
        return self.mapping.describe() + times

    def _form_of(self, rows: RawRows) -> TimeForm:
        times = rows.frame[TIME]
        if rows.file not in self.forms:
            form = recognise_times(times)
            if form is None:
                return TimeForm("text")
            self.forms[rows.file] = form
        form = self.forms[rows.file]
        if form.kind == "text" and form.zoned and not self._unzoned:
            self._unzoned = without_zone(times)
        return form

    def _id(self, rows: RawRows) -> pl.Expr:
        if ID in self.mapping.columns:
            return pl.col(ID).cast(pl.String)
        return pl.format("{}#{}", pl.lit(rows.file), pl.Series(rows.line)).alias(ID)

    def _text(self, name: str, default: str | None) -> pl.Expr:
        if name not in self.mapping.columns:
            return pl.lit(default, pl.String).alias(name)
        column = pl.col(name).cast(pl.String)
        fills = default is not None and (name != SOURCE or self.mapping.default_source is not None)
        return column.fill_null(default).alias(name) if fills else column

    def _file_as_source(self, file: str) -> str:
        return file.split("/")[-1].split(".")[0] or file


def _reasons(frame: pl.DataFrame, times: pl.Series) -> dict[int, str]:
    """Return why rows cannot become events; the first reason counts."""
    out: dict[int, str] = {}
    for row in frame[TS].is_null().arg_true().to_list():
        value = times[row]
        out[row] = "time is missing" if value is None else f"time is not a time: {str(value)[:100]!r}"
    for name in (SOURCE, TYPE, ID):
        empty = frame.select((pl.col(name).is_null() | (pl.col(name) == "")).alias("bad"))["bad"]
        out.update(dict.fromkeys(empty.arg_true().to_list(), f"{name} is missing"))
    return out


def _missing(name: str, available: Sequence[str], where: str, more: str) -> str:
    folded = {column.casefold(): column for column in available}
    near = [folded[alias] for alias in _OFTEN_CALLED[name] if alias in folded]
    example = near[0] if near else "..."
    return (
        f"{where}: no column {name!r}; the log has {_listed(available)}; "
        f"say which it is with columns={{{name!r}: {example!r}}}{more}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
