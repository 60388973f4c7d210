"""Measured error rates with their intervals, as small frames beside what theory and own bits say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.exceptions import BloomError

_CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRate:
    """How often an index claimed to hold an id that it does not hold.

    Attributes:
        items: How many ids it holds.
        probes: How many absent ids it was asked for.
        hits: How many of them it claimed to hold.
        rate: hits / probes.
        low: Where the Wilson interval of the rate begins.
        high: Where it ends.
        own_bits: What the index's own bits say.
        formula: What the shape's formula says for so many ids: the mean over all filters of
            this shape, of which this one is a single draw.
    """

    items: int
    probes: int
    hits: int
    rate: float
    low: float
    high: float
    own_bits: float
    formula: float


def measure_error_rate(
    index: BloomFilterIndex,
    absent: pl.Series,
    *,
    items: int | None = None,
    confidence: float = _CONFIDENCE,
) -> MeasuredRate:
    """Ask an index for ids that it does not hold, and compare.

    The promise of `error_rate_now` holds if it lies between `low` and `high`; the formula's
    rate need not, for a filter is one draw.

    Args:
        index: The index.
        absent: Different ids, none of which was added.
        items: How many different ids were added; estimated from the bits if left out.
        confidence: Share of such measurements whose interval holds the true rate.

    Raises:
        BloomError: There is no id, or the column has another dtype or nulls.
    """
    if len(absent) == 0:
        raise BloomError("absent: needs at least one id to ask for")
    items = index.estimated_count if items is None else items
    hits = int(index.might_contain_many(absent).sum())
    low, high = wilson_interval(hits, len(absent), confidence=confidence)
    return MeasuredRate(
        items=items,
        probes=len(absent),
        hits=hits,
        rate=hits / len(absent),
        low=low,
        high=high,
        own_bits=index.error_rate_now,
        formula=index.shape.error_rate(items),
    )


def measure_while_filling(
    index: BloomFilterIndex,
    ids: pl.Series,
    absent: pl.Series,
    *,
    loads: Iterable[float] = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5),
    confidence: float = _CONFIDENCE,
) -> pl.DataFrame:
    """Fill an index step by step and measure it at each, past its capacity too.

    Args:
        index: An empty index; it is filled.
        ids: Different ids to add, enough for the highest load.
        absent: Different ids, none of them in `ids`.
        loads: Shares of the capacity at which to measure, ascending.
        confidence: As in `measure_error_rate`.

    Returns:
        One row per load: `load` (Float64) and the fields of `MeasuredRate`.

    Raises:
        BloomError: There are too few ids.
    """
    rows, begin = [], 0
    for load in loads:
        end = math.ceil(load * index.capacity)
        if end > len(ids):
            raise BloomError(f"ids: a load of {load:g} needs {end:,}, got {len(ids):,}")
        index.add_many(ids.slice(begin, end - begin))
        begin = end
        found = measure_error_rate(index, absent, items=end, confidence=confidence)
        rows.append({"load": load} | {name: getattr(found, name) for name in found.__slots__})
    return pl.DataFrame(rows)


def wilson_interval(hits: int, probes: int, *, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a share, which is fit for rare hits too.

    Example:
        >>> low, high = wilson_interval(10, 1_000, confidence=0.95)
        >>> round(low, 4), round(high, 4)
        (0.0054, 0.0183)
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = hits / probes, z * z / probes
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / probes + spread / (4 * probes))
    return middle - half if hits else 0.0, middle + half if hits < probes else 1.0


def random_ids(count: int, *, seed: int) -> pl.Series:
    """Return random ids of 32 hexadecimal digits, all different, also from those of another seed.

    So the ids of one seed can be added and those of another asked for.
    """
    import pyarrow as pa

    text = np.random.default_rng(seed).bytes(16 * count).hex().encode()
    ends = np.arange(0, 32 * (count + 1), 32, dtype=np.int64)
    array = pa.LargeStringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))
    return pl.Series("id", array)
