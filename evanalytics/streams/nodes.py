"""The nodes of a stream graph: plain data that says what happens to rows; executors walk them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.durations import Duration, duration_us
from evanalytics.exceptions import StreamError
from evanalytics.filters.filter import Filter
from evanalytics.logs.schema import column_of
from evanalytics.records import duration, whole_number
from evanalytics.streams.aggregators import Aggregate
from evanalytics.streams.columns import ALL, LEFT, OF_WINDOWS, RESERVED, RIGHT, is_hidden
from evanalytics.streams.watermark import Watermark
from evanalytics.streams.windows import Window

Key = tuple[str, ...]
"""The columns that make a key together; empty: all rows have the same one."""

OUT, LATE, UNMATCHED, DUPLICATE, IN = "out", "late", "unmatched", "duplicate", "in"
LATE_LEFT, LATE_RIGHT = "late_left", "late_right"


class Node:
    """What every node says of itself: the names of its inputs and of its outputs."""

    kind: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = (IN,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs; the first is the one that is meant where none is named."""
        return (OUT,)


@dataclass(frozen=True, eq=False)
class SourceNode(Node):
    """Events as they arrive: which of them, and how much lateness is allowed.

    Attributes:
        types: The event types; None: all.
        filter: What else an event must meet; None: nothing.
        watermark: How far time has come, by these events.
        parallelism: Into how many partitions by key the nodes behind it cut what a live run remembers.
    """

    kind: ClassVar[str] = "source"
    inputs: ClassVar[tuple[str, ...]] = ()

    types: tuple[str, ...] | None = None
    filter: Filter | None = None
    watermark: Watermark = Watermark()  # noqa: RUF009  a frozen record
    parallelism: int = 1


@dataclass(frozen=True, eq=False, init=False)
class FilterNode(Node):
    """Named filters; each is an output. A row goes to every output whose filter it meets.

    What meets none goes to the output `unmatched`. An unknown (null) condition is not met. The law:
    rows in = rows by the first filter they meet + unmatched.

    Attributes:
        filters: Output name to a `Filter` (it reads events) or a boolean expression (it reads columns,
            also those that a transform made).

    Raises:
        StreamError: No filter, a name that is taken, or something that is no condition.

    Example:
        >>> from evanalytics.filters import filter
        >>> FilterNode({"orders": filter({"type": {"$regex": "^order"}})}).outputs
        ('orders', 'unmatched')
    """

    kind: ClassVar[str] = "filter"

    filters: Mapping[str, Filter | nw.Expr]

    def __init__(self, filters: Mapping[str, Filter | nw.Expr]) -> None:
        if not isinstance(filters, Mapping) or not filters:
            raise StreamError(f"FilterNode.filters: needs names with conditions, got {filters!r}")
        for name, condition in filters.items():
            if not isinstance(name, str) or not name or name == UNMATCHED:
                raise StreamError(f"FilterNode.filters: {name!r} cannot be the name of an output")
            if not isinstance(condition, Filter | nw.Expr):
                raise StreamError(
                    f"FilterNode.filters[{name!r}]: needs ev.filter({{...}}) or a boolean expression such as "
                    f"ev.col('amount') > 10, got {condition!r}"
                )
        object.__setattr__(self, "filters", dict(filters))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The filters' names, and `unmatched`."""
        return (*self.filters, UNMATCHED)


@dataclass(frozen=True, slots=True)
class PythonColumn:
    """A column that a Python function computes row by row: the slow path, where nothing else will do.

    Attributes:
        function: Takes the values of `reads`, in their order; returns the value, or None.
        reads: Paths or columns of the input.
        dtype: The polars dtype of what comes out.
    """

    function: Callable[..., Any]
    reads: tuple[str, ...]
    dtype: Any

    def values(self, frame: pl.DataFrame) -> pl.Series:
        """Return the column for the rows of a frame."""
        columns = [frame[column_of(name)].to_list() for name in self.reads]
        return pl.Series([self.function(*row) for row in zip(*columns, strict=True)], dtype=self.dtype)


def python_column(function: Callable[..., Any], *reads: str, dtype: Any) -> PythonColumn:
    """Return a column for a `TransformNode` that calls a Python function for each row.

    It is about a hundred times as slow as an expression, and `explain` says so.

    Args:
        function: Takes one value per name in `reads` (None where there is none); returns one value.
        reads: Paths or columns of the input.
        dtype: The polars dtype of the result, such as `pl.String`.

    Raises:
        StreamError: Nothing to read, or no function.
    """
    if not callable(function) or not reads:
        raise StreamError("python_column: needs a function and the columns that it reads")
    return PythonColumn(function, reads, dtype)


