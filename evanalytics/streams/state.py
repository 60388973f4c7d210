"""What a node remembers between micro-batches: how it is kept, split by key and saved."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import polars as pl

from evanalytics.logs.schema import TS
from evanalytics.streams.aggregation import NOW
from evanalytics.streams.memory_nodes import DedupeNode, Key
from evanalytics.streams.nodes import DUPLICATE, OUT
from evanalytics.streams.watermark import NEVER

Frames = dict[str, pl.DataFrame]
"""Frames by name: of an output, or of what a state is saved as."""

TOP, BEFORE = "__top", "__earlier"
_ALL = "__all"


class State(Protocol):
    """What is remembered, as frames: it goes to a checkpoint and comes back from it.

    Attributes:
        keys: Which columns of each saved frame are its key, by the frame's name.
    """

    keys: Mapping[str, Key]

    def dump(self) -> Frames:
        """Return all that is remembered."""
        ...

    def load(self, frames: Frames) -> None:
        """Remember what `dump` returned."""
        ...


S = TypeVar("S", bound=State)


class Partitions(Generic[S]):
    """As many states as there are partitions; each key is in one of them.

    What is saved is put together again, so that a checkpoint can be continued with another number.
    """

    def __init__(self, make: Callable[[], S], count: int) -> None:
        """Make the states."""
        self.states = [make() for _ in range(count)]

    def split(self, frame: pl.DataFrame, key: Key) -> list[pl.DataFrame]:
        """Return the rows of each partition, in their order."""
        return split(frame, key, len(self.states))

    def dump(self) -> Frames:
        """Return what all states remember."""
        parts = [state.dump() for state in self.states]
        return {name: pl.concat([part[name] for part in parts if name in part]) for name in _names(parts)}

    def load(self, frames: Frames) -> None:
        """Give each state its part of what was saved."""
        keys = self.states[0].keys
        shares: list[Frames] = [{} for _ in self.states]
        for name, frame in frames.items():
            for share, rows in zip(shares, self.split(frame, keys[name]), strict=True):
                share[name] = rows
        for state, share in zip(self.states, shares, strict=True):
            state.load(share)


def split(frame: pl.DataFrame, key: Key, count: int) -> list[pl.DataFrame]:
    """Cut rows by their key's hash; without a key all go to the first part."""
    if count == 1:
        return [frame]
    if not key:
        return [frame, *([frame.clear()] * (count - 1))]
    number = pl.col(key[0]).hash(0)
    for place, column in enumerate(key[1:], 1):
        number = number ^ pl.col(column).hash(place)
    part = frame.select((number % count).alias("part"))["part"]
    return [frame.filter(part == index) for index in range(count)]


class KeyMarks:
    """The highest `ts` of each key so far.

    It is the watermark of a key before the lateness is taken off, and what a dedupe goes by.
    """

    def __init__(self, key: Key) -> None:
        """Begin with no key seen."""
        self._key = list(key) or [_ALL]
        self.frame: pl.DataFrame | None = None

    def seen(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Remember rows, which stand in the order of `seq`; return them with two columns more.

        `__top` is the highest `ts` of the row's key up to and with it, `__earlier` that of the rows
        before it, null if there are none.
        """
        rows = self._keyed(rows)
        top = pl.col(TS).cum_max().over(self._key)
        before = pl.col(TS).cum_max().shift(1).over(self._key)
        if self.frame is not None:
            rows = rows.join(self.frame, on=self._key, how="left", nulls_equal=True, maintain_order="left")
            top, before = pl.max_horizontal(top, TOP), pl.max_horizontal(before, TOP)
        out = rows.with_columns(top.alias(TOP), before.alias(BEFORE))
        self._remember(out.group_by(self._key).agg(pl.col(TOP).max()))
        return out.drop(_ALL, strict=False)

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the highest `ts` of their key so far, `__top`."""
        keyed = self._keyed(rows)
        if self.frame is None:
            return keyed.with_columns(pl.lit(NEVER, pl.Int64).alias(TOP)).drop(_ALL, strict=False)
        found = keyed.join(self.frame, on=self._key, how="left", nulls_equal=True, maintain_order="left")
        return found.with_columns(pl.col(TOP).fill_null(NEVER)).drop(_ALL, strict=False)

    def forget(self, below: int) -> None:
        """Forget the keys whose highest `ts` is below an instant."""
        if self.frame is not None:
            self.frame = self.frame.filter(pl.col(TOP) >= below)

    def _keyed(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.lit(0, pl.Int8).alias(_ALL)) if self._key == [_ALL] else rows

    def _remember(self, latest: pl.DataFrame) -> None:
        if self.frame is not None:
            latest = pl.concat([self.frame, latest]).group_by(self._key).agg(pl.col(TOP).max())
        self.frame = latest


class DedupeState:
    """The keys that a dedupe remembers, each with the highest `ts` it came with.

    Without `within`, or where each key has its own watermark, every key is kept: nothing can ever
    pass it by.
    """

    def __init__(self, node: DedupeNode, lateness_us: int | None) -> None:
        """Begin with nothing remembered.

        Args:
            node: The node.
            lateness_us: What to take off a key's highest `ts` for its watermark; None: the rows bring
                their watermark along.
        """
        self.keys: Mapping[str, Key] = {"seen": node.key}
        self._node, self._lateness = node, lateness_us
        self._marks = KeyMarks(node.key)

    @property
    def is_bounded(self) -> bool:
        """Whether the watermark lets keys go."""
        return self._node.within is not None and self._lateness is None

    @property
    def rows(self) -> int:
        """How many keys are remembered."""
        return 0 if self._marks.frame is None else len(self._marks.frame)

    def push(self, frame: pl.DataFrame, now: int) -> Frames:
        """Take rows; return those that pass, and those that were there already.

        Args:
            frame: The rows in the order of `seq`.
            now: The watermark behind them.
        """
        key, within = list(self._node.key), self._node.within_us
        rows = self._marks.seen(frame)
        mark = pl.col(NOW) if self._lateness is None else pl.col(TOP) - self._lateness
        known = pl.col(BEFORE).is_not_null()
        if within is not None:
            known = known & (pl.col(BEFORE) + within >= mark)
        again = rows.select(known & pl.all_horizontal(pl.col(key).is_not_null())).to_series()
        if within is not None and self.is_bounded:
            self._marks.forget(now - within)
        return {OUT: frame.filter(~again), DUPLICATE: frame.filter(again)}

    def dump(self) -> Frames:
        """Return the keys."""
        return {} if self._marks.frame is None else {"seen": self._marks.frame}

    def load(self, frames: Frames) -> None:
        """Remember keys."""
        self._marks.frame = frames.get("seen")


def to_bytes(frame: pl.DataFrame) -> bytes:
    """Return a frame as Arrow IPC."""
    stream = io.BytesIO()
    frame.write_ipc(stream, compression="zstd")
    return stream.getvalue()


def from_bytes(data: bytes) -> pl.DataFrame:
    """Return the frame that `to_bytes` wrote."""
    return pl.read_ipc(io.BytesIO(data))


def _names(parts: Sequence[Frames]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part))
