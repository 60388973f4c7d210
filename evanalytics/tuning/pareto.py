"""The settings that no other setting beats."""

from __future__ import annotations

import polars as pl


def pareto_front(table: pl.DataFrame, *, cost: str = "requests", latency: str = "p99_ns") -> pl.DataFrame:
    """Return the rows of which no other row is better in one column and at least as good in the other.

    Less is better in both. Of rows that are equal in both the first is kept; a row with a null in
    either cannot be compared and is left out.

    Args:
        table: What `sweep` returned.
        cost: The column to have little of, such as "requests" or "cost".
        latency: The other column to have little of.

    Returns:
        The rows, by rising cost and so by falling latency.

    Example:
        >>> table = pl.DataFrame({"requests": [10, 20, 30, 40], "p99_ns": [900, 500, 700, 100]})
        >>> pareto_front(table)["requests"].to_list()
        [10, 20, 40]
    """
    ordered = table.drop_nulls([cost, latency]).sort(cost, latency, maintain_order=True)
    least_before = pl.col(latency).cum_min().shift(1)
    return ordered.filter(least_before.is_null() | (pl.col(latency) < least_before))
