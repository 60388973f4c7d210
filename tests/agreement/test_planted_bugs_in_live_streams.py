"""Each mistake that a stream engine can make between two micro-batches is caught by the comparison."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
import pytest

from evanalytics.logs.schema import TS
from evanalytics.streams import aggregation, aggregator_state, open_windows
from evanalytics.streams.aggregation import LAST, NOW, PANE
from evanalytics.streams.aggregators import WindowedCounter
from evanalytics.streams.graph_state import GraphState
from evanalytics.streams.join_state import JoinState
from evanalytics.streams.open_windows import Panes, Part, Passed
from evanalytics.streams.source_state import SourceStates
from evanalytics.streams.state import TOP, DedupeState, KeyMarks
from evanalytics.streams.watermark import NEVER
from evanalytics.streams.window_state import SituationState
from tests.agreement import test_live_streams as agreement

SEEDS = [15, 23, *range(60)]
"""Those two catch what is hardest to see."""
SECOND = 1_000_000


def is_caught(*, restarts: bool = False) -> bool:
    for seed in SEEDS:
        try:
            agreement.check(seed, restarts=restarts, close=seed % 2 == 0)
        except (AssertionError, pl.exceptions.PolarsError):
            return True
    return False


def watermark_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Each micro-batch begins with a new watermark."""
    true = SourceStates.push

    def push(self: SourceStates, log: Any) -> Any:
        self.latest = dict.fromkeys(self.latest, NEVER)
        return true(self, log)

    patch.setattr(SourceStates, "push", push)


