"""How large a filter must be: from capacity and error rate to blocks, bits and hashes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from evanalytics.bloom.accuracy import classic_error_rate, split_block_error_rate
from evanalytics.bloom.constants import BLOCK_BYTES
from evanalytics.exceptions import BloomError

SPLIT_BLOCK_LEAST = 0.001
"""Below this error rate split blocks cost over 1.17 times the classic layout's bits."""

_MAX_BLOCKS = (2**31 - 1) // BLOCK_BYTES  # Parquet's header counts bytes in an int32
_MAX_BITS = 2**32  # the classic layout draws a position from 32 bits of a hash


@dataclass(frozen=True, slots=True)
class SplitBlock:
    """Parquet's split-block layout: an id sets one bit in each of the eight words of one block.

    Attributes:
        blocks: How many blocks of 32 bytes.
    """

    blocks: int

    def __post_init__(self) -> None:
        if not 1 <= self.blocks <= _MAX_BLOCKS:
            raise BloomError(
                f"blocks: needs 1 to {_MAX_BLOCKS:,} (Parquet allows 2 GiB), got {self.blocks:,}; "
                "split the ids over several filters"
            )

    @property
    def bytes(self) -> int:
        """Memory of the bits, in bytes."""
        return self.blocks * BLOCK_BYTES

    @property
    def hashes(self) -> int:
        """How many bits an id sets."""
        return 8

    def error_rate(self, items: float) -> float:
        """Return the share of absent ids that is claimed to be there once it holds so many."""
        return split_block_error_rate(blocks=self.blocks, items=items)

    def items(self, set_bits: int) -> float:
        """Return about how many different ids have set so many bits."""
        return -32 * self.blocks * math.log1p(-min(set_bits / (8 * self.bytes), 1 - 1e-12))


@dataclass(frozen=True, slots=True)
class Classic:
    """The classic layout: an id sets a number of bits anywhere.

    Attributes:
        bits: How many bits; a multiple of 32.
        hashes: How many of them an id sets.
    """

    bits: int
    hashes: int

    def __post_init__(self) -> None:
        if not 32 <= self.bits <= _MAX_BITS or self.bits % 32:
            raise BloomError(
                f"bits: needs a multiple of 32 up to {_MAX_BITS:,}, got {self.bits:,}; "
                "split the ids over several filters, or allow an error rate of 0.1 % or more"
            )
        if not 1 <= self.hashes <= 64:
            raise BloomError(f"hashes: needs 1 to 64, got {self.hashes}")

    @property
    def bytes(self) -> int:
        """Memory of the bits, in bytes."""
        return self.bits // 8

    def error_rate(self, items: float) -> float:
        """Return the share of absent ids that is claimed to be there once it holds so many."""
        return classic_error_rate(bits=self.bits, hashes=self.hashes, items=items)

    def items(self, set_bits: int) -> float:
        """Return about how many different ids have set so many bits."""
        return -self.bits / self.hashes * math.log1p(-min(set_bits / self.bits, 1 - 1e-12))


Shape = SplitBlock | Classic
"""What two filters must share for their bits to be comparable."""


def shape_for(error_rate: float, capacity: int) -> Shape:
    """Return the smallest shape that holds so many ids at an error rate.

    From 0.1 % up that is Parquet's layout, below it the classic one. The split-block size comes
    from the Poisson sum over block loads (Putze et al. 2009, Apple 2021), not from the rule of
    thumb in Parquet's specification; the classic one from k = log2(1/p) rounded both ways.

    Args:
        error_rate: Share of absent ids that may be claimed to be there, at capacity; from 1e-12 to 0.5.
        capacity: How many different ids will be held.

    Raises:
        BloomError: One of them makes no sense, or the filter would be too large for its format.

    Example:
        >>> shape_for(0.01, 1_000_000)
        SplitBlock(blocks=41130)
        >>> shape_for(0.0001, 1_000_000)
        Classic(bits=19172960, hashes=13)
    """
    _check(error_rate, capacity)
    if error_rate >= SPLIT_BLOCK_LEAST:
        return SplitBlock(blocks_for(error_rate, capacity))
    best = math.log2(1 / error_rate)
    options = {hashes: _bits(error_rate, capacity, hashes) for hashes in (math.floor(best), math.ceil(best))}
    hashes = min(options, key=options.__getitem__)
    return Classic(options[hashes], hashes)


def capacity_of(shape: Shape, error_rate: float) -> int:
    """Return how many ids a shape holds before it passes an error rate.

    Example:
        >>> capacity_of(shape_for(0.01, 1_000_000), 0.01)
        1000004
    """
    low, high = 0, 8 * shape.bytes
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if shape.error_rate(middle) <= error_rate else (low, middle)
    return max(low, 1)


def _check(error_rate: float, capacity: int) -> None:
    is_number = isinstance(error_rate, int | float) and not isinstance(error_rate, bool)
    if not is_number or not 1e-12 <= error_rate <= 0.5:
        raise BloomError(
            f"error_rate: needs a share from 1e-12 to 0.5, got {error_rate!r}; 0.01 is one in a hundred"
        )
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1:
        raise BloomError(f"capacity: needs a whole number of ids of at least 1, got {capacity!r}")


def blocks_for(error_rate: float, capacity: int) -> int:
    """Return how many split blocks an error rate needs at least, be they more than a filter may have.

    Raises:
        BloomError: One of them makes no sense.
    """
    _check(error_rate, capacity)
    return math.ceil(capacity / _ids_per_block(error_rate))


@lru_cache(maxsize=1_000)
def _ids_per_block(error_rate: float) -> float:
    """Return how many ids a block may hold on average, whatever the number of blocks."""
    low, high = 0.0, 256.0
    for _ in range(60):
        middle = (low + high) / 2
        meets = split_block_error_rate(blocks=1, items=middle) <= error_rate
        low, high = (middle, high) if meets else (low, middle)
    return low


def _bits(error_rate: float, capacity: int, hashes: int) -> int:
    """Return the least number of bits that keeps the error rate, a multiple of 32."""
    bits = -hashes * capacity / math.log1p(-(error_rate ** (1 / hashes)))
    return 32 * math.ceil(bits / 32)
