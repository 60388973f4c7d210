"""Where typed rows wait until the log is whole: in memory, or past a budget in a temporary file."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

import polars as pl


class Stage:
    """Collects frames, hands them on as one lazy frame; a column that some lack is null there.

    Up to `memory_bytes` they stay in memory; from then on they go to Parquet files in a
    temporary folder, which is removed when nothing refers to the stage any more.
    """

    def __init__(self, memory_bytes: int) -> None:
        """Set the budget."""
        self._budget = memory_bytes
        self._held: list[pl.DataFrame] = []
        self._size = 0
        self._folder: Path | None = None
        self._parts = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take one more frame."""
        self._held.append(frame)
        self._size += int(frame.estimated_size())
        if self._size > self._budget:
            self._spill()

    def lazy(self) -> pl.LazyFrame:
        """Return all frames, in the order in which they came."""
        spilt = [] if self._folder is None else sorted(self._folder.iterdir())
        parts = [pl.scan_parquet(path) for path in spilt]
        if self._held or not parts:
            parts.append(self._joined().lazy() if self._held else pl.LazyFrame())
        return pl.concat(parts, how="diagonal") if len(parts) > 1 else parts[0]

    def _joined(self) -> pl.DataFrame:
        return pl.concat(self._held, how="diagonal")

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="evanalytics-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / f"{self._parts:08}.parquet"
        self._joined().write_parquet(path, compression="lz4")
        self._parts += 1
        self._held, self._size = [], 0
