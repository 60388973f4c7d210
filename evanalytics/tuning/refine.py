"""Around the best setting so far: a finer grid, and whether it lies at the edge of what was tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from evanalytics.tuning.settings import KNOBS, Grid, Settings, spread_out

_BETWEEN = 5


def finer_grid(best: Settings, tried: pl.DataFrame, grid: Grid) -> Grid:
    """Return a grid of each turned knob's values between the neighbours of its best value.

    Args:
        best: The best setting so far.
        tried: Every setting that was measured.
        grid: The first grid; the knobs it turns are turned again.
    """
    values = {}
    for knob in grid.values:
        around = _neighbours(tried[KNOBS[knob]], best.knobs(grid.operation)[KNOBS[knob]])
        if len(around) > 1:
            finer = spread_out(max(around[0], 1), around[-1], _BETWEEN)
            values[knob] = [_value(knob, one) for one in sorted({*around, *finer})]
    return Grid(best, operation=grid.operation, **values)


def at_an_edge(best: Mapping[str, Any], tried: pl.DataFrame, grid: Grid, objective: str) -> Iterator[str]:
    """Yield a warning for each knob whose best value is the largest or smallest one tried.

    Nothing is said where there is nothing beyond (a batch of one event), nor where the knob does not
    matter: where the value next to it does as well.
    """
    for knob, values in grid.values.items():
        column = KNOBS[knob]
        found = tried[column].drop_nulls().unique().sort().to_list()
        if len(values) < 2 or len(found) < 2 or best[column] not in (found[0], found[-1]):
            continue
        is_least = best[column] == found[0]
        others = [pl.col(other).eq_missing(best[other]) for other in KNOBS.values() if other != column]
        inside = tried.filter(*others, pl.col(column) == found[1 if is_least else -2])[objective]
        if (is_least and best[column] <= 1) or (len(inside) and inside[0] == best[objective]):
            continue
        side, way = ("smallest", "lower") if is_least else ("largest", "higher")
        yield f"{knob}: the best value, {_value(knob, best[column])}, is the {side} tried; try {way} ones"


def _neighbours(tried: pl.Series, value: int | None) -> list[int]:
    """Return a value with the next lower and the next higher one that were tried."""
    known = tried.drop_nulls().unique().sort().to_list()
    if value is None or value not in known:
        return []
    place = known.index(value)
    return known[max(place - 1, 0) : place + 2]


def _value(knob: str, number: int) -> Any:
    return timedelta(microseconds=number) if knob == "flush_interval" else number
