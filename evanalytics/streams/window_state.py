"""One kind of window with one key, live: what comes too late, what is kept, what is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from evanalytics.logs.engines import Frame
from evanalytics.streams import aggregation
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.checks import Columns
from evanalytics.streams.memory_nodes import AggregatorNode, Key, key_label
from evanalytics.streams.open_windows import Panes, Passed, Sessions
from evanalytics.streams.plan import ENGINE, Plan, lazy
from evanalytics.streams.state import TOP, Frames, KeyMarks
from evanalytics.streams.windows import SessionWindow, Span, TumblingWindow, Window


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
        self._lateness = lateness_us
        self._by_key = lateness_us is not None and not never_late
        self._marks = KeyMarks(key)
        self._plans: dict[bool, Plan] = {}
        self._planned_for: tuple[list[str], Span] = ([], (0, 0))
        finish = self._published if _tz(window) is None else _unfinished
        self._held: Sessions | Panes
        if isinstance(window, SessionWindow):
            self._held = Sessions(node, window, key, finish)
        else:
            self._held = Panes(node, window, key, finish)

    @property
    def rows(self) -> int:
        """How many rows or parts of windows are held."""
        return self._held.rows

    def plan(
        self, frame: pl.DataFrame, others: list[str], span: Span, *, none_late: bool
    ) -> list[pl.LazyFrame]:
        """Return how to compute what to keep of rows, and the late ones unless there are none.

        Args:
            frame: Rows in the order of `seq`, with `__wm` unless each key has its own watermark.
            others: The columns of late rows.
            span: The instants that occur.
            none_late: Whether it is plain that no row is late for anything.
        """
        if self._by_key:
            rows = self._marks.seen(frame)
            frame, none_late = rows.with_columns((pl.col(TOP) - self._lateness).alias(NOW)), False
        if _tz(self._situation.window) is None:
            span = (0, 0)  # polars rounds down by itself; only time zones ask for it
        if self._planned_for != (others, span):
            self._plans, self._planned_for = {}, (others, span)
        if none_late not in self._plans:
            self._plans[none_late] = Plan(lambda rows: self._rules(rows, others, span, none_late=none_late))
        return self._plans[none_late].of(frame)

    def _rules(self, frame: Frame, others: list[str], span: Span, *, none_late: bool) -> list[Frame]:
        window, key = self._situation.window, self._situation.key
        if none_late:
            lagged = aggregation.without_lag(frame, window, span)
            return [self._held.plan(aggregation.without_nan(lagged, self._node))]
        lagged = aggregation.with_lag(frame, window, span)
        taken = aggregation.without_nan(aggregation.in_time(lagged, window), self._node)
        return [self._held.plan(taken), aggregation.late_rows(lagged, window, key, others)]

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
            return rows
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


def _unfinished(windows: Frame) -> Frame:
    """Leave windows as they are: where local days begin is asked for once it is known which there are."""
    return windows
