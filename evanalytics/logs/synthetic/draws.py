"""Random numbers for the sample log: each a function of (seed, name, index), in integers alone.

No generator with a state, and no floating point where two machines could round differently:
so a sample does not depend on chunk sizes, on numpy's version or on the processor.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_CELLS = 4096
_CELL_BITS = np.int64(20)  # 32 random bits: 12 choose the cell, 20 the place inside it
_PLACE = np.int64((1 << 20) - 1)
_UNIT = 1 << 16  # ranks are kept in 65536ths between the grid's points
_GAMMA, _MIX_1, _MIX_2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_S27, _S30, _S31, _S32 = (np.uint64(x) for x in (27, 30, 31, 32))


def key_of(seed: int, name: str) -> np.uint64:
    """Return the key of one named series of random numbers."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def draw64(key: np.uint64, index: Ints) -> NDArray[np.uint64]:
    """Return 64 random bits per index (SplitMix64); different indices never give equal bits."""
    z = index.astype(np.uint64)
    z *= _GAMMA
    z += key
    z ^= z >> _S30
    z *= _MIX_1
    z ^= z >> _S27
    z *= _MIX_2
    z ^= z >> _S31
    return z


def draw32(key: np.uint64, index: Ints) -> Ints:
    """Return integers from 0 to 2**32 - 1, one per index."""
    return (draw64(key, index) >> _S32).astype(np.int64)


def happens(bits: Ints, per_mille: int) -> Bools:
    """Return True for so many of a thousand 32-bit draws."""
    return np.less(bits, (per_mille << 32) // 1000)


class Quantiles:
    """A distribution of integers, stated by some of its quantiles; straight lines between them.

    Two equal neighbours make a value that occurs exactly, with the share between them.
    """

    def __init__(self, knots: Mapping[int, int]) -> None:
        """Take quantiles as {share in per mille: value}, rising, from 0 to 1000."""
        shares, values = (np.array(x, dtype=np.int64) for x in (list(knots), list(knots.values())))
        at = np.arange(_CELLS + 1, dtype=np.int64) * 1000
        left = np.clip(np.searchsorted(shares * _CELLS, at, side="right") - 1, 0, len(shares) - 2)
        rise, run = np.diff(values)[left], np.diff(shares)[left] * _CELLS
        grid = values[left] + rise * (at - shares[left] * _CELLS) // run
        self._low, self._rise = grid[:-1], np.diff(grid)

    @classmethod
    def of_seconds(cls, knots: Mapping[int, float]) -> Quantiles:
        """Return the distribution of a duration in microseconds, its quantiles given in seconds."""
        return cls({share: round(seconds * 1e6) for share, seconds in knots.items()})

    def draw(self, bits: Ints) -> Ints:
        """Return one value per 32-bit draw."""
        return _interpolate(self._low, self._rise, bits)


class Zipf:
    """Ranks 0 .. size - 1 by Zipf's law as Mandelbrot bent it: frequency 1 / (rank + flatness).

    The quantiles of such ranks are nearly geometric. The ratio, a 4096th root, is taken as
    twelve square roots: IEEE 754 rounds roots and products in one way, powers not.
    """

    def __init__(self, size: int, *, flatness: int) -> None:
        """Take the number of ranks, and how many of the first ones are about equally frequent."""
        ratio = (size + flatness) / flatness
        for _ in range(12):
            ratio = math.sqrt(ratio)
        grid = itertools.accumulate(itertools.repeat(ratio, _CELLS), operator.mul, initial=flatness * _UNIT)
        fixed = np.array(list(grid)).astype(np.int64) - flatness * _UNIT
        self._low, self._rise = fixed[:-1], np.diff(fixed)
        self._last = size - 1

    def draw(self, bits: Ints) -> Ints:
        """Return one rank per 32-bit draw."""
        return np.minimum(_interpolate(self._low, self._rise, bits) // _UNIT, self._last)


class Choice:
    """A choice between the codes 0, 1, 2, ... in proportion to weights (in steps of 1/4096)."""

    def __init__(self, weights: Sequence[int]) -> None:
        """Take one weight per code."""
        ends = np.cumsum(weights) * _CELLS // sum(weights)
        self._code = np.searchsorted(ends, np.arange(_CELLS), side="right").astype(np.int64)

    def draw(self, bits: Ints) -> Ints:
        """Return one code per 32-bit draw."""
        return self._code.take(bits >> _CELL_BITS)


def _interpolate(low: Ints, rise: Ints, bits: Ints) -> Ints:
    cell = bits >> _CELL_BITS
    return low.take(cell) + (rise.take(cell) * (bits & _PLACE) >> _CELL_BITS)
