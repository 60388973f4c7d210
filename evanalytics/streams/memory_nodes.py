"""Nodes with a memory: joins, aggregators, dedupes, and the keys that they remember rows by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import narwhals.stable.v2 as nw

from evanalytics.durations import Duration, duration_us
from evanalytics.exceptions import StreamError
from evanalytics.logs.schema import column_of
from evanalytics.records import duration
from evanalytics.streams.aggregators import Aggregate
from evanalytics.streams.columns import ALL, LEFT, OF_WINDOWS, RESERVED, RIGHT
from evanalytics.streams.nodes import DUPLICATE, LATE, LATE_LEFT, LATE_RIGHT, OUT, Node, check_names
from evanalytics.streams.windows import Window

Key = tuple[str, ...]
"""The columns that make a key together; empty: all rows have the same one."""


@dataclass(frozen=True, eq=False, init=False)
class JoinNode(Node):
    """Pairs of left and right rows with equal keys whose times are at most `join_window` apart.

    Each pair comes once. A row with a null in its key matches nothing. A pair counts if, at the arrival
    of the later of the two, the watermark has not passed the earlier time plus the window: as long as a
    row may still find a partner it is kept, then it goes. A pair's `ts` is the later of the two times,
    its `seq` that of the row that arrived later. The law, for each side: rows in = matched + unmatched
    + null key + late; pairs are counted apart.

    Attributes:
        left_key: Columns of the left side, as many as on the right.
        right_key: Columns of the right side.
        join_window: How far apart two times may be, both directions, the bound included.
        output_complete: True: pairs only. False: also, with nulls on the other side, what found no
            partner.
        select: Name to an expression over `ev.left(...)` and `ev.right(...)`; None: all columns of both
            sides, with `left__` and `right__` in front.

    Raises:
        StreamError: Keys of different length, a reserved name, or a window that cannot be read.
    """

    kind: ClassVar[str] = "join"
    inputs: ClassVar[tuple[str, ...]] = (LEFT, RIGHT)

    left_key: Key
    right_key: Key
    join_window: timedelta
    output_complete: bool
    select: Mapping[str, nw.Expr] | None

    def __init__(
        self,
        *,
        left_key: str | Sequence[str],
        right_key: str | Sequence[str],
        join_window: Duration,
        output_complete: bool = True,
        select: Mapping[str, nw.Expr] | None = None,
    ) -> None:
        keys = _key(left_key, "JoinNode.left_key"), _key(right_key, "JoinNode.right_key")
        if len(keys[0]) != len(keys[1]) or not keys[0]:
            raise StreamError(f"JoinNode: left_key and right_key need as many columns each, got {keys}")
        if select is not None:
            check_names(select, "JoinNode.select")
        values = {
            "left_key": keys[0],
            "right_key": keys[1],
            "join_window": duration(join_window, "JoinNode.join_window"),
            "output_complete": output_complete,
            "select": None if select is None else dict(select),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Pairs, and what came too late on either side."""
        return (OUT, LATE_LEFT, LATE_RIGHT)

    @property
    def window_us(self) -> int:
        """The join window in microseconds."""
        return duration_us(self.join_window)


