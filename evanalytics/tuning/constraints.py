"""What settings must keep to, written as people say it: "p99 <= 2s"."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from evanalytics.durations import duration_ns, parse_duration
from evanalytics.exceptions import DurationError, TuningError
from evanalytics.tuning.metrics import COLUMNS

_TEXT = re.compile(r"\s*([a-z_]+[0-9._]*)\s*<=\s*(.+?)\s*")
_HINT = "write a metric, <= and a bound, such as 'p99 <= 2s', 'requests <= 5000' or 'handed_back <= 0'"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A metric and the most it may be.

    Attributes:
        column: The metric's column, such as "p99_ns" or "requests".
        most: The bound, included; nanoseconds for a latency.
    """

    column: str
    most: int

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Return the constraint that a text states.

        Latencies (p50, p90, p99, p99.9, max) are bounded by a duration, counts (requests, attempts,
        batches, handed_back) by a number.

        Raises:
            TuningError: The text says something else.

        Example:
            >>> Constraint.parse("p99 <= 2s")
            Constraint(column='p99_ns', most=2000000000)
        """
        found = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise TuningError(f"constraint {text!r}: cannot be read; {_HINT}")
        column, bound = metric_column(found[1]), found[2]
        try:
            most = (
                duration_ns(parse_duration(bound)) if column.endswith("_ns") else int(bound.replace("_", ""))
            )
        except (DurationError, ValueError) as error:
            raise TuningError(f"constraint {text!r}: cannot read the bound {bound!r}; {_HINT}") from error
        return cls(column, most)

    def holds(self) -> pl.Expr:
        """Return the expression that is true of the rows that keep to it."""
        return (pl.col(self.column) <= self.most).fill_null(value=False)

    def __str__(self) -> str:
        bound = format_bound(self.most) if self.column.endswith("_ns") else f"{self.most:,}"
        return f"{metric_name(self.column)} <= {bound}"


def metric_column(name: str) -> str:
    """Return the column of a metric that is written without its unit: "p99" is "p99_ns".

    Raises:
        TuningError: There is no such metric.
    """
    column = name.replace(".", "_")
    for candidate in (column, f"{column}_ns"):
        if candidate in COLUMNS:
            return candidate
    known = [one.removesuffix("_ns") for one in COLUMNS]
    raise TuningError(f"{name}: there is no such metric; there are {', '.join(known)}")


def metric_name(column: str) -> str:
    """Return a metric's column as people write it: "p99.9" for "p99_9_ns"."""
    name = column.removesuffix("_ns")
    return name.replace("_", ".") if name[1:2].isdigit() else name


def format_bound(value: int) -> str:
    """Return a bound on a latency as it was given, with a fitting unit.

    Example:
        >>> format_bound(1_999_000_000), format_ns(1_999_000_000)
        ('1.999 s', '2 s')
    """
    return format_ns(value, digits=15)


def format_ns(value: int | None, *, digits: int = 3) -> str:
    """Return a latency to three digits with a fitting unit.

    Example:
        >>> format_ns(1_234_567_890), format_ns(20_000_000), format_ns(None)
        ('1.23 s', '20 ms', 'never')
    """
    if value is None:
        return "never"
    rounded = float(f"{value:.{digits}g}")
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if rounded >= size:
            return f"{rounded / size:,.15g} {unit}"
    return f"{value} ns"
