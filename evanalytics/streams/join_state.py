"""A join that lives: the rows that may still find a partner, and those that have found one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import joining
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.checks import Columns
from evanalytics.streams.columns import LEFT, LEFT_SEQ, RIGHT, RIGHT_SEQ, is_hidden, side_column
from evanalytics.streams.joining import JOIN_KEY
from evanalytics.streams.memory_nodes import JoinNode, Key
from evanalytics.streams.nodes import (
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    UNMATCHED,
)
from evanalytics.streams.plan import ENGINE, Plan, collected, lazy
from evanalytics.streams.state import TOP, Frames, KeyMarks

_MATCHED, _SIDE = "__matched", "__side"
PairJoin = Callable[[Frame, Frame, JoinNode, FrameEngine], Frame]
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
        self._met: dict[str, int] = {LEFT: 0, RIGHT: 0}
        self.fates: dict[str, dict[str, int]] = {LEFT: {}, RIGHT: {}}
        self._sorted = Plan(self._sort)
        self._meetings = Plan(self._meet)
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
        late, new = self._take(left, right)
        every = {side: self._with_kept(side, rows) for side, rows in new.items()}
        pairs = self._pairs(new, every)
        lone = self._settle(every, pairs, now)
        return {
            OUT: pl.concat([pairs, *lone]).sort(SEQ, LEFT_SEQ, RIGHT_SEQ),
            LATE_LEFT: late[LEFT],
            LATE_RIGHT: late[RIGHT],
        }

    def close(self) -> Frames:
        """Return what is still without a partner, if such rows are wanted, and keep nothing."""
        self.fates = {LEFT: {}, RIGHT: {}}
        lone = [self._lone(side, frame.filter(~pl.col(_MATCHED))) for side, frame in self._kept.items()]
        self._keep({side: frame.clear() for side, frame in self._kept.items()})
        empty = pl.DataFrame(schema=self._columns)
        return {OUT: pl.concat([empty, *lone]).sort(SEQ, LEFT_SEQ, RIGHT_SEQ)}

    def dump(self) -> Frames:
        """Return the kept rows, and the keys' watermarks."""
        marks = {} if self._marks.frame is None else {"marks": self._marks.frame}
        return {side: frame.drop(JOIN_KEY) for side, frame in self._kept.items()} | marks

    def load(self, frames: Frames) -> None:
        """Continue with kept rows."""
        self._marks.frame = frames.get("marks")
        keys = {LEFT: self._node.left_key, RIGHT: self._node.right_key}
        kept = {side: lazy(frames[side]) for side in keys if side in frames}
        self._keep(
            {side: ENGINE.collect(ENGINE.join_key(rows, keys[side], JOIN_KEY)) for side, rows in kept.items()}
        )

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

    def _take(self, left: pl.DataFrame, right: pl.DataFrame) -> tuple[Frames, Frames]:
        """Return the rows that come too late, and those that may find a partner, by side; count them."""
        late_left, new_left, late_right, new_right = self._sorted.run(left, right)
        late, new = {LEFT: late_left, RIGHT: late_right}, {LEFT: new_left, RIGHT: new_right}
        for side, frame in ((LEFT, left), (RIGHT, right)):
            nulls = len(frame) - len(late[side]) - len(new[side])
            self.fates[side] = {"in": len(frame), "null key": nulls, LATE: len(late[side])}
        return late, new

    def _sort(self, left: Frame, right: Frame) -> list[Frame]:
        frames = []
        for side, key in ((left, self._node.left_key), (right, self._node.right_key)):
            rows = joining.classified(side, key, self._node.window_us)
            late = rows.filter(nw.col(joining.IS_LATE)).drop(joining.NULL_KEY, joining.IS_LATE, NOW)
            new = joining.can_match(rows).drop(joining.NULL_KEY, joining.IS_LATE)
            hidden = [column for column in new.collect_schema() if is_hidden(column)]
            new = new.drop(hidden).with_columns(nw.lit(False).alias(_MATCHED))
            frames += [late, ENGINE.join_key(new, key, JOIN_KEY)]
        return frames

    def _with_kept(self, side: str, rows: pl.DataFrame) -> pl.DataFrame:
        if side not in self._kept:
            return rows
        return pl.concat([self._kept[side], rows], rechunk=True)  # texts in two pieces are slow to gather

    def _pairs(self, new: Frames, every: Frames) -> pl.DataFrame:
        """Return the pairs of new left rows and all right ones, and of kept left rows and new right ones."""
        early = self._kept.get(LEFT, new[LEFT].clear())
        sides = (new[LEFT], every[RIGHT], early, new[RIGHT])
        if self._is_hot(*sides[:2]) or self._is_hot(*sides[2:]):
            found = [rows for plan in self._near(*map(lazy, sides)) for rows in ENGINE.batches(plan, _CHUNK)]
        else:
            found = self._meetings.run(*sides)
        return pl.concat([pl.DataFrame(schema=self._columns), *found])

    def _meet(self, left: Frame, every_right: Frame, early: Frame, right: Frame) -> list[Frame]:
        return self._joined(joining.pairs_of, (left, every_right), (early, right))

    def _near(self, left: Frame, every_right: Frame, early: Frame, right: Frame) -> list[Frame]:
        """Return the same, joined by time as well."""
        return self._joined(joining.bucketed_pairs, (left, every_right), (early, right))

    def _joined(self, join: PairJoin, *meetings: tuple[Frame, Frame]) -> list[Frame]:
        found = []
        for left, right in meetings:
            pairs = join(left.drop(_MATCHED), right.drop(_MATCHED), self._node, ENGINE)
            found.append(joining.select_columns(pairs, self._node).select(*self._columns))
        return found

    def _is_hot(self, left: pl.DataFrame, right: pl.DataFrame) -> bool:
        if self._most_pairs(left, right) <= _FEW:
            return False
        pairs = self._sample.run(left, right)[0].item()
        return joining.is_hot(joining.scaled(pairs), len(left) + len(right))

    def _most_pairs(self, left: pl.DataFrame, right: pl.DataFrame) -> int:
        """Return a number that there cannot be more pairs than."""
        if (most := len(left) * len(right)) <= _FEW:
            return most
        few = min(left, right, key=len)
        alike = few.lazy().group_by(JOIN_KEY).len().select(pl.col("len").max()).collect(engine="in-memory")
        return int(alike.item()) * max(len(left), len(right))

    def _settle(self, every: Frames, pairs: pl.DataFrame, now: int) -> list[pl.DataFrame]:
        """Note who has found a partner, and keep the rows that the watermark has not passed.

        Returns:
            Those that leave without a partner, as pairs.
        """
        plans = []
        for side, column in ((LEFT, LEFT_SEQ), (RIGHT, RIGHT_SEQ)):
            rows = every[side]
            if len(pairs):
                met = rows[_MATCHED] | rows[SEQ].is_in(pairs[column].implode())
                rows = rows.with_columns(met.alias(_MATCHED))
                self.fates[side]["matched"] = int(met.sum()) - self._met[side]
            gone = self._is_passed(side, rows, now)
            plans += [rows.lazy().filter(gone & ~pl.col(_MATCHED)), rows.lazy().filter(~gone)]
        alone_left, left, alone_right, right = collected(plans)
        self._keep({LEFT: left, RIGHT: right})
        return [self._lone(LEFT, alone_left), self._lone(RIGHT, alone_right)]

    def _keep(self, rows: Frames) -> None:
        self._kept = rows
        self._met |= {side: int(frame[_MATCHED].sum()) for side, frame in rows.items()}

    def _is_passed(self, side: str, frame: pl.DataFrame, now: int) -> pl.Expr:
        end = pl.col(TS) + self._node.window_us
        if self._lateness is None:
            return end < now
        key = self._node.left_key if side == LEFT else self._node.right_key
        named = frame.with_columns(pl.col(c).alias(k) for c, k in zip(key, self._key_names, strict=True))
        return pl.lit(self._marks.of(named).select(end < pl.col(TOP) - self._lateness).to_series())

    def _lone(self, side: str, alone: pl.DataFrame) -> pl.DataFrame:
        self.fates[side][UNMATCHED] = len(alone)
        if self._node.output_complete or alone.is_empty():
            return pl.DataFrame(schema=self._columns)
        absent = RIGHT if side == LEFT else LEFT
        other = self._kept[absent].drop(_MATCHED, JOIN_KEY).schema
        dtypes = lazy(pl.DataFrame(schema=other)).collect_schema()
        nulls = {side_column(absent, c): nw.lit(None, dtype) for c, dtype in dtypes.items()}
        rows = joining.select_columns(joining.lone_rows(lazy(alone.drop(_MATCHED)), side, nulls), self._node)
        return ENGINE.collect(rows).select(self._columns.keys())
