"""What reading a log needs whatever its format: the request, and what a format must answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import polars as pl
from tqdm.auto import tqdm

from evanalytics.logs.envelope import EnvelopeMap, RawRows
from evanalytics.logs.paths import PathPlan
from evanalytics.logs.quarantine import BadRecord
from evanalytics.logs.sources import LogFile, ReadLimits
from evanalytics.logs.stage import TemporaryFolder

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller of `read_log` asked for; `unpacked` is where files of quarantined records lie."""

    files: Sequence[LogFile]
    unpacked: TemporaryFolder | None
    columns: Mapping[str, str] | None
    default_type: str | None
    default_source: str | None
    limits: ReadLimits
    connection: duckdb.DuckDBPyConnection
    progress: bool

    @property
    def name(self) -> str:
        """Return what messages call the log."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].location}{more}"

    def bar(self, title: str) -> tqdm[None]:
        """Return a progress bar over the bytes of all files; it shows up after two seconds."""
        total = sum(file.bytes for file in self.files)
        return tqdm(total=total, desc=title, unit="B", unit_scale=True, delay=2, disable=not self.progress)

    def each_file(self, title: str) -> Iterator[LogFile]:
        """Yield the files, moving a progress bar."""
        with self.bar(title) as bar:
            for file in self.files:
                yield file
                bar.update(file.bytes)


class Reading(Protocol):
    """A log of one format while it is read: first a survey, then its rows."""

    mapping: EnvelopeMap
    plans: tuple[PathPlan, PathPlan]

    def survey(self) -> None:
        """Go over the whole log once; sets `mapping` and `plans` (payload, extensions)."""
        ...

    def rows(self) -> Iterator[tuple[RawRows, list[BadRecord]]]:
        """Yield the typed rows, and the records that could not be read, in log order."""
        ...

    def texts(self) -> Iterator[pl.Series] | None:
        """Yield the payload of the same rows as JSON text; None if there is no such text."""
        ...

    def notes(self) -> list[str]:
        """Return sentences for the report."""
        ...
