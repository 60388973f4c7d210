"""An aggregator that lives: all its kinds of windows with all its keys, computed in one go."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from evanalytics.logs.schema import TS
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.checks import Columns
from evanalytics.streams.columns import LATE_FOR, LATE_KEY, MISSED
from evanalytics.streams.memory_nodes import AggregatorNode
from evanalytics.streams.nodes import LATE, OUT
from evanalytics.streams.plan import collected
from evanalytics.streams.state import Frames, Partitions
from evanalytics.streams.window_state import SituationState, situations
from evanalytics.streams.windows import Span

_LATE_COLUMNS = {LATE_FOR: pl.String(), LATE_KEY: pl.String(), MISSED: pl.Int64()}


class AggregatorState:
    """The open windows of an aggregator."""

    def __init__(
        self, node: AggregatorNode, columns: Columns, lateness_us: int | None, *, never_late: bool, count: int
    ) -> None:
        """Begin with no window open; see `SituationState`. `count` is the number of partitions."""
        self._columns, self._never_late = columns, never_late
        self.situations = situations(node)
        self.states = [
            Partitions(
                lambda situation=situation: SituationState(  # type: ignore[misc]
                    node, situation, columns, lateness_us=lateness_us, never_late=never_late
                ),
                count,
            )
            for situation in self.situations
        ]
        self.fates: dict[str, dict[str, int]] = {}

    def push(self, frame: pl.DataFrame, now: int | None, span: Span) -> Frames:
        """Take rows in the order of `seq`; return the windows that are over, and the late rows.

        Args:
            frame: With `__wm`, if one watermark is for all keys and rows can be late.
            now: The watermark behind them; None: the end, all windows are over.
            span: The instants that occur.
        """
        none_late = self._never_late or (NOW in frame.columns and not _is_some_late(frame))
        planned, plans = [], []
        for situation, states in zip(self.situations, self.states, strict=True):
            for state, part in zip(states.states, states.split(frame, situation.key), strict=True):
                if len(part):
                    of_state = state.plan(part, frame.columns, span, none_late=none_late)
                    planned.append((situation.label, state, len(of_state) > 1))
                    plans += of_state
        computed = iter(collected(plans) if plans else [])
        late = []
        for label, state, may_be_late in planned:
            state.absorb(next(computed))
            if may_be_late:
                late.append((label, next(computed)))
        self._count(len(frame), late)
        none = frame.clear().with_columns(pl.lit(None, t).alias(c) for c, t in _LATE_COLUMNS.items())
        return {OUT: self._closed(now), LATE: pl.concat([none, *(rows for _, rows in late)])}

    def _closed(self, now: int | None) -> pl.DataFrame:
        leaving = [(state, plan) for state in self._each() for plan in state.leave(now)]
        found = collected([plan for _, plan in leaving]) if leaving else []
        rows = [state.published(frame) for (state, _), frame in zip(leaving, found, strict=True)]
        return pl.concat([pl.DataFrame(schema=self._columns), *rows])

    def _each(self) -> Iterator[SituationState]:
        return (state for states in self.states for state in states.states)

    def _count(self, rows: int, late: list[tuple[str, pl.DataFrame]]) -> None:
        """Say of each situation what became of the rows, counted in windows."""
        missed = dict.fromkeys((situation.label for situation in self.situations), 0)
        for label, frame in late:
            missed[label] += int(frame[MISSED].sum())
        self.fates = {
            situation.label: {
                "in": rows * situation.window.panes,
                "counted": rows * situation.window.panes - missed[situation.label],
                LATE: missed[situation.label],
            }
            for situation in self.situations
        }


def _is_some_late(rows: pl.DataFrame) -> bool:
    """Return whether a row comes behind the watermark, and so perhaps too late for some window."""
    return bool((rows[NOW] > rows[TS]).any())
