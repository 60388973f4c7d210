"""A folder of Parquet logs with a Bloom filter per row group: which ones may hold an id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evanalytics.bloom.columns import Id
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.parquet import read_filters
from evanalytics.bloom.sidecar import StoredFilter, read_sidecar, write_sidecar
from evanalytics.exceptions import BloomError, CatalogError

_ENDINGS = (".parquet", ".pq")
_Stamp = dict[str, int | float | str]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of one file; `file` is relative to the catalog's folder."""

    file: str
    row_group: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """What looking for an id found.

    Attributes:
        rows: The rows with that id, all columns; no rows and no columns if no file was read.
        read: The row groups whose ids were read.
        row_groups: How many row groups the folder has.
    """

    rows: pl.DataFrame
    read: tuple[RowGroup, ...]
    row_groups: int

    @property
    def is_found(self) -> bool:
        """Whether there is such a row."""
        return len(self.rows) > 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """The filter of a row group, and what tells that it has to be made again."""

    place: RowGroup
    stamp: _Stamp
    index: BloomFilterIndex

    @classmethod
    def of(cls, stored: StoredFilter) -> _Entry:
        place = RowGroup(stored.file or "", stored.row_group or 0)
        return cls(place, json.loads(stored.note), BloomFilterIndex.from_stored(stored))

    def to_stored(self) -> StoredFilter:
        note = json.dumps(self.stamp)
        return self.index.to_stored(file=self.place.file, row_group=self.place.row_group, note=note)