@dataclass(frozen=True, eq=False, init=False)
class AggregatorNode(Node):
    """Figures per window and key: one output row for each window of each kind and each key value.

    The output has `window` and `key` (which kind, String), `start` and `end` (Datetime, UTC), a column
    for each key column (null where the row's key does not use it), and one for each figure. A null in a
    key is a value of its own. Rows late for a window go to the output `late`, once for each window and
    key, with `late_for_window`, `late_for_key` and `missed_windows`, how many of them. The law, for each
    window and key, counted in windows that a row belongs to: rows in = counted + late.

    Attributes:
        windows: One or more of `TumblingWindow`, `HoppingWindow`, `SessionWindow`.
        keys: One or several; each is "all", a column, or several columns together.
        aggregator: One figure or several.

    Raises:
        StreamError: Nothing to compute, or two of one name.
    """

    kind: ClassVar[str] = "aggregator"

    windows: tuple[Window, ...]
    keys: tuple[Key, ...]
    aggregator: tuple[Aggregate, ...]

    def __init__(
        self,
        *,
        windows: Window | Sequence[Window],
        keys: str | Sequence[str | Sequence[str]] = (ALL,),
        aggregator: Aggregate | Sequence[Aggregate],
    ) -> None:
        windows = tuple(windows) if isinstance(windows, Sequence) else (windows,)
        aggregator = tuple(aggregator) if isinstance(aggregator, Sequence) else (aggregator,)
        keys = (keys,) if isinstance(keys, str) else keys
        found = tuple(() if key == ALL else _key(key, "AggregatorNode.keys") for key in keys)
        _check_kinds(windows, Window, "windows", "TumblingWindow('1h')")
        _check_kinds(aggregator, Aggregate, "aggregator", "WindowedCounter()")
        names = [*(figure.name for figure in aggregator), *dict.fromkeys(c for key in found for c in key)]
        _refuse_twice([window.label for window in windows], "AggregatorNode.windows")
        _refuse_twice(found, "AggregatorNode.keys")
        _refuse_twice(names, "AggregatorNode")
        check_names(names, "AggregatorNode", RESERVED | OF_WINDOWS)
        if not found:
            raise StreamError("AggregatorNode.keys: needs at least one key, such as 'all'")
        object.__setattr__(self, "windows", windows)
        object.__setattr__(self, "keys", found)
        object.__setattr__(self, "aggregator", aggregator)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The figures, and the rows that came too late for a window."""
        return (OUT, LATE)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of all keys, each once."""
        return tuple(dict.fromkeys(column for key in self.keys for column in key))

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The columns that figures are made of, each once."""
        return tuple(dict.fromkeys(column for figure in self.aggregator for column in figure.reads))


@dataclass(frozen=True, eq=False, init=False)
class DedupeNode(Node):
    """Lets the first row of each key pass; the others go to the output `duplicate`.

    A row is remembered until the watermark has passed its time plus `within`; a row is a duplicate if
    one that arrived earlier, with the same key, is still remembered at its arrival. A row with a null in
    its key always passes. The law: rows in = out + duplicate.

    Attributes:
        key: The columns that tell rows apart.
        within: How long to remember; None: for ever.

    Raises:
        StreamError: No key.
    """

    kind: ClassVar[str] = "dedupe"

    key: Key
    within: timedelta | None

    def __init__(self, key: str | Sequence[str] = "id", *, within: Duration | None = None) -> None:
        object.__setattr__(self, "key", _key(key, "DedupeNode.key"))
        within = None if within is None else duration(within, "DedupeNode.within")
        object.__setattr__(self, "within", within)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What passed, and what was there already."""
        return (OUT, DUPLICATE)

    @property
    def within_us(self) -> int | None:
        """How long to remember, in microseconds."""
        return None if self.within is None else duration_us(self.within)


def key_label(key: Key) -> str:
    """Return what results call a key."""
    return ", ".join(key) or ALL


def _key(columns: str | Sequence[str], where: str) -> Key:
    key = (columns,) if isinstance(columns, str) else tuple(columns)
    if not key or not all(isinstance(column, str) and column for column in key):
        raise StreamError(f"{where}: needs a column or several, got {columns!r}")
    return tuple(column_of(column) for column in key)


def _check_kinds(given: Sequence[object], kind: Any, name: str, example: str) -> None:
    if not given:
        raise StreamError(f"AggregatorNode.{name}: needs at least one, such as {example}")
    for item in given:
        if not isinstance(item, kind):
            raise StreamError(f"AggregatorNode.{name}: needs one such as {example}, got {item!r}")


def _refuse_twice(names: Sequence[object], where: str) -> None:
    for name in names:
        if list(names).count(name) > 1:
            raise StreamError(f"{where}: {name!r} is there twice")
