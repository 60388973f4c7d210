"""Windows that are open: their parts, merged as they come, until the watermark has passed their end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from evanalytics.logs.engines import Frame
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import aggregation
from evanalytics.streams.aggregation import LAST, NOW, PANE
from evanalytics.streams.checks import Columns
from evanalytics.streams.columns import END
from evanalytics.streams.memory_nodes import AggregatorNode, Key, key_label
from evanalytics.streams.plan import ENGINE, Plan, collected, lazy
from evanalytics.streams.state import TOP, Frames, KeyMarks
from evanalytics.streams.windows import PanedWindow, SessionWindow, Span, TumblingWindow, Window

_COMPACT = 16
"""So many parts are merged into one."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One kind of window with one key, which an aggregator computes on their own."""

    window: Window
    key: Key

    @property
    def label(self) -> str:
        """What counts call it."""
        return f"{self.window.label} · {key_label(self.key)}"


def situations(node: AggregatorNode) -> list[Situation]:
    """Return each kind of window with each key."""
    return [Situation(window, key) for window in node.windows for key in node.keys]


class Held(Protocol):
    """What a kind of window keeps of its rows until it is complete."""

    @property
    def rows(self) -> int:
        """How many rows or parts are kept."""
        ...

    def plan(self, taken: Frame) -> Frame:
        """Return what of rows in time is to be kept."""
        ...

    def add(self, kept: pl.DataFrame) -> None:
        """Keep what was planned."""
        ...

    def leave(self, passed: Passed | None) -> list[pl.LazyFrame]:
        """Take out what belongs to windows that are over, and return how to compute these; None: all."""
        ...


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

    def may_be_over(self, end_us: int) -> bool:
        """Return whether some key's watermark can have reached an instant."""
        return self._marks is not None or end_us <= self.now