class LogCatalog:
    """Knows of each row group under a folder which ids it may hold, and reads only those.

    The filters are kept in one file beside the logs (`_id.bloom`), so that a second opening
    reads no log. An absent id costs one look per row group, and reading one of them at a rate of
    `error_rate_now`. A filter in a file's own footer is taken where it is good enough;
    otherwise the id column is read once. Null ids are left out: nobody can ask for them.

    A catalog never answers for files it has not seen: whenever one was added, changed or
    removed, it asks for `refresh()`.

    Attributes:
        folder: Where the logs are, searched to the bottom.
        column: The column of ids: String, Binary, Int64 or Int32, the same in all files.
        error_rate: What the filter of each row group promises.

    Example:
        catalog = LogCatalog("logs")
        catalog.look_up("order-17").rows
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        column: str = "id",
        error_rate: float = 1e-5,
        sidecar: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> None:
        """Open the catalog of a folder; make it, or bring it up to date, if need be.

        Args:
            folder: Where the Parquet logs are.
            column: The column of ids.
            error_rate: Share of absent ids for which a row group is read in vain, for each row
                group; 1e-5 over 100 of them is one lookup in a thousand.
            sidecar: Where the filters are kept, for folders that cannot be written to.
            progress: Show a progress bar while logs are read.

        Raises:
            CatalogError: There is no such folder, a log cannot be read, or the dtypes of ids differ.
            BloomError: The file of filters is damaged, or the error rate makes no sense.
        """
        self.folder = Path(folder)
        self.column = column
        self.error_rate = error_rate
        self._sidecar = Path(sidecar) if sidecar is not None else self.folder / f"_{column}.bloom"
        stored = read_sidecar(self._sidecar) if self._sidecar.exists() else []
        self._entries = [_Entry.of(filter) for filter in stored]
        self._stamps = {entry.place.file: entry.stamp for entry in self._entries}
        self.refresh(progress=progress)

    def refresh(self, *, progress: bool = True) -> int:
        """Take note of files that were added, changed or removed; return how many were indexed.

        Raises:
            CatalogError: A log cannot be read, or the dtypes of ids differ.
        """
        from tqdm.auto import tqdm

        found = self._files()
        if found == self._stamps:
            return 0
        changed = [file for file, stamp in found.items() if self._stamps.get(file) != stamp]
        kept = [e for e in self._entries if e.place.file in found and e.place.file not in changed]
        for file in tqdm(changed, desc="indexing", unit=" files", disable=not progress, delay=2):
            kept += self._index_file(file, found[file])
        if len(dtypes := {str(entry.index.dtype) for entry in kept}) > 1:
            raise CatalogError(f"{self.folder}: {self.column!r} is of several dtypes: {', '.join(dtypes)}")
        write_sidecar(self._sidecar, [entry.to_stored() for entry in kept])
        self._entries, self._stamps = kept, found
        return len(changed)

    def candidates(self, id: Id) -> list[RowGroup]:
        """Return the row groups that may hold an id; it is surely in no other.

        Raises:
            CatalogError: Files were added, changed or removed.
            BloomError: The id is not of the column's dtype.
        """
        self._refuse_if_stale()
        return [entry.place for entry in self._entries if entry.index.might_contain(id)]

    def look_up(self, id: Id) -> Lookup:
        """Return the rows with an id, reading only the row groups that may hold it.

        Raises:
            CatalogError: Files were added, changed or removed, or one cannot be read.
            BloomError: The id is not of the column's dtype.
        """
        read = tuple(self.candidates(id))
        frames = [rows for place in read if len(rows := self._rows(place, id))]
        rows = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
        return Lookup(rows, read, len(self._entries))

    @property
    def row_groups(self) -> int:
        """How many row groups there are."""
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Memory of the filters, in bytes."""
        return sum(entry.index.bytes for entry in self._entries)

    @property
    def error_rate_now(self) -> float:
        """Share of absent ids for which any row group is read, by the filters' own bits."""
        rates = np.array([entry.index.error_rate_now for entry in self._entries])
        return float(-np.expm1(np.log1p(-rates).sum()))

    def __repr__(self) -> str:
        return f"<LogCatalog of {self.folder}: {self.row_groups:,} row groups in {len(self._stamps):,} files>"

    def _files(self) -> dict[str, _Stamp]:
        """Return the logs under the folder, each with what tells that its filters must be made again."""
        if not self.folder.is_dir():
            raise CatalogError(f"{self.folder}: no such folder; name the one that holds the Parquet logs")
        out = {}
        for root, _, names in os.walk(self.folder):
            for name in names:
                if name.endswith(_ENDINGS) and not name.startswith((".", "_")):
                    path = os.path.join(root, name)
                    status = os.stat(path)
                    file = Path(os.path.relpath(path, self.folder)).as_posix()
                    seen: _Stamp = {"size": status.st_size, "modified_ns": status.st_mtime_ns}
                    out[file] = seen | {"column": self.column, "error_rate": self.error_rate}
        if not out:
            raise CatalogError(f"{self.folder}: holds no Parquet file ({', '.join(_ENDINGS)})")
        return dict(sorted(out.items()))

    def _refuse_if_stale(self) -> None:
        found = self._files()
        if found != self._stamps:
            files = sorted({f for f in {*found, *self._stamps} if found.get(f) != self._stamps.get(f)})
            raise CatalogError(
                f"{self.folder}: {len(files):,} files were added, changed or removed since they were "
                f"indexed, such as {files[0]}; call refresh()"
            )

    def _index_file(self, file: str, stamp: _Stamp) -> Iterator[_Entry]:
        try:
            own = read_filters(self.folder / file, self.column)
        except BloomError as error:
            raise CatalogError(f"catalog of {self.folder}: {error}") from error
        for group in own.row_groups:
            place, index = RowGroup(file, group.row_group), group.index
            if index is None or index.error_rate_now > self.error_rate:
                ids = self._read(place, [self.column])[self.column].drop_nulls()
                index = BloomFilterIndex(self.error_rate, max(1, len(ids)), dtype=ids.dtype)
                index.add_many(ids)
            yield _Entry(place, stamp, index)

    def _rows(self, place: RowGroup, id: Id) -> pl.DataFrame:
        """Return a row group's rows with an id: the other columns are read only if there are any."""
        is_wanted = self._read(place, [self.column])[self.column] == id
        if not is_wanted.any():
            return pl.DataFrame()
        return self._read(place, None).filter(is_wanted)

    def _read(self, place: RowGroup, columns: list[str] | None) -> pl.DataFrame:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / place.file
        try:
            with pq.ParquetFile(path) as file:
                frame: Any = pl.from_arrow(file.read_row_group(place.row_group, columns=columns))
        except (OSError, pa.ArrowException) as error:
            raise CatalogError(f"{path}: row group {place.row_group} cannot be read: {error}") from error
        assert isinstance(frame, pl.DataFrame)
        return frame
