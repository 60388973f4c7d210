"""What an aggregator computes of a window's rows: counts, sums, extremes, means, quantiles and others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import narwhals.stable.v2 as nw

from evanalytics.exceptions import PolicyError
from evanalytics.logs.schema import column_of
from evanalytics.records import Record, number


class Aggregate(Record, ABC):
    """One figure of a window, as the aggregator's output names it.

    What can be merged is kept as `partials`: columns of a part of a window's rows, which `merged`
    joins with those of another part, and of which `result` makes the figure. What cannot be merged
    is computed of all the rows together by `direct`, and a live window keeps its values.
    """

    __slots__ = ()

    name: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return ()

    @property
    def is_mergeable(self) -> bool:
        """Whether parts of a window can be aggregated one by one."""
        return True

    @property
    @abstractmethod
    def direct(self) -> nw.Expr:
        """The figure of all rows together."""

    @property
    def partials(self) -> Mapping[str, nw.Expr]:
        """The columns of a part of the rows."""
        return {self.name: self.direct}

    @property
    def merged(self) -> Mapping[str, nw.Expr]:
        """The same columns of several parts."""
        raise NotImplementedError(type(self).__name__)

    @property
    def result(self) -> nw.Expr:
        """The figure, from the merged columns."""
        return nw.col(self.name)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedCounter(Aggregate):
    """How many rows; column `count` (Int64) unless it is given another name.

    Example:
        >>> WindowedCounter(), WindowedCounter("orders")
        (WindowedCounter(), WindowedCounter(name='orders'))
    """

    name: str

    def __init__(self, name: str = "count") -> None:
        self._fill(name=_name(name, "WindowedCounter"))

    @property
    def direct(self) -> nw.Expr:
        """The number of rows."""
        return nw.len().cast(nw.Int64)

    @property
    def merged(self) -> Mapping[str, nw.Expr]:
        """Counts add up."""
        return {self.name: nw.col(self.name).sum().cast(nw.Int64)}


class _OfColumn(Aggregate):
    """A figure of one column; nulls, and NaN, which counts as null, are left out."""

    __slots__ = ()

    column: str

    def __init__(self, column: str, name: str | None = None) -> None:
        own = type(self).__name__
        if not isinstance(column, str) or not column:
            raise PolicyError(f"{own}.column: needs the name of a column, got {column!r}")
        word = own.removeprefix("Windowed").lower()
        self._fill(column=column_of(column), name=_name(name or f"{word}_{column_of(column)}", own))

    @property
    def reads(self) -> tuple[str, ...]:
        """Its column."""
        return (self.column,)

    @property
    def _col(self) -> nw.Expr:
        return nw.col(self.column)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedSum(_OfColumn):
    """The sum of a column of numbers; 0 where it has no value. Whole numbers must stay within 64 bits."""

    column: str
    name: str

    @property
    def direct(self) -> nw.Expr:
        """The sum of the rows."""
        return self._col.sum()

    @property
    def merged(self) -> Mapping[str, nw.Expr]:
        """Sums add up."""
        return {self.name: nw.col(self.name).sum()}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedMin(_OfColumn):
    """The lowest value of a column; null where it has none."""

    column: str
    name: str

    @property
    def direct(self) -> nw.Expr:
        """The lowest of the rows."""
        return self._col.min()

    @property
    def merged(self) -> Mapping[str, nw.Expr]:
        """The lowest of the lowest."""
        return {self.name: nw.col(self.name).min()}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedMax(_OfColumn):
    """The highest value of a column; null where it has none."""

    column: str
    name: str

    @property
    def direct(self) -> nw.Expr:
        """The highest of the rows."""
        return self._col.max()

    @property
    def merged(self) -> Mapping[str, nw.Expr]:
        """The highest of the highest."""
        return {self.name: nw.col(self.name).max()}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedMean(_OfColumn):
    """The mean of a column of numbers (Float64): sum by count; null where it has no value."""

    column: str
    name: str

    @property
    def direct(self) -> nw.Expr:
        """The mean of the rows."""
        return self._quotient(self._col.sum().cast(nw.Float64), self._col.count().cast(nw.Int64))

    @property
    def partials(self) -> Mapping[str, nw.Expr]:
        """A sum and a count."""
        return {
            f"{self.name}__sum": self._col.sum().cast(nw.Float64),
            f"{self.name}__count": self._col.count().cast(nw.Int64),
        }

    @property
    def merged(self) -> Mapping[str, nw.Expr]:
        """Sums and counts add up."""
        return {
            f"{self.name}__sum": nw.col(f"{self.name}__sum").sum(),
            f"{self.name}__count": nw.col(f"{self.name}__count").sum().cast(nw.Int64),
        }

    @property
    def result(self) -> nw.Expr:
        """The sum by the count."""
        return self._quotient(nw.col(f"{self.name}__sum"), nw.col(f"{self.name}__count"))

    @staticmethod
    def _quotient(total: nw.Expr, count: nw.Expr) -> nw.Expr:
        return nw.when(count > 0).then(total / count)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedQuantile(_OfColumn):
    """A quantile of a column of numbers (Float64), interpolated linearly between neighbours.

    A live window keeps every value for it.
    """

    column: str
    name: str
    q: float

    def __init__(self, column: str, q: float, name: str | None = None) -> None:
        _OfColumn.__init__(self, column, name or f"p{q * 100:g}_{column_of(column)}".replace(".", "_"))
        self._fill(q=number(q, "WindowedQuantile.q", least=0, most=1))

    @property
    def is_mergeable(self) -> bool:
        """It is not."""
        return False

    @property
    def direct(self) -> nw.Expr:
        """The quantile of the rows."""
        return self._col.quantile(self.q, interpolation="linear")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class WindowedDistinct(_OfColumn):
    """How many different values a column has (Int64), null not counted.

    A live window keeps every value for it.
    """

    column: str
    name: str

    @property
    def is_mergeable(self) -> bool:
        """It is not."""
        return False

    @property
    def direct(self) -> nw.Expr:
        """The number of different values of the rows."""
        has_null = self._col.is_null().any().cast(nw.Int64)
        return self._col.n_unique().cast(nw.Int64) - has_null


def _name(name: str, owner: str) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise PolicyError(f"{owner}.name: needs a name of letters, digits and _, got {name!r}")
    return name