class SituationState:
    """One kind of window with one key of an aggregator.

    A micro-batch goes in two steps, so that all situations of a node are computed in one go: `plan`
    says what to compute, `absorb` takes it.
    """

    def __init__(
        self,
        node: AggregatorNode,
        situation: Situation,
        columns: Columns,
        *,
        lateness_us: int | None,
        never_late: bool,
    ) -> None:
        """Begin with no window open.

        Args:
            node: The aggregator.
            situation: Which of its windows, with which key.
            columns: The aggregator's output, with dtypes.
            lateness_us: What to take off a key's highest `ts`; None: one watermark for all.
            never_late: Whether rows come out of a join, which holds the watermark back.
        """
        window, key = situation.window, situation.key
        self.keys: Mapping[str, Key] = {"marks": key, "held": key}
        self._node, self._situation, self._columns = node, situation, columns
        self._lateness, self._never_late = lateness_us, never_late
        self._by_key = lateness_us is not None and not never_late
        self._marks = KeyMarks(key)
        self._plan: Plan | None = None
        self._output = Plan(lambda rows: [self._published(rows)])
        self._planned_for: tuple[list[str], Span] = ([], (0, 0))
        self._held: _Sessions | _Panes
        self._held = (
            _Sessions(node, window, key) if isinstance(window, SessionWindow) else _Panes(node, window, key)
        )

    @property
    def rows(self) -> int:
        """How many rows or parts of windows are held."""
        return self._held.rows

    def plan(self, frame: pl.DataFrame, others: list[str], span: Span) -> list[pl.LazyFrame]:
        """Return how to compute the late rows, and what to keep of the others.

        Args:
            frame: Rows in the order of `seq`, with `__wm` unless each key has its own watermark.
            others: The columns of late rows.
            span: The instants that occur.
        """
        if self._by_key:
            rows = self._marks.seen(frame)
            frame = rows.with_columns((pl.col(TOP) - self._lateness).alias(NOW))
        if _tz(self._situation.window) is None:
            span = (0, 0)  # polars rounds down by itself; only time zones ask for it
        if self._plan is None or self._planned_for != (others, span):
            self._planned_for = (others, span)
            self._plan = Plan(lambda rows: self._rules(rows, others, span))
        return self._plan.of(frame)

    def _rules(self, frame: Frame, others: list[str], span: Span) -> tuple[Frame, Frame]:
        window, key = self._situation.window, self._situation.key
        lag = aggregation.without_lag if self._never_late else aggregation.with_lag
        lagged = lag(frame, window, span)
        late = aggregation.late_rows(lagged, window, key, others)
        taken = aggregation.without_nan(aggregation.in_time(lagged, window), self._node)
        return late, self._held.plan(taken)

    def absorb(self, kept: pl.DataFrame) -> None:
        """Keep what `plan` said."""
        if len(kept):
            self._held.add(kept)

    def leave(self, now: int | None) -> list[pl.LazyFrame]:
        """Let the windows go that the watermark has passed; return how to compute them, if there are any.

        Args:
            now: The watermark; None: all windows are over.
        """
        if now is None:
            return self._held.leave(None)
        return self._held.leave(Passed(now, self._marks if self._by_key else None, self._lateness or 0))

    def published(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return what `leave` said as the aggregator's output says it."""
        if _tz(self._situation.window) is None:
            return self._output.run(rows)[0]
        return ENGINE.collect(self._published(lazy(rows)))

    def _published(self, rows: Frame) -> Frame:
        window, key = self._situation.window, self._situation.key
        return aggregation.published(rows, self._node, window, key, self._columns, ENGINE)

    def dump(self) -> Frames:
        """Return the open windows, and the keys' watermarks."""
        frames = {"held": held} if (held := self._held.frame) is not None else {}
        return frames if self._marks.frame is None else {**frames, "marks": self._marks.frame}

    def load(self, frames: Frames) -> None:
        """Continue with open windows."""
        self._held.frame = frames.get("held")
        self._marks.frame = frames.get("marks")


def _tz(window: Window) -> str | None:
    return window.tz if isinstance(window, TumblingWindow) else None


class _Panes:
    """Tumbling and hopping windows: mergeable parts, or the values where a figure needs them all."""

    def __init__(self, node: AggregatorNode, window: PanedWindow, key: Key) -> None:
        self._node, self._window, self._key = node, window, key
        self._merges = aggregation.is_mergeable(node.aggregator)
        self._parts: list[pl.DataFrame] = []
        self._first_end: int | None = None
        by, figures = [PANE, *key], node.aggregator
        if self._merges:
            self._figures = Plan(lambda rows: [aggregation.merged(rows, by, figures)])
            self._merged = Plan(lambda rows: [aggregation.merged_parts(rows, by, figures)])
        else:
            self._figures = Plan(lambda rows: [aggregation.figures_of_rows(rows, node, key)])

    @property
    def rows(self) -> int:
        return sum(map(len, self._parts))

    @property
    def frame(self) -> pl.DataFrame | None:
        self._compact()
        return self._parts[0] if self._parts else None

    @frame.setter
    def frame(self, frame: pl.DataFrame | None) -> None:
        self._parts = [frame] if frame is not None and len(frame) else []
        self._look()

    def plan(self, taken: Frame) -> Frame:
        make = aggregation.parts_of if self._merges else aggregation.window_rows
        return make(taken, self._node, self._window, self._key)

    def add(self, kept: pl.DataFrame) -> None:
        self._parts.append(kept)
        end = self._window.end_us(int(kept[PANE].min()))  # type: ignore[arg-type]
        self._first_end = end if self._first_end is None else min(end, self._first_end)
        if len(self._parts) >= _COMPACT:
            self._compact()

    def leave(self, passed: Passed | None) -> list[pl.LazyFrame]:
        if not self._parts or (passed and not passed.may_be_over(self._first_end or 0)):
            return []
        over = pl.lit(True) if passed is None else self._over(passed)
        if over is None:
            return []
        rows = pl.concat(self._parts).lazy()
        gone, rest = collected([rows.filter(over), rows.filter(~over)])
        self._parts = [rest] if len(rest) else []
        self._look()
        return self._figures.of(gone) if len(gone) else []

    def _over(self, passed: Passed) -> pl.Expr | None:
        """Return whether the watermark has passed the window of each part; None: of no part."""
        if passed.is_by_key:
            return self._over_by_key(passed)
        low, high = self._ends()
        ended = bisect_right(range(low, high + 1), passed.now, key=self._window.end_us)
        return pl.col(PANE) < low + ended if ended else None

    def _over_by_key(self, passed: Passed) -> pl.Expr:
        rows = pl.concat(self._parts)
        panes = rows[PANE].unique()
        ends = pl.Series([self._window.end_us(pane) for pane in panes], dtype=pl.Int64)
        end = pl.col(PANE).replace_strict(panes, ends).alias(END)
        return pl.lit(passed.is_over(rows.with_columns(end), END))

    def _compact(self) -> None:
        if len(self._parts) > 1:
            rows = pl.concat(self._parts)
            self._parts = self._merged.run(rows) if self._merges else [rows]

    def _look(self) -> None:
        self._first_end = self._window.end_us(self._ends()[0]) if self._parts else None

    def _ends(self) -> tuple[int, int]:
        """Return the first and the last pane that is held."""
        panes = [part[PANE] for part in self._parts]
        return min(pane.min() for pane in panes), max(pane.max() for pane in panes)  # type: ignore[type-var,return-value]


class _Sessions:
    """Rows whose session can still grow: until the watermark has passed its last row by two gaps."""

    def __init__(self, node: AggregatorNode, window: SessionWindow, key: Key) -> None:
        self._node, self._window, self._key = node, window, key
        self.frame: pl.DataFrame | None = None
        self._ends = Plan(lambda rows: [aggregation.with_session_end(rows, window, key)])
        self._figures = Plan(lambda rows: [aggregation.windows_of(rows, node, window, key)])

    @property
    def rows(self) -> int:
        return 0 if self.frame is None else len(self.frame)

    def plan(self, taken: Frame) -> Frame:
        return taken.select(*dict.fromkeys((SEQ, TS, *self._key, *self._node.read_columns)))

    def add(self, kept: pl.DataFrame) -> None:
        self.frame = kept if self.frame is None else pl.concat([self.frame, kept])

    def leave(self, passed: Passed | None) -> list[pl.LazyFrame]:
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
