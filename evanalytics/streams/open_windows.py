"""What windows that are open keep of their rows, until the watermark has passed their end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import polars as pl

from evanalytics.logs.engines import Frame
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import aggregation
from evanalytics.streams.aggregation import LAST, PANE
from evanalytics.streams.columns import END
from evanalytics.streams.memory_nodes import AggregatorNode, Key
from evanalytics.streams.plan import Plan
from evanalytics.streams.state import TOP, KeyMarks
from evanalytics.streams.windows import PanedWindow, SessionWindow

Finish = Callable[[Frame], Frame]
"""What is done to windows that are over, as part of the plan that computes them."""

_COMPACT = 16
"""So many parts are merged into one."""


class Passed:
    """How far time has certainly come: one watermark, or one for each key."""

    def __init__(self, now: int, marks: KeyMarks | None, lateness_us: int) -> None:
        """Take the watermark; with `marks` each key has its own."""
        self.now, self._marks, self._lateness = now, marks, lateness_us

    @property
    def is_by_key(self) -> bool:
        """Whether each key has its own watermark."""
        return self._marks is not None

    def is_over(self, rows: pl.DataFrame, end: str) -> pl.Series:
        """Return whether the watermark has reached the instant in a column, row by row."""
        if self._marks is None:
            return rows[end] <= self.now
        return self._marks.of(rows).select(pl.col(end) <= pl.col(TOP) - self._lateness).to_series()


class Part:
    """Parts of windows that came together, or rows of them, sorted by their panes; never empty."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """Take the rows."""
        self.rows = rows
        self._panes = rows[PANE].to_numpy()  # whose search is a hundred times as quick as a Series'
        self.low, self.high = int(self._panes[0]), int(self._panes[-1])

    def place(self, pane: int) -> int:
        """Return how many rows lie before a pane."""
        return int(self._panes.searchsorted(pane))

    def between(self, start: int, end: int) -> list[Part]:
        """Return the rows from one place up to another; nothing if there are none."""
        if end - start == len(self.rows):
            return [self]
        return [Part(self.rows[start:end])] if start < end else []


class Panes:
    """Tumbling and hopping windows: mergeable parts, or the values where a figure needs them all."""

    def __init__(self, node: AggregatorNode, window: PanedWindow, key: Key, finish: Finish) -> None:
        """Begin with nothing kept; `finish` is applied to the windows that leave."""
        self._node, self._window, self._key = node, window, key
        self._merges = aggregation.is_mergeable(node.aggregator)
        self._parts: list[Part] = []
        by, figures = [PANE, *key], node.aggregator
        self._merged = Plan(lambda rows: [aggregation.merged_parts(rows, by, figures).sort(PANE)])
        self._single = Plan(lambda rows: [finish(aggregation.finished(rows, by, figures))])
        self._several = Plan(
            lambda rows: [
                finish(
                    aggregation.merged(rows, by, figures)
                    if self._merges
                    else aggregation.figures_of_rows(rows, node, key)
                )
            ]
        )

    @property
    def rows(self) -> int:
        """How many rows or parts are kept."""
        return sum(len(part.rows) for part in self._parts)

    @property
    def frame(self) -> pl.DataFrame | None:
        """All that is kept, for a checkpoint."""
        self._compact()
        return self._parts[0].rows if self._parts else None

    @frame.setter
    def frame(self, frame: pl.DataFrame | None) -> None:
        self._parts = [Part(frame.sort(PANE))] if frame is not None and len(frame) else []

    def plan(self, taken: Frame) -> Frame:
        """Return what of rows in time is to be kept."""
        make = aggregation.parts_of if self._merges else aggregation.window_rows
        return make(taken, self._node, self._window, self._key).sort(PANE)

    def add(self, kept: pl.DataFrame) -> None:
        """Keep what was planned; there is a row at least."""
        self._parts.append(Part(kept))
        if len(self._parts) >= _COMPACT:
            self._compact()

    def leave(self, passed: Passed | None) -> list[pl.LazyFrame]:
        """Take out the windows that are over, and return how to compute them; None: all are."""
        gone = self._parts if passed is None else self._passed(passed)
        if passed is None:
            self._parts = []
        if not gone:
            return []
        if not self._merges:
            return self._several.of(_together(gone))
        single, several = _single_and_several(gone)
        plans = self._single.of(_together(single)) if single else []
        return [*plans, *(self._several.of(_together(several)) if several else [])]

    def _passed(self, passed: Passed) -> list[Part]:
        """Take out what belongs to windows that the watermark has passed."""
        if passed.is_by_key:
            return self._passed_by_key(passed)
        if not self._parts:
            return []
        low, high = min(part.low for part in self._parts), max(part.high for part in self._parts)
        first_open = low + bisect_right(range(low, high + 1), passed.now, key=self._window.end_us)
        places = [(part, part.place(first_open)) for part in self._parts]
        self._parts = [kept for part, place in places for kept in part.between(place, len(part.rows))]
        return [gone for part, place in places for gone in part.between(0, place)]

    def _passed_by_key(self, passed: Passed) -> list[Part]:
        rows = self.frame
        if rows is None:
            return []
        panes = rows[PANE].unique()
        ends = pl.Series([self._window.end_us(pane) for pane in panes], dtype=pl.Int64)
        end = pl.col(PANE).replace_strict(panes, ends).alias(END)
        is_over = passed.is_over(rows.with_columns(end), END)
        self.frame, gone = rows.filter(~is_over), rows.filter(is_over)
        return [Part(gone)] if len(gone) else []

    def _compact(self) -> None:
        if len(self._parts) > 1:
            rows = _together(self._parts)
            self._parts = [Part(self._merged.run(rows)[0] if self._merges else rows.sort(PANE))]


def _together(parts: list[Part]) -> pl.DataFrame:
    return pl.concat(part.rows for part in parts)


def _single_and_several(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Return the rows of panes that only one part can have, and those of the others."""
    single, several = list[Part](), list[Part]()
    shared = _shared(parts)
    for part in parts:
        done = 0
        for low, high in shared:
            start, end = part.place(low), part.place(high + 1)
            single += part.between(done, start)
            several += part.between(start, end)
            done = end
        single += part.between(done, len(part.rows))
    return single, several


