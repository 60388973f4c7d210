"""Where typed rows wait until the log is whole: in memory, or past a budget in a temporary file."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source


class TemporaryFolder:
    """A folder that is removed when nothing refers to this object any more."""

    def __init__(self) -> None:
        """Make the folder."""
        self.path = Path(tempfile.mkdtemp(prefix="evanalytics-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class Stage:
    """Collects frames, hands them on as one lazy frame; a column that some lack is null there.

    Up to `memory_bytes` they stay in memory; from then on they go to Parquet files in a
    temporary folder, which lasts as long as the stage, its lazy frames, and all that is made of them.
    """

    def __init__(self, memory_bytes: int) -> None:
        """Set the budget."""
        self._budget = memory_bytes
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._folder: TemporaryFolder | None = None
        self._parts = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take one more frame."""
        self._held.append(frame)
        self._size += int(frame.estimated_size())
        if self._size > self._budget:
            self._spill()

    def lazy(self) -> pl.LazyFrame:
        """Return all frames, in the order in which they came."""
        parts: list[pl.LazyFrame] = []
        if self._folder is not None:
            parts = [pl.scan_parquet(path) for path in sorted(self._folder.path.iterdir())]
            parts.append(_nothing(self._folder, parts[0].collect_schema()))
        if self._held or not parts:
            parts.append(self._joined().lazy() if self._held else pl.LazyFrame())
        return pl.concat(parts, how="diagonal") if len(parts) > 1 else parts[0]

    def _joined(self) -> pl.DataFrame:
        return pl.concat(self._held, how="diagonal")

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = TemporaryFolder()
        path = self._folder.path / f"{self._parts:08}.parquet"
        self._joined().write_parquet(path, compression="lz4")
        self._parts += 1
        self._held, self._size = [], 0


def _nothing(folder: TemporaryFolder, schema: pl.Schema) -> pl.LazyFrame:
    """Return a frame without rows that refers to a folder: so does every plan that it is a part of.

    It hinders none of polars' optimizations, as a function applied to the rows would.
    """

    def no_frames(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
        _kept: TemporaryFolder = folder,
    ) -> Iterator[pl.DataFrame]:
        return iter(())

    return register_io_source(no_frames, schema=schema)
