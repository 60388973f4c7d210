"""Figures of a log that are gathered while it is read: order, repeated ids, time range, NaN."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from evanalytics.logs.schema import ID, TS

_MOST_IDS = 200_000_000  # 8 bytes of hash each
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tally:
    """Takes the good rows in arrival order, frame by frame."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.rows = 0
        self.late = 0
        self.nan: Counter[str] = Counter()
        self._first: int | None = None
        self._last: int | None = None
        self._hashes: list[npt.NDArray[np.uint64]] | None = []

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows that have `id` and `ts`; NaN is counted in each float column."""
        if not len(frame):
            return
        ts = frame[TS].to_numpy()
        before = self._last if self._last is not None else ts[0]
        peak = np.maximum(np.maximum.accumulate(ts), before)
        self.late += int((ts < peak).sum())
        self._last = int(peak[-1])
        self._first = min(int(ts.min()), self._first if self._first is not None else int(ts[0]))
        self.rows += len(frame)
        if self._hashes is not None:
            self._hashes.append(frame[ID].hash(seed=0).to_numpy())
            if self.rows > _MOST_IDS:
                self._hashes = None
        for name in [n for n, dtype in frame.schema.items() if dtype.is_float()]:
            if count := int(frame[name].is_nan().sum()):
                self.nan[name] += count

    @property
    def out_of_order(self) -> float:
        """Return the share of rows earlier than one before them."""
        return self.late / self.rows if self.rows else 0.0

    @property
    def start(self) -> datetime | None:
        """Return the time of the earliest row."""
        return _time(self._first)

    @property
    def end(self) -> datetime | None:
        """Return the time of the latest row."""
        return _time(self._last)

    def duplicate_ids(self) -> int | None:
        """Return how many rows repeat an id, judged by 64-bit hashes; None past 200M rows."""
        if self._hashes is None:
            return None
        if not self._hashes:
            return 0
        hashes = np.concatenate(self._hashes)
        self._hashes = []
        hashes.sort()
        return int((hashes[1:] == hashes[:-1]).sum())


def _time(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)
