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
_BUCKET, _HOP, _COUNT, _OTHER = "__bucket", "__hop", "__n", "__m"
JOIN_KEY = "__join_key"
"""What is equal wherever all columns of the key are, and perhaps elsewhere."""
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


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at all rows of a side tells.

    Attributes:
        rows: How many there are.
        nulls: How many have a null in their key.
        late: How many come too late.
        sample: Of every 61st row that may match, how many (`__n`) have each join key.
    """

    rows: int
    nulls: int
    late: int
    sample: Frame


def survey(side: Frame, key: Key, engine: FrameEngine) -> Survey:
    """Look once at all rows of a side: where a log is larger than memory, each look reads it from disk."""
    is_sampled = ~nw.col(NULL_KEY) & ~nw.col(IS_LATE) & (nw.col(SEQ) % _SAMPLED == 0)
    keyed = engine.join_key(side.select(*dict.fromkeys((SEQ, NULL_KEY, IS_LATE, *key))), key, JOIN_KEY)
    keyed = keyed.with_columns(nw.when(is_sampled).then(nw.col(JOIN_KEY)).alias(JOIN_KEY))
    marks = {mark: nw.col(mark).cast(nw.Int64).sum().cast(nw.Int64) for mark in (NULL_KEY, IS_LATE)}
    groups = engine.hold(keyed.group_by(JOIN_KEY).agg(nw.len().cast(nw.Int64).alias(_COUNT), **marks))
    sums = groups.select(*(nw.col(c).sum().cast(nw.Int64) for c in (_COUNT, NULL_KEY, IS_LATE)))
    rows, nulls, late = (int(value or 0) for value in engine.collect(sums).row(0))
    sample = groups.filter(~nw.col(JOIN_KEY).is_null()).select(JOIN_KEY, _COUNT)
    return Survey(rows, nulls, late, sample)


def sampled_pairs(left: Frame, right: Frame, node: JoinNode, engine: FrameEngine) -> Frame:
    """Return one row: how many pairs the sampled rows have; `scaled` makes it that of all rows.

    Keys so rare that the sample misses them do no harm.
    """
    samples = []
    for frame, key in ((left, node.left_key), (right, node.right_key)):
        rows = engine.join_key(frame.filter(nw.col(SEQ) % _SAMPLED == 0), key, JOIN_KEY)
        samples.append(rows.group_by(JOIN_KEY).agg(nw.len().cast(nw.Int64).alias(_COUNT)))
    return pairs_of_samples(*samples)


def pairs_of_samples(left: Frame, right: Frame) -> Frame:
    """Return one row: how many pairs two samples have, given as in `Survey`."""
    pairs = left.join(right.rename({_COUNT: _OTHER}), on=JOIN_KEY, how="inner")
    return pairs.select(p=(nw.col(_COUNT).cast(nw.Float64) * nw.col(_OTHER)).sum())


def scaled(pairs: float | None) -> int:
    """Return how many pairs there are by the number that a sample has."""
    return int((pairs or 0) * _SAMPLED**2)


def is_hot(pairs: int, rows: int) -> bool:
    """Return whether a plain join of equal keys would be wasteful."""
    return pairs > _HOT * rows


def pairs_of(left: Frame, right: Frame, node: JoinNode, engine: FrameEngine) -> Frame:
    """Return all pairs: both sides' columns with `left__` and `right__`, `seq`, `ts`, both `seq`s.

    Args:
        left: Rows that may match, with `__wm`; perhaps with their `JOIN_KEY`.
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
    on = [JOIN_KEY, *further]
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
    if JOIN_KEY not in frame.collect_schema():
        frame = engine.join_key(frame, key, JOIN_KEY)
    names = {
        c: side_column(side, c) for c in frame.collect_schema() if c not in (JOIN_KEY, NULL_KEY, IS_LATE)
    }
    return frame.drop(NULL_KEY, IS_LATE, strict=False).rename(names)


def _bucket(ts: nw.Expr, node: JoinNode) -> nw.Expr:
    """Return the number of a row's bucket; whichever way an engine rounds, partners are neighbours."""
    return ts // max(node.window_us, 1)


def _is_mark(name: str) -> bool:
    return name in (NULL_KEY, IS_LATE, JOIN_KEY)


def _is_side_column(name: str) -> bool:
    side, _, inner = name.partition("__")
    hidden = inner in (SEQ, TS, NOW, LATEST) or is_hidden(inner)
    return side in (LEFT, RIGHT) and not hidden and inner != ""
