"""Latencies as counts in bins: quantiles of ten million events without keeping one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evanalytics.delivery.quantiles import rank_of

Int64Array = NDArray[np.int64]

BITS = 10
"""Bins keep 10 bits after the leading one: a bin's highest value is within 0.1 % of its lowest."""

_BINS = 53 << BITS  # up to 2**63 ns


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How many events were how late.

    Below 2,048 ns each value has its own bin. From there on, values with the same length in bits
    share 1,024 bins evenly: value v goes to bin `(s << 10) + (v >> s)` with the least s for which
    `v >> s` is below 2,048. A quantile is read as the highest value of its bin: it is never too low, and
    too high by less than 0.1 %.

    Attributes:
        counts: Events by bin.
        lost: Events that were handed back; they count as later than all others.
    """

    counts: Int64Array
    lost: int = 0

    @classmethod
    def empty(cls, *, lost: int = 0) -> Histogram:
        """Return a histogram in which nothing is counted yet."""
        return cls(np.zeros(_BINS, np.int64), lost)

    @classmethod
    def of(cls, latencies_ns: Int64Array, *, lost: int = 0) -> Histogram:
        """Return the histogram of latencies that are there already."""
        histogram = cls.empty(lost=lost)
        histogram.add(latencies_ns)
        return histogram

    def add(self, latencies_ns: Int64Array) -> None:
        """Count further latencies, in place."""
        np.add.at(self.counts, _bins_of(latencies_ns), 1)

    def __len__(self) -> int:
        return int(self.counts.sum()) + self.lost

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts, self.lost + other.lost)

    def quantile_ns(self, quantile: float) -> int | None:
        """Return the ceil(q n)-th smallest latency, rounded up to its bin; None if that event was lost.

        Raises:
            SimulationError: The quantile is not between 0 and 1, or the histogram is empty.

        Example:
            >>> Histogram.of(np.arange(1, 1_000_001)).quantile_ns(0.99)
            990207
        """
        return self.quantiles_ns((quantile,))[0]

    def quantiles_ns(self, quantiles: tuple[float, ...]) -> list[int | None]:
        """Return several quantiles at once."""
        below = np.cumsum(self.counts)
        total = int(below[-1]) + self.lost
        places = np.searchsorted(below, [rank_of(quantile, total) for quantile in quantiles])
        highest = highest_of(np.minimum(places, _BINS - 1)).tolist()
        return [value if place < _BINS else None for place, value in zip(places, highest, strict=True)]


def highest_of(places: Int64Array) -> Int64Array:
    """Return the highest value that falls into each of some bins.

    Example:
        >>> highest_of(np.array([2_047, 2_048])).tolist()
        [2047, 2049]
    """
    shift = np.maximum((places >> BITS) - 1, 0)
    highest: Int64Array = ((places - (shift << BITS) + 1) << shift) - 1
    return highest


def _bins_of(values: Int64Array) -> Int64Array:
    """Return each value's bin."""
    longer = np.int64(2) ** np.arange(BITS + 1, 63)
    shift = np.searchsorted(longer, values, side="right")
    return (shift << BITS) + (values >> shift)
