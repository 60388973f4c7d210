"""A filter that fills, measured as it does: what a slider's picture of it is made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import MeasuredRate, measure_error_rate
from evanalytics.bloom.sizing import Shape

PROBES = 500_000
"""How many absent ids a filter is asked for at each step, unless told otherwise."""

_SLICE = 500_000  # ids that are added at a time: what is under way can be left after some milliseconds
_ABSENT = 1 << 62  # numbers from here on are never added

FILLING_SCHEMA = {
    "load": pl.Float64, "items": pl.Int64, "probes": pl.Int64, "hits": pl.Int64, "rate": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "own_bits": pl.Float64, "formula": pl.Float64,
    "given_probes": pl.Int64, "given_hits": pl.Int64,
}  # fmt: skip
"""The columns of a filling, as `filling_frame` returns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One step of a filling.

    Attributes:
        load: Share of the capacity that was added.
        measured: What the filter does then to ids that were not added.
        given: What it does to the ids that were given, if any were.
    """

    load: float
    measured: MeasuredRate
    given: MeasuredRate | None


def fill_step_by_step(
    shape: Shape,
    capacity: int,
    *,
    loads: Iterable[float],
    probes: int = PROBES,
    given: pl.Series | None = None,
) -> Iterator[Filled | None]:
    """Fill a real filter with numbers and measure it at each load; None: nothing to tell yet.

    The Nones come every few milliseconds, so that whoever no longer wants the rest can stop.

    Args:
        shape: The layout and its size.
        capacity: How many ids are a load of 1.
        loads: Shares of the capacity, rising; past 1 too.
        probes: How many absent numbers it is asked for at each.
        given: Different ids of String that it is asked for too, such as those of a log; the filter
            holds none of them, for it holds numbers.
    """
    index = BloomFilterIndex.of_shape(shape, capacity=2**62, dtype=pl.Int64)  # it may overflow
    absent = pl.int_range(_ABSENT, _ABSENT + probes, dtype=pl.Int64, eager=True)
    done = 0
    for load in loads:
        items = math.ceil(load * capacity)
        while done < items:
            upto = min(done + _SLICE, items)
            index.add_many(pl.int_range(done, upto, dtype=pl.Int64, eager=True))
            done = upto
            yield None
        measured = measure_error_rate(index, absent, items=items)
        yield Filled(load=load, measured=measured, given=_measured_on(index, given, items))


def filling_frame(steps: Sequence[Filled]) -> pl.DataFrame:
    """Return steps as a frame with the columns of `FILLING_SCHEMA`, one row each."""
    rows = [
        {"load": step.load}
        | {name: getattr(step.measured, name) for name in step.measured.__slots__}
        | {
            "given_probes": 0 if step.given is None else step.given.probes,
            "given_hits": 0 if step.given is None else step.given.hits,
        }
        for step in steps
    ]
    return pl.DataFrame(rows, schema=FILLING_SCHEMA)


def formula_frame(shape: Shape, capacity: int, loads: Iterable[float]) -> pl.DataFrame:
    """Return what the shape's formula says at each load: `load`, `formula` (Float64)."""
    rows = [(load, shape.error_rate(load * capacity)) for load in loads]
    return pl.DataFrame(rows, schema={"load": pl.Float64, "formula": pl.Float64}, orient="row")


def _measured_on(index: BloomFilterIndex, given: pl.Series | None, items: int) -> MeasuredRate | None:
    """Ask the same bits for ids of text."""
    if given is None or len(given) == 0:
        return None
    same_bits = BloomFilterIndex.of_shape(
        index.shape, capacity=index.capacity, words=index.words, count=index.count
    )
    return measure_error_rate(same_bits, given, items=items)