def _shared(parts: list[Part]) -> list[tuple[int, int]]:
    """Return from where to where several parts lie: spans of panes, in order and apart."""
    spans = list[tuple[int, int]]()
    reach = -(2**63)
    for low, high in sorted((part.low, part.high) for part in parts):
        if low <= reach:
            both = (low, min(high, reach))
            if spans and both[0] <= spans[-1][1]:
                both = (spans[-1][0], max(both[1], spans.pop()[1]))
            spans.append(both)
        reach = max(reach, high)
    return spans


class Sessions:
    """Rows whose session can still grow: until the watermark has passed its last row by two gaps."""

    def __init__(self, node: AggregatorNode, window: SessionWindow, key: Key, finish: Finish) -> None:
        """Begin with nothing kept; `finish` is applied to the sessions that leave."""
        self._node, self._window, self._key = node, window, key
        self.frame: pl.DataFrame | None = None
        self._ends = Plan(lambda rows: [aggregation.with_session_end(rows, window, key)])
        self._figures = Plan(lambda rows: [finish(aggregation.windows_of(rows, node, window, key))])

    @property
    def rows(self) -> int:
        """How many rows or parts are kept."""
        return 0 if self.frame is None else len(self.frame)

    def plan(self, taken: Frame) -> Frame:
        """Return what of rows in time is to be kept."""
        return taken.select(*dict.fromkeys((SEQ, TS, *self._key, *self._node.read_columns)))

    def add(self, kept: pl.DataFrame) -> None:
        """Keep what was planned; there is a row at least."""
        self.frame = kept if self.frame is None else pl.concat([self.frame, kept])

    def leave(self, passed: Passed | None) -> list[pl.LazyFrame]:
        """Take out the windows that are over, and return how to compute them; None: all are."""
        rows = self.frame
        if rows is None or rows.is_empty():
            return []
        self.frame = None
        if passed is not None:
            marked = self._ends.run(rows)[0]
            marked = marked.with_columns((pl.col(LAST) + 2 * self._window.gap_us).alias(END))
            over = passed.is_over(marked, END)
            marked = marked.drop(LAST, END)
            self.frame, rows = marked.filter(~over), marked.filter(over)
        return self._figures.of(rows) if len(rows) else []
