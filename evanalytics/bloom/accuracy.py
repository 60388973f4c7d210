"""What theory says about false positives: the formulas, where they come from, where they err.

Sources:
    Bloom 1970, "Space/time trade-offs in hash coding with allowable errors" (classic).
    Bose et al. 2008, "On the false-positive rate of Bloom filters" (the exact value).
    Putze, Sanders, Singler 2009, "Cache-, hash-, and space-efficient Bloom filters" (blocked).
    Apple 2021, "Split block Bloom filters", arXiv:2101.01719, and Parquet's BloomFilter.md.
    Fan et al. 2014 (cuckoo), Graf and Lemire 2022 (binary fuse), Dillinger et al. 2022 (ribbon).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

_WORD_BITS, _WORDS = 32, 8
_BLOCK_BITS = _WORD_BITS * _WORDS
_CACHE_LINE_BITS = 512
_EXACT_STEPS = 200_000_000  # throws times bits that are still counted one by one: under a second


def classic_error_rate(*, bits: int, hashes: int, items: float) -> float:
    """Return the share of absent ids that a classic filter of this size would claim to hold.

    The textbook formula (1 - e^(-kn/m))^k: a little too low for small filters, for it takes
    bits as independent; `exact_error_rate` does not.

    Example:
        >>> round(classic_error_rate(bits=9_586, hashes=7, items=1_000), 4)
        0.01
    """
    return (-math.expm1(-hashes * items / bits)) ** hashes


def exact_error_rate(*, bits: int, hashes: int, items: int) -> float:
    """Return the exact error rate of a classic filter, as Bose et al. (2008) corrected it.

    It is the mean of (X/m)^k over the number X of set bits after k*n throws into m bits. Small
    filters are counted throw by throw; large ones by the mean and variance of X, whose rest is
    below a millionth of the rate there.

    Example:
        >>> formula = classic_error_rate(bits=16, hashes=3, items=4)
        >>> round(formula, 4), round(exact_error_rate(bits=16, hashes=3, items=4), 4)
        (0.1469, 0.165)
    """
    throws = hashes * items
    if throws * bits <= _EXACT_STEPS:
        share = np.arange(bits + 1) / bits
        return float((_set_bits(bits, throws) * share**hashes).sum())
    once, twice = throws * math.log1p(-1 / bits), throws * math.log1p(-2 / bits)
    mean = -math.expm1(once)
    variance = (math.exp(once) - math.exp(twice)) / bits + math.exp(twice) - math.exp(2 * once)
    return mean**hashes * (1 + hashes * (hashes - 1) / 2 * max(variance, 0.0) / mean**2)


def blocked_error_rate(
    *, bits_per_id: float, hashes: int | None = None, block_bits: int = _CACHE_LINE_BITS
) -> float:
    """Return the error rate of a blocked filter: one classic filter per cache line (Putze et al.).

    Args:
        bits_per_id: Memory, in bits for each id held.
        hashes: Bits set per id; the best number if left out.
        block_bits: Bits of a block.

    Example:
        >>> round(blocked_error_rate(bits_per_id=10.0), 4)
        0.0096
    """
    most = max(1, round(bits_per_id * math.log(2))) + 1
    options = np.arange(1, most + 1) if hashes is None else np.array([hashes])
    empty = math.log1p(-1 / block_bits) * options[:, None]
    rates = _over_loads(block_bits / bits_per_id, lambda ids: (-np.expm1(empty * ids)) ** options[:, None])
    return float(rates.min())


def split_block_error_rate(*, blocks: int, items: float) -> float:
    """Return the error rate of Parquet's split-block filter with so many blocks of 32 bytes.

    A block holds a Poisson number of ids; each sets one bit in each of its eight words.

    Example:
        >>> round(split_block_error_rate(blocks=4_114, items=100_000), 4)
        0.01
    """
    empty = math.log1p(-1 / _WORD_BITS)
    return float(_over_loads(items / blocks, lambda ids: (-np.expm1(empty * ids)) ** _WORDS))


def bits_per_id(error_rates: Iterable[float]) -> pl.DataFrame:
    """Return how much memory each kind of filter needs for an error rate, for plotting.

    Classic, blocked and split block are what the formulas here say; the others, which this library
    does not build, what their papers say. With p for the error rate:

    - classic: log2(1/p) / ln 2, with the best number of hashes (Bloom 1970).
    - blocked: blocks of 512 bits, each with a Poisson number of ids (Putze et al. 2009).
    - split block: likewise, 256 bits, one bit in each of eight words (Parquet; Apple 2021).
    - binary fuse: 1.125 log2(1/p), three-wise (Graf and Lemire 2022).
    - ribbon: 1.05 log2(1/p), the usual overhead of 5 % (Dillinger et al. 2022).
    - cuckoo: (log2(1/p) + 3) / 0.955, buckets of four at 95.5 % load (Fan et al. 2014).

    The formulas for fuse, ribbon and cuckoo take fingerprints of any length, where those that are
    built have whole bits. No id can be added to a fuse or ribbon filter once it is made.

    Returns:
        `layout` (String), `error_rate` (Float64), `bits_per_id` (Float64), by layout as listed.
    """
    rates = list(error_rates)
    kinds: dict[str, Callable[[float], float]] = {
        "classic": lambda p: -math.log(p) / math.log(2) ** 2,
        "blocked": lambda p: _least_bits(lambda bits: blocked_error_rate(bits_per_id=bits), p),
        "split block": lambda p: _least_bits(
            lambda bits: split_block_error_rate(blocks=1, items=_BLOCK_BITS / bits), p
        ),
        "binary fuse": lambda p: 1.125 * math.log2(1 / p),
        "ribbon": lambda p: 1.05 * math.log2(1 / p),
        "cuckoo": lambda p: (math.log2(1 / p) + 3) / 0.955,
    }
    rows = [(name, rate, need(rate)) for name, need in kinds.items() for rate in rates]
    schema = {"layout": pl.String, "error_rate": pl.Float64, "bits_per_id": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _over_loads(mean: float, rate_of: Callable[[Floats], Floats]) -> Floats:
    """Return the means of rates (along the last axis) over a Poisson number of ids in a block."""
    if mean <= 0:
        return np.zeros(())
    reach = 12 * math.sqrt(mean) + 20
    first = max(0, math.floor(mean - reach))
    ids = np.arange(first, math.ceil(mean + reach) + 1, dtype=np.float64)
    steps = math.log(mean) - np.log(np.maximum(ids, 1))  # from one load to the next: mean / ids
    steps[0] = first * math.log(mean) - mean - math.lgamma(first + 1)
    logs = np.cumsum(steps)
    means: Floats = (rate_of(ids) * np.exp(logs)).sum(axis=-1)
    return means


def _set_bits(bits: int, throws: int) -> Floats:
    """Return the distribution of how many of `bits` are set after so many throws."""
    chance = np.zeros(bits + 1)
    chance[0] = 1.0
    stays = np.arange(bits + 1) / bits
    for _ in range(throws):
        moved = chance * (1 - stays)
        chance *= stays
        chance[1:] += moved[:-1]
    return chance


def _least_bits(rate_at: Callable[[float], float], error_rate: float) -> float:
    """Return the bits per id at which a rate that falls with memory meets an error rate."""
    low = high = -math.log(error_rate) / math.log(2) ** 2  # no layout gets by with less than the classic one
    while rate_at(high) > error_rate:
        high *= 2
    for _ in range(26):  # to a hundred-millionth
        middle = (low + high) / 2
        low, high = (middle, high) if rate_at(middle) > error_rate else (low, middle)
    return high
