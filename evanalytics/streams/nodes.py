"""Nodes are plain data that executors walk; here those that take rows one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.durations import Duration
from evanalytics.exceptions import StreamError
from evanalytics.filters.filter import Filter
from evanalytics.logs.schema import column_of
from evanalytics.records import duration, whole_number
from evanalytics.streams.columns import RESERVED, is_hidden
from evanalytics.streams.watermark import Watermark

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
        check_names(columns, "TransformNode.columns")
        for name, column in columns.items():
            if not isinstance(column, TransformColumn):
                raise StreamError(
                    f"TransformNode.columns[{name!r}]: needs an expression, a path, a filter or "
                    f"ev.python_column(...), got {column!r}"
                )
        object.__setattr__(self, "columns", dict(columns))


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


def check_names(
    names: Mapping[str, object] | Sequence[str], where: str, reserved: frozenset[str] = RESERVED
) -> None:
    """Refuse names that no column can have.

    Args:
        names: The names.
        where: What the error begins with.
        reserved: Names that are taken.

    Raises:
        StreamError: A name is empty, has a dot, or is taken.
    """
    for name in names:
        if not isinstance(name, str) or not name or "." in name:
            raise StreamError(f"{where}: {name!r} cannot name a column; write 'customer_id'")
        if name in reserved or is_hidden(name):
            raise StreamError(f"{where}: {name!r} is a column of the library's own; choose another name")
