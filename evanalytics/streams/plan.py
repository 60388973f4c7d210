"""Rules for frame after frame: narwhals expressions that are written out once and run on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import narwhals.stable.v2 as nw
import polars as pl
from polars.io.plugins import register_io_source

from evanalytics.logs.engines import Frame, PolarsEngine


class MicroEngine(PolarsEngine):
    """Frames in memory that are small: polars' in-memory engine begins sooner, and keeps rows in order."""

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Return the rows, in their order."""
        rows: pl.DataFrame = frame.to_native().collect(engine="in-memory")
        return rows


ENGINE = MicroEngine()


class Plan:
    """What rules make of some frames, planned once for all frames of the same columns.

    To write a rule out takes narwhals about as long as polars takes to run it on 10,000 rows; a live
    run would do so for every micro-batch.
    """

    def __init__(self, rules: Callable[..., Sequence[Frame]]) -> None:
        """Take a function from frames to frames; it must depend on nothing else that changes."""
        self._rules = rules
        self._slots: list[_Slot] = []
        self._plans: list[pl.LazyFrame] = []

    def of(self, *frames: pl.DataFrame) -> list[pl.LazyFrame]:
        """Return what is to be computed of these frames; good until other frames are given."""
        if [slot.schema for slot in self._slots] != [frame.schema for frame in frames]:
            self._slots = [_Slot(frame.schema) for frame in frames]
            self._plans = [plan.to_native() for plan in self._rules(*(slot.scan() for slot in self._slots))]
        for slot, frame in zip(self._slots, frames, strict=True):
            slot.frame = frame
        return self._plans

    def run(self, *frames: pl.DataFrame) -> list[pl.DataFrame]:
        """Return what the rules make of these frames, rows in their order."""
        return collected(self.of(*frames))


def collected(plans: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    """Run plans together, and return their rows."""
    return pl.collect_all(plans, engine="in-memory")


def lazy(frame: pl.DataFrame) -> Frame:
    """Return rows as a frame for rules."""
    return nw.from_native(frame.lazy())


class _Slot:
    """A place in a plan where frames of one schema are put in."""

    def __init__(self, schema: pl.Schema) -> None:
        self.schema = schema
        self.frame = pl.DataFrame(schema=schema)

    def scan(self) -> Frame:
        return nw.from_native(register_io_source(self._read, schema=dict(self.schema), is_pure=True))

    def _read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        frame = self.frame if predicate is None else self.frame.filter(predicate)
        frame = frame if rows is None else frame.head(rows)
        yield frame if columns is None else frame[columns]
