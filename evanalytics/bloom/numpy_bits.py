"""The filter's loops without numba: xxHash64 and both layouts in numpy, and for one id in Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from evanalytics.bloom.constants import (
    GOLDEN,
    MIX_1,
    MIX_2,
    PRIME_1,
    PRIME_2,
    PRIME_3,
    PRIME_4,
    PRIME_5,
    SALTS,
    WORDS_PER_BLOCK,
)
from evanalytics.bloom.sizing import Classic, Shape

_ROWS = 4_096
_U64 = np.uint64
Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]


class NumpyBits:
    """Bits under numpy: the same as `CompiledBits`, some 10 to 30 times slower."""

    def __init__(self, words: npt.NDArray[np.uint32], shape: Shape) -> None:
        self._words = words
        self._shape = shape

    def find_one(self, data: bytes) -> bool:
        """Return whether all bits of these bytes are set."""
        return bool(self._is_set(self._positions(_hash_one(data))).all())

    def add_one(self, data: bytes) -> bool:
        """Set the bits of these bytes; return whether one was unset."""
        return bool(self._add(_hash_one(data))[0])

    def find(self, ids: pl.Series) -> npt.NDArray[np.bool_]:
        """Return whether each id's bits are set."""
        parts = [self._is_set(self._positions(_hashes(rows))).all(axis=1) for rows in _slices(ids)]
        return np.concatenate([np.empty(0, np.bool_), *parts])

    def add(self, ids: pl.Series) -> npt.NDArray[np.bool_]:
        """Set the bits of ids, one after the other; return which found one of theirs unset."""
        parts = [self._add(_hashes(rows)) for rows in _slices(ids)]
        return np.concatenate([np.empty(0, np.bool_), *parts])

    def _is_set(self, positions: Positions) -> npt.NDArray[np.bool_]:
        masks = np.uint32(1) << (positions & 31).astype(np.uint32)
        is_set: npt.NDArray[np.bool_] = (self._words[positions >> 5] & masks) != 0
        return is_set

    def _add(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """An id is new if it is the first of these rows at some bit that was unset before."""
        positions = self._positions(hashes)
        bits, first_at = np.unique(positions, return_index=True)
        was_unset = ~self._is_set(bits)
        is_new = np.zeros(len(hashes), np.bool_)
        is_new[first_at[was_unset] // positions.shape[1]] = True
        bits = bits[was_unset]
        np.bitwise_or.at(self._words, bits >> 5, np.uint32(1) << (bits & 31).astype(np.uint32))
        return is_new

    def _positions(self, hashes: Hashes) -> Positions:
        """Return which bits each hash sets, a row per hash."""
        if isinstance(self._shape, Classic):
            steps = np.arange(1, self._shape.hashes + 1, dtype=_U64) * GOLDEN
            drawn = _mixed(hashes[:, None] + steps) >> _U64(32)
            return ((drawn * _U64(self._shape.bits)) >> _U64(32)).astype(np.int64)
        block = ((hashes >> _U64(32)) * _U64(self._shape.blocks)) >> _U64(32)
        bit = (hashes.astype(np.uint32)[:, None] * SALTS) >> np.uint32(27)
        word = block.astype(np.int64)[:, None] * WORDS_PER_BLOCK + np.arange(WORDS_PER_BLOCK)
        positions: Positions = word * 32 + bit
        return positions


def xxhash64(rows: npt.NDArray[np.uint8]) -> Hashes:
    """Return the xxHash64 (seed 0) of each row of a matrix of bytes."""
    count, length = rows.shape
    at, value = 0, np.full(count, PRIME_5, _U64)
    if length >= 32:
        seeds = (0x60EA27EEADC0B5D6, 0xC2B2AE3D27D4EB4F, 0, 0x61C8864E7A143579)
        lanes = [np.full(count, seed, _U64) for seed in seeds]
        while at + 32 <= length:
            lanes = [_round(lane, _read(rows, at + 8 * i, 8)) for i, lane in enumerate(lanes)]
            at += 32
        value = sum(map(_rotated, lanes, (1, 7, 12, 18)), start=np.zeros(count, _U64))
        for lane in lanes:
            value = (value ^ _round(_U64(0), lane)) * PRIME_1 + PRIME_4
    value = value + _U64(length)
    while at + 8 <= length:
        value = _rotated(value ^ _round(_U64(0), _read(rows, at, 8)), 27) * PRIME_1 + PRIME_4
        at += 8
    if at + 4 <= length:
        value = _rotated(value ^ (_read(rows, at, 4) * PRIME_1), 23) * PRIME_2 + PRIME_3
        at += 4
    for place in range(at, length):
        value = _rotated(value ^ (_read(rows, place, 1) * PRIME_5), 11) * PRIME_1
    value = (value ^ (value >> _U64(33))) * PRIME_2
    value = (value ^ (value >> _U64(29))) * PRIME_3
    return value ^ (value >> _U64(32))


def _slices(ids: pl.Series) -> Iterator[pl.Series]:
    return (ids.slice(begin, _ROWS) for begin in range(0, len(ids), _ROWS))


def _hash_one(data: bytes) -> Hashes:
    return xxhash64(np.frombuffer(data, np.uint8).reshape(1, -1))


def _hashes(ids: pl.Series) -> Hashes:
    """Hash a column: rows of one length at a time, as one matrix."""
    if ids.dtype.is_integer():
        values = np.ascontiguousarray(ids.to_numpy())
        return xxhash64(values.view(np.uint8).reshape(len(values), -1))
    array = ids.cast(pl.Binary).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    content = np.frombuffer(data or b"", np.uint8)
    lengths = np.diff(ends)
    out = np.empty(len(array), _U64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        out[rows] = xxhash64(content[ends[rows][:, None] + np.arange(length)])
    return out


def _read(rows: npt.NDArray[np.uint8], at: int, width: int) -> Hashes:
    """Return little-endian integers that begin at one byte of every row."""
    part = np.ascontiguousarray(rows[:, at : at + width])
    return part.view(f"<u{width}").reshape(-1).astype(_U64)


def _round(lane: Any, value: Hashes) -> Hashes:
    return _rotated(lane + value * PRIME_2, 31) * PRIME_1


def _rotated(value: Hashes, by: int) -> Hashes:
    return (value << _U64(by)) | (value >> _U64(64 - by))


def _mixed(value: Hashes) -> Hashes:
    """Return the output of splitmix64 for a state."""
    value = (value ^ (value >> _U64(30))) * MIX_1
    value = (value ^ (value >> _U64(27))) * MIX_2
    return value ^ (value >> _U64(31))
