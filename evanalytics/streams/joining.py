"""Pairs within a time window: which rows can match, and a join that a hot key cannot blow up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw

from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.schema import SEQ, TS
from evanalytics.streams.aggregation import LATEST, NOW
from evanalytics.streams.columns import LEFT, LEFT_SEQ, RIGHT, RIGHT_SEQ, is_hidden, side_column
from evanalytics.streams.memory_nodes import JoinNode, Key

NULL_KEY, IS_LATE = "__null_key", "__is_late"
_JOIN_KEY, _BUCKET, _HOP = "__join_key", "__bucket", "__hop"
_SAMPLED = 61
"""One row of so many is looked at to tell how many pairs there will be."""
_HOT = 8
"""So many pairs of equal keys for each row, and the join goes by time as well."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both inputs of a join, each with `__wm`, `__null_key` and `__is_late`."""

    left: Frame
    right: Frame


def classified(frame: Frame, key: Key, window_us: int) -> Frame:
    """Return a frame that says of each row whether its key has a null, and whether it comes too late."""
    is_null = nw.any_horizontal(*(nw.col(column).is_null() for column in key), ignore_nulls=False)
    is_late = ~is_null & (nw.col(TS) + window_us < nw.col(NOW))
    return frame.with_columns(is_null.alias(NULL_KEY), is_late.alias(IS_LATE))


def can_match(frame: Frame) -> Frame:
    """Return the rows that may find a partner."""
    return frame.filter(~nw.col(NULL_KEY) & ~nw.col(IS_LATE))


def estimated_pairs(sides: Sides, node: JoinNode, engine: FrameEngine) -> tuple[int, int]:
    """Return how many pairs have equal keys, whatever their times, and how many rows there are.

    From every 61st row of each side: keys so rare that the sample misses them do no harm.
    """
    pairs = sampled_pairs(sides.left, sides.right, node, engine)
    rows = [engine.collect(frame.select(nw.len())).item() for frame in (sides.left, sides.right)]
    return scaled(engine.collect(pairs).item()), sum(rows)


def sampled_pairs(left: Frame, right: Frame, node: JoinNode, engine: FrameEngine) -> Frame:
    """Return one row: how many pairs the sampled rows have; `scaled` makes it that of all rows."""
    counts = []
    for frame, key, name in ((left, node.left_key, "l"), (right, node.right_key, "r")):
        sample = engine.join_key(frame.filter(nw.col(SEQ) % _SAMPLED == 0), key, _JOIN_KEY)
        counts.append(sample.group_by(_JOIN_KEY).agg(nw.len().cast(nw.Float64).alias(name)))
    pairs = counts[0].join(counts[1], on=_JOIN_KEY, how="inner")
    return pairs.select(p=(nw.col("l") * nw.col("r")).sum())


def scaled(pairs: float | None) -> int:
    """Return how many pairs there are by the number that a sample has."""
    return int((pairs or 0) * _SAMPLED**2)


def is_hot(pairs: int, rows: int) -> bool:
    """Return whether a plain join of equal keys would be wasteful."""
    return pairs > _HOT * rows


def pairs_of(left: Frame, right: Frame, node: JoinNode, engine: FrameEngine) -> Frame:
    """Return all pairs: both sides' columns with `left__` and `right__`, `seq`, `ts`, both `seq`s.

    Args:
        left: Rows that may match, with `__wm`.
        right: Likewise.
        node: The join.
        engine: Whose frames they are.
    """
    return _paired(
        _renamed(left, LEFT, node.left_key, engine), _renamed(right, RIGHT, node.right_key, engine), node, []
    )