TransformColumn = nw.Expr | str | Filter | PythonColumn


@dataclass(frozen=True, eq=False, init=False)
class TransformNode(Node):
    """New columns from those of the input; nothing else goes on, except what says when a row arrived.

    Attributes:
        columns: Name to an expression (`ev.col("data.total") * 2`), a path as text ("data.total"), a
            `Filter` (a boolean column), or `ev.python_column(...)`.

    Raises:
        StreamError: No column, a reserved name, or something that is no column.

    Example:
        >>> sorted(TransformNode({"amount": "data.total", "status": "data.status"}).columns)
        ['amount', 'status']
    """

    kind: ClassVar[str] = "transform"

    columns: Mapping[str, TransformColumn]

    def __init__(self, columns: Mapping[str, TransformColumn]) -> None:
        if not isinstance(columns, Mapping) or not columns:
            raise StreamError(f"TransformNode.columns: needs names with expressions, got {columns!r}")
        _check_names(columns, "TransformNode.columns")
        for name, column in columns.items():
            if not isinstance(column, TransformColumn):
                raise StreamError(
                    f"TransformNode.columns[{name!r}]: needs an expression, a path, a filter or "
                    f"ev.python_column(...), got {column!r}"
                )
        object.__setattr__(self, "columns", dict(columns))


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
            _check_names(select, "JoinNode.select")
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
        keys: Each "all", a column, or several columns together.
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
        keys: Sequence[str | Sequence[str]] = (ALL,),
        aggregator: Aggregate | Sequence[Aggregate],
    ) -> None:
        windows = tuple(windows) if isinstance(windows, Sequence) else (windows,)
        aggregator = tuple(aggregator) if isinstance(aggregator, Sequence) else (aggregator,)
        found = tuple(() if key == ALL else _key(key, "AggregatorNode.keys") for key in keys)
        _check_kinds(windows, Window, "windows", "TumblingWindow('1h')")
        _check_kinds(aggregator, Aggregate, "aggregator", "WindowedCounter()")
        names = [*(figure.name for figure in aggregator), *dict.fromkeys(c for key in found for c in key)]
        _refuse_twice([window.label for window in windows], "AggregatorNode.windows")
        _refuse_twice(found, "AggregatorNode.keys")
        _refuse_twice(names, "AggregatorNode")
        _check_names(names, "AggregatorNode", RESERVED | OF_WINDOWS)
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


@dataclass(frozen=True, eq=False, init=False)
class SinkNode(Node):
    """Hands rows to a function in batches: a polars frame each, with derived ids in its column `id`.

    The ids are the same whenever the same graph meets the same log, so whoever stores them by id
    doubles nothing. A replay calls the function only where `run` is told so; there a batch leaves when
    it is full, and at the end.

    Attributes:
        process_batch: Takes a frame; may be a coroutine function.
        batch_size: The most rows of a batch.
        max_batch_interval: How long the first row of a live batch waits at most.

    Raises:
        StreamError: `process_batch` cannot be called.
    """

    kind: ClassVar[str] = "sink"

    process_batch: Callable[[pl.DataFrame], Awaitable[object] | object]
    batch_size: int
    max_batch_interval: timedelta

    def __init__(
        self,
        process_batch: Callable[[pl.DataFrame], Awaitable[object] | object],
        *,
        batch_size: int = 1_000,
        max_batch_interval: Duration = "5s",
    ) -> None:
        if not callable(process_batch):
            raise StreamError(f"SinkNode.process_batch: needs a function, got {process_batch!r}")
        object.__setattr__(self, "process_batch", process_batch)
        object.__setattr__(self, "batch_size", whole_number(batch_size, "SinkNode.batch_size"))
        object.__setattr__(
            self, "max_batch_interval", duration(max_batch_interval, "SinkNode.max_batch_interval")
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """None: here rows leave the graph."""
        return ()


def key_label(key: Key) -> str:
    """Return what results call a key."""
    return ", ".join(key) or ALL


def _key(columns: str | Sequence[str], where: str) -> Key:
    key = (columns,) if isinstance(columns, str) else tuple(columns)
    if not key or not all(isinstance(column, str) and column for column in key):
        raise StreamError(f"{where}: needs a column or several, got {columns!r}")
    return tuple(column_of(column) for column in key)


def _check_names(
    names: Mapping[str, object] | Sequence[str], where: str, reserved: frozenset[str] = RESERVED
) -> None:
    for name in names:
        if not isinstance(name, str) or not name or "." in name:
            raise StreamError(f"{where}: {name!r} cannot name a column; write 'customer_id'")
        if name in reserved or is_hidden(name):
            raise StreamError(f"{where}: {name!r} is a column of the library's own; choose another name")


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
