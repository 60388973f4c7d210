"""A join that lives: the rows that may still find a partner, and those that have found one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engines import Frame
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import joining
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.checks import Columns
from evanalytics.streams.columns import LEFT, LEFT_SEQ, RIGHT, RIGHT_SEQ, is_hidden, side_column
from evanalytics.streams.memory_nodes import JoinNode, Key
from evanalytics.streams.nodes import (
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    UNMATCHED,
)
from evanalytics.streams.plan import ENGINE, Plan, lazy
from evanalytics.streams.state import TOP, Frames, KeyMarks

_MATCHED, _SIDE = "__matched", "__side"
_CHUNK = 65_536
_FEW = 2_000_000
"""So many combinations of new and kept rows are joined without asking how many keys are equal."""


class JoinState:
    """Rows of both sides whose time plus the join window the watermark has not passed.

    A micro-batch meets what is kept, and itself: new left rows all right ones, kept left rows the
    new right ones. So each pair comes once, at the arrival of the later of the two.
    """

    def __init__(self, node: JoinNode, columns: Columns, lateness_us: int | None) -> None:
        """Begin with nothing kept.

        Args:
            node: The join.
            columns: Its pairs, with dtypes.
            lateness_us: What to take off a key's highest `ts`; None: the rows bring their watermark.
        """
        self._key_names = tuple(f"__key{i}" for i in range(len(node.left_key)))
        self.keys: Mapping[str, Key] = {LEFT: node.left_key, RIGHT: node.right_key, "marks": self._key_names}
        self._node, self._columns, self._lateness = node, columns, lateness_us
        self._marks = KeyMarks(self._key_names)
        self._kept: Frames = {}
        self.fates: dict[str, dict[str, int]] = {LEFT: {}, RIGHT: {}}
        window = node.window_us
        self._classes = {
            LEFT: Plan(lambda rows: [joining.classified(rows, node.left_key, window)]),
            RIGHT: Plan(lambda rows: [joining.classified(rows, node.right_key, window)]),
        }
        # New left rows meet all right ones, kept left rows the new right ones: a plan for each.
        self._meetings = [Plan(self._met), Plan(self._met)]
        self._sample = Plan(lambda left, right: [joining.sampled_pairs(left, right, node, ENGINE)])

    @property
    def rows(self) -> int:
        """How many rows are kept."""
        return sum(map(len, self._kept.values()))

    def push(self, left: pl.DataFrame, right: pl.DataFrame, now: int) -> Frames:
        """Take rows of both sides, in the order of `seq`; return pairs and what came too late.

        Args:
            left: With `__wm`, unless each key has its own watermark.
            right: Likewise.
            now: The watermark behind them.
        """
        self.fates = {LEFT: {}, RIGHT: {}}
        if self._lateness is not None:
            left, right = self._marked(left, right)
        new = {LEFT: self._classes[LEFT].run(left)[0], RIGHT: self._classes[RIGHT].run(right)[0]}
        late = {side: frame.filter(joining.IS_LATE) for side, frame in new.items()}
        for side, frame in new.items():
            nulls = int(frame[joining.NULL_KEY].sum())
            self.fates[side] = {"in": len(frame), "null key": nulls, LATE: len(late[side])}
            may = frame.filter(~pl.col(joining.NULL_KEY) & ~pl.col(joining.IS_LATE))
            new[side] = may.drop(joining.NULL_KEY, joining.IS_LATE, *filter(is_hidden, may.columns))
        pairs = self._pairs(new)
        self._keep(new, pairs)
        lone = self._let_go(now)
        marks = (joining.NULL_KEY, joining.IS_LATE, NOW)
        return {
            OUT: pl.concat([pairs, *lone]).sort(SEQ, LEFT_SEQ, RIGHT_SEQ),
            LATE_LEFT: late[LEFT].drop(marks),
            LATE_RIGHT: late[RIGHT].drop(marks),
        }

    def close(self) -> Frames:
        """Return what is still without a partner, if such rows are wanted, and keep nothing."""
        self.fates = {LEFT: {}, RIGHT: {}}
        lone = [self._lone(side, frame) for side, frame in self._kept.items()]
        self._kept = {side: frame.clear() for side, frame in self._kept.items()}
        empty = pl.DataFrame(schema=self._columns)
        return {OUT: pl.concat([empty, *lone]).sort(SEQ, LEFT_SEQ, RIGHT_SEQ)}

    def dump(self) -> Frames:
        """Return the kept rows, and the keys' watermarks."""
        marks = {} if self._marks.frame is None else {"marks": self._marks.frame}
        return self._kept | marks

    def load(self, frames: Frames) -> None:
        """Continue with kept rows."""
        self._marks.frame = frames.get("marks")
        self._kept = {side: frames[side] for side in (LEFT, RIGHT) if side in frames}

    def _marked(self, left: pl.DataFrame, right: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return both sides with each key's own watermark, for which the rows of both sides count."""
        names = self._key_names
        both = pl.concat(
            frame.select(
                SEQ, TS, pl.lit(side).alias(_SIDE), **dict(zip(names, map(pl.col, key), strict=True))
            )
            for side, frame, key in ((0, left, self._node.left_key), (1, right, self._node.right_key))
        )
        seen = self._marks.seen(both.sort(SEQ, maintain_order=True))
        now = seen.with_columns((pl.col(TOP) - self._lateness).alias(NOW))
        return tuple(  # type: ignore[return-value]
            frame.with_columns(now.filter(pl.col(_SIDE) == side)[NOW])
            for side, frame in ((0, left), (1, right))
        )

    def _pairs(self, new: Frames) -> pl.DataFrame:
        old = {side: self._kept.get(side, new[side].clear()).drop(_MATCHED, strict=False) for side in new}
        every = pl.concat([old[RIGHT].select(new[RIGHT].columns), new[RIGHT]])
        early = old[LEFT].select(new[LEFT].columns)
        parts = [pl.DataFrame(schema=self._columns)]
        for plan, left, right in zip(self._meetings, (new[LEFT], early), (every, new[RIGHT]), strict=True):
            if len(left) and len(right):
                parts += self._joined(plan, left, right)
        return pl.concat(parts)

    def _met(self, left: Frame, right: Frame) -> list[Frame]:
        pairs = joining.pairs_of(left, right, self._node, ENGINE)
        return [joining.select_columns(pairs, self._node).select(*self._columns)]

    def _joined(self, plan: Plan, left: pl.DataFrame, right: pl.DataFrame) -> Iterator[pl.DataFrame]:
        if self._is_hot(left, right):
            pairs = joining.bucketed_pairs(lazy(left), lazy(right), self._node, ENGINE)
            chosen = joining.select_columns(pairs, self._node).select(*self._columns)
            yield from ENGINE.batches(chosen, _CHUNK)
        else:
            yield from plan.run(left, right)

    def _is_hot(self, left: pl.DataFrame, right: pl.DataFrame) -> bool:
        if len(left) * len(right) <= _FEW:
            return False
        pairs = self._sample.run(left, right)[0].item()
        return joining.is_hot(joining.scaled(pairs), len(left) + len(right))

    def _keep(self, new: Frames, pairs: pl.DataFrame) -> None:
        """Keep the new rows, and note who has found a partner."""
        for side, column in ((LEFT, LEFT_SEQ), (RIGHT, RIGHT_SEQ)):
            fresh = new[side].with_columns(pl.lit(False).alias(_MATCHED))
            kept = pl.concat([self._kept[side], fresh]) if side in self._kept else fresh
            found = pairs[column].drop_nulls().unique()
            before = int(kept[_MATCHED].sum())
            kept = kept.with_columns(pl.col(_MATCHED) | pl.col(SEQ).is_in(found.implode()))
            self.fates[side]["matched"] = int(kept[_MATCHED].sum()) - before
            self._kept[side] = kept

    def _let_go(self, now: int) -> list[pl.DataFrame]:
        """Let rows go that the watermark has passed; return those without a partner, as pairs."""
        lone = []
        for side, frame in self._kept.items():
            end = pl.col(TS) + self._node.window_us
            if self._lateness is None:
                gone = frame.select(end < now).to_series()
            else:
                key = self._node.left_key if side == LEFT else self._node.right_key
                named = frame.with_columns(
                    pl.col(c).alias(k) for c, k in zip(key, self._key_names, strict=True)
                )
                gone = self._marks.of(named).select(end < pl.col(TOP) - self._lateness).to_series()
            lone.append(self._lone(side, frame.filter(gone)))
            self._kept[side] = frame.filter(~gone)
        return lone

    def _lone(self, side: str, frame: pl.DataFrame) -> pl.DataFrame:
        alone = frame.filter(~pl.col(_MATCHED)).drop(_MATCHED)
        self.fates[side][UNMATCHED] = len(alone)
        if self._node.output_complete or alone.is_empty():
            return pl.DataFrame(schema=self._columns)
        absent = RIGHT if side == LEFT else LEFT
        other = self._kept[absent].drop(_MATCHED).schema
        dtypes = lazy(pl.DataFrame(schema=other)).collect_schema()
        nulls = {side_column(absent, c): nw.lit(None, dtype) for c, dtype in dtypes.items()}
        rows = joining.select_columns(joining.lone_rows(lazy(alone), side, nulls), self._node)
        return ENGINE.collect(rows).select(self._columns.keys())
