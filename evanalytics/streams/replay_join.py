"""The step of a replay that joins: sides classified, pairs at once or in slices, the rest counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engines import Frame
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams import joining
from evanalytics.streams.aggregation import LATEST, NOW
from evanalytics.streams.columns import LEFT, LEFT_SEQ, RIGHT, RIGHT_SEQ, side_column
from evanalytics.streams.context import ReplayContext
from evanalytics.streams.memory_nodes import JoinNode
from evanalytics.streams.nodes import (
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    UNMATCHED,
)

PASSED_ROWS = 500_000
"""How many rows are handed on at a time, where they are not kept."""

_SIDE, _AT = "__side", "__at"
_SEQ_OF = {LEFT: LEFT_SEQ, RIGHT: RIGHT_SEQ}
_MARKS = (joining.NULL_KEY, joining.IS_LATE)


class JoinStep:
    """One join of a replay.

    Attributes:
        outputs: The rows of each output; the pairs are missing where they were handed on instead.
    """

    def __init__(self, context: ReplayContext, name: str, node: JoinNode) -> None:
        """Take the node and where it runs."""
        self._context, self._name, self._node = context, name, node
        self.outputs: dict[str, Frame] = {}

    def run(self, left: Frame, right: Frame, hand_on: Callable[[pl.DataFrame], None] | None) -> None:
        """Join two frames.

        Args:
            left: The left rows, in the order of `seq`.
            right: The right rows.
            hand_on: Takes pairs batch by batch, so that they are not kept; None: keep them.
        """
        engine = self._context.engine
        sides = self._sides(left, right)
        candidates = joining.Sides(joining.can_match(sides.left), joining.can_match(sides.right))
        surveys = {
            LEFT: joining.survey(sides.left, self._node.left_key, engine),
            RIGHT: joining.survey(sides.right, self._node.right_key, engine),
        }
        sampled = joining.pairs_of_samples(surveys[LEFT].sample, surveys[RIGHT].sample)
        pairs = joining.scaled(engine.collect(sampled).item())
        rows = sum(one.rows - one.nulls - one.late for one in surveys.values())
        hot = joining.is_hot(pairs, rows)
        how = "on time buckets as well" if hot else "on the key"
        self._context.notes[self._name] = (
            f"about {pairs:,} pairs of equal keys in {rows:,} rows: joined {how}"
        )
        found = [self._pairs(part, hot=hot) for part in self._slices(candidates, surveys)]
        if hand_on is None:
            matched = self._kept(found)
        else:
            matched = (self._spilt if engine.spills else self._handed_on)(found, hand_on)
        self._finish(sides, surveys, matched, hand_on)

    def _sides(self, left: Frame, right: Frame) -> joining.Sides:
        context, node = self._context, self._node
        if context.by_key(self._name):
            left, right = self._with_now_of_both(left, right)
        else:
            latest = context.latest(self._name, ()).alias(LATEST)
            left, right = (context.with_now(self._name, f, ()).with_columns(latest) for f in (left, right))
        return joining.Sides(
            joining.classified(left, node.left_key, node.window_us),
            joining.classified(right, node.right_key, node.window_us),
        )

    def _with_now_of_both(self, left: Frame, right: Frame) -> tuple[Frame, Frame]:
        """Return both sides with each key's own watermark, for which the rows of both sides count."""
        context, node = self._context, self._node
        keys = [f"__key{number}" for number in range(len(node.left_key))]
        parts = []
        for side, frame, key in ((0, left, node.left_key), (1, right, node.right_key)):
            named = [nw.col(column).alias(name) for column, name in zip(key, keys, strict=True)]
            parts.append(frame.select(SEQ, TS, nw.lit(side).alias(_SIDE), *named))
        both = context.with_now(self._name, nw.concat(parts).sort(SEQ), tuple(keys))
        both = context.engine.hold(both.with_columns(nw.col(NOW).max().over(*keys).alias(LATEST)))
        out = []
        for side, frame in enumerate((left, right)):
            now = both.filter(nw.col(_SIDE) == side).select(nw.col(SEQ).alias(_AT), NOW, LATEST)
            joined = frame.join(now, left_on=SEQ, right_on=_AT, how="left")
            out.append(context.engine.hold(joined.sort(SEQ)))
        return out[0], out[1]

    def _pairs(self, sides: joining.Sides, *, hot: bool) -> Frame:
        pairs_of = joining.bucketed_pairs if hot else joining.pairs_of
        pairs = pairs_of(sides.left, sides.right, self._node, self._context.engine)
        return joining.select_columns(pairs, self._node)

    def _slices(self, sides: joining.Sides, surveys: Mapping[str, joining.Survey]) -> Iterator[joining.Sides]:
        """Yield the rows cut by the left one's time; each with all right rows that are near enough."""
        cells = min(surveys[side].rows * len(frame.collect_schema()) for side, frame in _by_side(sides))
        count = self._context.engine.join_slices(cells)
        low, high = self._context.staged.span
        window, width = self._node.window_us, (high - low) // count + 1
        for number in range(count):
            ends = [low + number * width, low + (number + 1) * width]
            left, right = sides.left, sides.right
            if number > 0:
                left, right = left.filter(nw.col(TS) >= ends[0]), right.filter(nw.col(TS) >= ends[0] - window)
            if number < count - 1:
                left, right = left.filter(nw.col(TS) < ends[1]), right.filter(nw.col(TS) < ends[1] + window)
            yield joining.Sides(left, right)

    def _kept(self, pairs: Sequence[Frame]) -> Frame:
        held = self._context.engine.hold(nw.concat(pairs))
        self.outputs[OUT] = held
        self._context.counts.add(self._name, "", pairs=self._context.rows(held))
        return held.select(LEFT_SEQ, RIGHT_SEQ)

    def _spilt(self, pairs: Sequence[Frame], hand_on: Callable[[pl.DataFrame], None]) -> Frame:
        """Hand pairs on that lie outside of this process's memory; return those `seq`s that matched."""
        total, matched = 0, []
        for part in pairs:
            held = self._context.engine.hold(part)
            total += self._context.rows(held)
            for batch in self._context.engine.batches(held, PASSED_ROWS):
                hand_on(batch)
            matched.append(held.select(LEFT_SEQ, RIGHT_SEQ))
        self._context.counts.add(self._name, "", pairs=total)
        return nw.concat(matched)

    def _handed_on(self, pairs: Sequence[Frame], hand_on: Callable[[pl.DataFrame], None]) -> Frame:
        """Hand pairs on batch by batch; return the `seq`s of the rows that have matched."""
        both = {LEFT_SEQ: pl.Int64(), RIGHT_SEQ: pl.Int64()}
        total, seen = 0, [pl.DataFrame(schema=both)]
        for batch in chain.from_iterable(self._context.engine.batches(part, PASSED_ROWS) for part in pairs):
            total += len(batch)
            for column in both:
                seqs = batch.select(pl.col(column).unique())
                seen.append(seqs.select(pl.lit(None, pl.Int64).alias(c) if c != column else c for c in both))
            hand_on(batch)
        self._context.counts.add(self._name, "", pairs=total)
        return self._context.engine.load(pl.concat(seen))

    def _finish(
        self,
        sides: joining.Sides,
        surveys: Mapping[str, joining.Survey],
        matched: Frame,
        hand_on: Callable[[pl.DataFrame], None] | None,
    ) -> None:
        """Count what became of each side's rows, and add those that stayed alone if they are wanted."""
        lone = []
        for side, frame, late in ((LEFT, sides.left, LATE_LEFT), (RIGHT, sides.right, LATE_RIGHT)):
            found = matched.select(nw.col(_SEQ_OF[side]).alias(SEQ)).filter(~nw.col(SEQ).is_null()).unique()
            self._count(side, surveys[side], self._context.rows(found))
            self.outputs[late] = frame.filter(nw.col(joining.IS_LATE)).drop(*_MARKS, NOW, LATEST)
            if not self._node.output_complete:
                lone.append(self._lone(side, frame, found, sides.right if side == LEFT else sides.left))
        if hand_on is not None:
            for frame in lone:
                hand_on(self._context.engine.collect(frame))
        elif lone:
            every = [self.outputs[OUT], *lone]
            names = every[0].collect_schema().names()
            self.outputs[OUT] = self._context.engine.hold(nw.concat([f.select(*names) for f in every]))

    def _count(self, side: str, seen: joining.Survey, hits: int) -> None:
        fates = {"matched": hits, "null key": seen.nulls, LATE: seen.late}
        rest = seen.rows - sum(fates.values())
        self._context.counts.add(self._name, side, **{"in": seen.rows, **fates, UNMATCHED: rest})

    def _lone(self, side: str, frame: Frame, found: Frame, other: Frame) -> Frame:
        """Return the rows of a side that found no partner, with nulls for the other side."""
        alone = joining.can_match(frame).join(found, on=SEQ, how="anti")
        if not self._context.close:
            alone = alone.filter(nw.col(TS) + self._node.window_us < nw.col(LATEST))
        absent = RIGHT if side == LEFT else LEFT
        nulls = {
            side_column(absent, column): nw.lit(None, dtype)
            for column, dtype in other.collect_schema().items()
            if column not in _MARKS
        }
        return joining.select_columns(joining.lone_rows(alone, side, nulls), self._node)


def _by_side(sides: joining.Sides) -> tuple[tuple[str, Frame], tuple[str, Frame]]:
    return (LEFT, sides.left), (RIGHT, sides.right)