def watermark_is_taken_behind_the_filter(patch: pytest.MonkeyPatch) -> None:
    def with_now(self: GraphState, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        if self._lateness(name) is not None:
            return frame
        marks = self.__dict__.setdefault("marks", {}).setdefault((name, *frame.columns), KeyMarks(()))
        lateness = max(source.watermark.allowed_lateness_us for source in self._graph.sources.values())
        return frame.with_columns(marks.seen(frame)[TOP] - lateness).rename({TOP: NOW})

    patch.setattr(GraphState, "_with_now", with_now)


def watermark_is_that_of_the_whole_batch(patch: pytest.MonkeyPatch) -> None:
    """Rows meet the watermark behind their micro-batch, not the one at their own arrival."""

    def with_now(self: GraphState, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        if self._lateness(name) is not None:
            return frame
        return frame.with_columns(pl.lit(self._now(name), pl.Int64).alias(NOW))

    patch.setattr(GraphState, "_with_now", with_now)


def rows_leave_the_join_too_early(patch: pytest.MonkeyPatch) -> None:
    true = JoinState._settle

    def settle(self: JoinState, every: Any, pairs: pl.DataFrame, now: int) -> Any:
        return true(self, every, pairs, now + self._node.window_us + SECOND)

    patch.setattr(JoinState, "_settle", settle)


def kept_rows_meet_again(patch: pytest.MonkeyPatch) -> None:
    """Kept left rows are joined with kept right rows, too."""

    true = JoinState._pairs

    def pairs(self: JoinState, new: Any, every: Any) -> pl.DataFrame:
        return true(self, {**new, "right": every["right"]}, every)

    patch.setattr(JoinState, "_pairs", pairs)


def old_left_rows_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    true = JoinState._joined
    patch.setattr(JoinState, "_joined", lambda self, join, *meetings: true(self, join, meetings[0]))


def partner_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A row that found its partner in an earlier micro-batch goes as one without."""
    true = JoinState._keep

    def keep(self: JoinState, rows: Any) -> None:
        true(
            self, {side: frame.with_columns(pl.lit(False).alias("__matched")) for side, frame in rows.items()}
        )

    patch.setattr(JoinState, "_keep", keep)


def parts_are_merged_by_their_maximum(patch: pytest.MonkeyPatch) -> None:
    merged = property(lambda self: {self.name: nw.col(self.name).max()})
    patch.setattr(WindowedCounter, "merged", merged)


def window_closes_too_early(patch: pytest.MonkeyPatch) -> None:
    true = Passed.__init__

    def made(self: Passed, now: int, marks: Any, lateness: int) -> None:
        true(self, now + SECOND, marks, lateness - SECOND)

    patch.setattr(Passed, "__init__", made)


def row_at_the_end_of_its_window_counts(patch: pytest.MonkeyPatch) -> None:
    """A watermark that has just reached the end of a window is taken for one before it."""
    true = SituationState._rules

    def rules(self: SituationState, frame: Any, others: Any, span: Any, *, none_late: bool) -> Any:
        if NOW in frame.collect_schema():
            frame = frame.with_columns((nw.col(NOW) - 1).alias(NOW))
        return true(self, frame, others, span, none_late=none_late)

    patch.setattr(SituationState, "_rules", rules)


def session_ends_after_one_gap(patch: pytest.MonkeyPatch) -> None:
    true = aggregation.with_session_end

    def ended(frame: Any, window: Any, key: Any) -> Any:
        return true(frame, window, key).with_columns((nw.col(LAST) - 2 * window.gap_us).alias(LAST))

    patch.setattr(aggregation, "with_session_end", ended)


def duplicates_are_forgotten_too_early(patch: pytest.MonkeyPatch) -> None:
    true = KeyMarks.forget
    patch.setattr(KeyMarks, "forget", lambda self, below: true(self, below + 10_000 * SECOND))


def duplicates_are_known_within_a_batch_only(patch: pytest.MonkeyPatch) -> None:
    true = DedupeState.push

    def push(self: DedupeState, frame: pl.DataFrame, now: int) -> Any:
        self._marks.frame = None
        return true(self, frame, now)

    patch.setattr(DedupeState, "push", push)


def null_keys_begin_anew(patch: pytest.MonkeyPatch) -> None:
    """The watermark of the null key is lost between micro-batches."""
    true = KeyMarks._remember

    def remember(self: KeyMarks, latest: pl.DataFrame) -> None:
        true(self, latest.drop_nulls())

    patch.setattr(KeyMarks, "_remember", remember)


def open_windows_are_not_saved(patch: pytest.MonkeyPatch) -> None:
    true = SituationState.dump
    patch.setattr(SituationState, "dump", lambda self: {n: f.head(1) for n, f in true(self).items()})


def hops_are_kept_twice(patch: pytest.MonkeyPatch) -> None:
    """What was put together stays there beside the parts that it was put together from."""

    def compact(self: Panes) -> None:
        if len(self._parts) > 1:
            rows = pl.concat([part.rows for part in (*self._parts, self._parts[0])])
            self._parts = [Part(rows.sort(PANE))]

    patch.setattr(Panes, "_compact", compact)
    patch.setattr(open_windows, "_COMPACT", 2)


def parts_of_a_window_are_taken_for_whole_ones(patch: pytest.MonkeyPatch) -> None:
    """A window of which two micro-batches brought a part leaves as two."""

    patch.setattr(open_windows, "_single_and_several", lambda parts: (parts, []))


def first_pane_that_two_parts_have_is_overlooked(patch: pytest.MonkeyPatch) -> None:
    true = open_windows._shared
    patch.setattr(
        open_windows, "_shared", lambda parts: [(low + 1, high) for low, high in true(parts) if low < high]
    )


def nothing_is_late_if_the_last_row_is_not(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aggregator_state, "_is_some_late", lambda rows: (rows[NOW] > rows[TS]).tail(1).any())


def window_closes_too_late(patch: pytest.MonkeyPatch) -> None:
    """A window is held until the watermark is past its end, not just at it."""
    true = Passed.__init__

    def made(self: Passed, now: int, marks: Any, lateness: int) -> None:
        true(self, now - 1, marks, lateness + 1)

    patch.setattr(Passed, "__init__", made)


BUGS = [
    watermark_is_forgotten,
    watermark_is_taken_behind_the_filter,
    watermark_is_that_of_the_whole_batch,
    rows_leave_the_join_too_early,
    kept_rows_meet_again,
    old_left_rows_are_overlooked,
    partner_is_forgotten,
    parts_are_merged_by_their_maximum,
    window_closes_too_early,
    window_closes_too_late,
    row_at_the_end_of_its_window_counts,
    session_ends_after_one_gap,
    duplicates_are_forgotten_too_early,
    duplicates_are_known_within_a_batch_only,
    null_keys_begin_anew,
    hops_are_kept_twice,
    parts_of_a_window_are_taken_for_whole_ones,
    first_pane_that_two_parts_have_is_overlooked,
    nothing_is_late_if_the_last_row_is_not,
]


@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_caught(bug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)

    assert is_caught()


def test_memory_that_is_not_saved_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    open_windows_are_not_saved(monkeypatch)

    assert is_caught(restarts=True)