def bucketed_pairs(left: Frame, right: Frame, node: JoinNode, engine: FrameEngine) -> Frame:
    """Return the same pairs by joining on time buckets as well.

    Buckets are as wide as the join window; so a row's partners are in its own bucket and the two beside
    it, and the left rows are written once for each of the three.
    """
    one = left.select(nw.len().cast(nw.Int64).alias(_HOP)).select((nw.col(_HOP) * 0).alias(_HOP))
    hops = nw.concat([one.with_columns((nw.col(_HOP) + k).alias(_HOP)) for k in (-1, 0, 1)])
    wide = _renamed(left, LEFT, node.left_key, engine).join(hops, how="cross")
    bucket = _bucket(nw.col(side_column(LEFT, TS)), node) + nw.col(_HOP)
    near = _renamed(right, RIGHT, node.right_key, engine)
    near = near.with_columns(_bucket(nw.col(side_column(RIGHT, TS)), node).alias(_BUCKET))
    return _paired(wide.with_columns(bucket.alias(_BUCKET)).drop(_HOP), near, node, [_BUCKET])


def select_columns(pairs: Frame, node: JoinNode) -> Frame:
    """Return pairs with the columns that the node's `select` names, or with all of both sides."""
    own = [SEQ, TS, LEFT_SEQ, RIGHT_SEQ]
    if node.select is not None:
        return pairs.select(*own, **node.select)
    return pairs.select(*own, *(c for c in pairs.collect_schema() if _is_side_column(c)))


def lone_rows(frame: Frame, side: str, other: Mapping[str, nw.Expr]) -> Frame:
    """Return rows without a partner, the other side's columns null, as `select_columns` takes them."""
    sequences = {LEFT: LEFT_SEQ, RIGHT: RIGHT_SEQ}
    absent = sequences[RIGHT if side == LEFT else LEFT]
    columns = [nw.col(c).alias(side_column(side, c)) for c in frame.collect_schema() if not _is_mark(c)]
    return frame.select(
        nw.col(SEQ),
        nw.col(TS),
        nw.col(SEQ).alias(sequences[side]),
        nw.lit(None, nw.Int64).alias(absent),
        *columns,
        **other,
    )


def _paired(left: Frame, right: Frame, node: JoinNode, further: Sequence[str]) -> Frame:
    on = [_JOIN_KEY, *further]
    near = left.join(right, on=on, how="inner")
    left_ts, right_ts = nw.col(side_column(LEFT, TS)), nw.col(side_column(RIGHT, TS))
    left_seq, right_seq = nw.col(side_column(LEFT, SEQ)), nw.col(side_column(RIGHT, SEQ))
    left_now, right_now = nw.col(side_column(LEFT, NOW)), nw.col(side_column(RIGHT, NOW))
    apart = left_ts - right_ts
    arrival = nw.when(left_seq > right_seq).then(left_now).otherwise(right_now)
    same = [  # not a bare comparison: polars would join by the texts as well, which takes 4x
        (nw.col(side_column(LEFT, one)) == nw.col(side_column(RIGHT, other))).fill_null(False)
        for one, other in zip(node.left_key, node.right_key, strict=True)
    ]
    near = near.filter(
        apart <= node.window_us,
        apart >= -node.window_us,
        nw.min_horizontal(left_ts, right_ts) + node.window_us >= arrival,
        *same,  # join keys may be hashes
    )
    return near.with_columns(
        nw.max_horizontal(left_seq, right_seq).alias(SEQ),
        nw.max_horizontal(left_ts, right_ts).alias(TS),
        left_seq.alias(LEFT_SEQ),
        right_seq.alias(RIGHT_SEQ),
    )


def _renamed(frame: Frame, side: str, key: Key, engine: FrameEngine) -> Frame:
    frame = engine.join_key(frame, key, _JOIN_KEY)
    names = {
        c: side_column(side, c) for c in frame.collect_schema() if c not in (_JOIN_KEY, NULL_KEY, IS_LATE)
    }
    return frame.drop(NULL_KEY, IS_LATE, strict=False).rename(names)


def _bucket(ts: nw.Expr, node: JoinNode) -> nw.Expr:
    """Return the number of a row's bucket; whichever way an engine rounds, partners are neighbours."""
    return ts // max(node.window_us, 1)


def _is_mark(name: str) -> bool:
    return name in (NULL_KEY, IS_LATE, _JOIN_KEY)


def _is_side_column(name: str) -> bool:
    side, _, inner = name.partition("__")
    hidden = inner in (SEQ, TS, NOW, LATEST) or is_hidden(inner)
    return side in (LEFT, RIGHT) and not hidden and inner != ""
