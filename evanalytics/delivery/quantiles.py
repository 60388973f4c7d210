"""Which of n sorted values a quantile is."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import polars as pl

from evanalytics.exceptions import SimulationError


def rank_of(quantile: float, count: int) -> int:
    """Return k such that the quantile of so many values is the k-th smallest: ceil(quantile * count).

    The quantile is taken as the decimal number that it is written as: 0.07 of 100 values is the
    7th, though the nearest binary number is a little more than 0.07.

    Raises:
        SimulationError: The quantile is not between 0 and 1, or there are no values.

    Example:
        >>> rank_of(0.07, 100), rank_of(0.99, 250), rank_of(0, 5)
        (7, 248, 1)
    """
    if not 0 <= quantile <= 1:
        raise SimulationError(f"quantile: needs a number from 0 to 1, such as 0.99, got {quantile!r}")
    if count < 1:
        raise SimulationError("quantile: there are no events, so they have none")
    return max(math.ceil(Fraction(str(quantile)) * count), 1)


def latency_quantile_ns(latency_ns: pl.Series, quantile: float) -> int | None:
    """Return the latency that this share of the events keeps within: the ceil(q n)-th smallest.

    Events that were handed back (null) are later than all others; None if the quantile is one of them.

    Raises:
        SimulationError: The quantile is not between 0 and 1, or there are no events.

    Example:
        >>> latency_quantile_ns(pl.Series([30, None, 10]), 0.5)
        30
    """
    rank = rank_of(quantile, len(latency_ns))
    delivered = latency_ns.drop_nulls().to_numpy()
    return int(np.partition(delivered, rank - 1)[rank - 1]) if rank <= len(delivered) else None


def quantile_name(quantile: float) -> str:
    """Return the name of a quantile: "p99" for 0.99, "p99_9" for 0.999.

    Example:
        >>> quantile_name(0.5), quantile_name(0.999)
        ('p50', 'p99_9')
    """
    percent = Fraction(str(quantile)) * 100
    return "p" + f"{float(percent):.10g}".replace(".", "_")
