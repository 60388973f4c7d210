"""xxHash64 and the two filter layouts as loops; load it inside functions only, for it loads numba.

`numpy_bits.py` says the same without numba; both give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
)
from evanalytics.bloom.pointers import address_of, load_u8, load_u32, load_u64, prefetch
from evanalytics.compiled import kernel, short_kernel, step

_U64 = np.uint64
_U32 = np.uint32
_LOW = np.uint64(0xFFFFFFFF)
_AHEAD = 24  # hashes whose block is asked for before its turn; 16 to 64 are equally quick
_AHEAD_CLASSIC = 4  # each asks for some 13 cache lines: 50 ns instead of 250 at 4M ids


@kernel
def hash_views(views: Any, buffers: Any, out: Any) -> None:
    """Hash Arrow string views: pairs of uint64, and the addresses of the buffers they look into."""
    base = address_of(views)
    for row in range(_U64(len(out))):
        length = views[_U64(2) * row] & _LOW
        if length <= _U64(12):
            address = base + _U64(16) * row + _U64(4)
        else:
            where = views[_U64(2) * row + _U64(1)]
            address = buffers[where & _LOW] + (where >> _U64(32))
        out[row] = _xxhash64(address, length)


@kernel
def hash_int64(values: Any, out: Any) -> None:
    """Hash int64 values as their 8 bytes."""
    for row in range(len(out)):
        mixed = (PRIME_5 + _U64(8)) ^ _round(_U64(0), _U64(values[row]))
        out[row] = _avalanche(_rotated(mixed, 27) * PRIME_1 + PRIME_4)


@kernel
def hash_int32(values: Any, out: Any) -> None:
    """Hash int32 values as their 4 bytes."""
    for row in range(len(out)):
        mixed = (PRIME_5 + _U64(4)) ^ (_U64(_U32(values[row])) * PRIME_1)
        out[row] = _avalanche(_rotated(mixed, 23) * PRIME_2 + PRIME_3)


@kernel
def find_split_block(words: Any, hashes: Any, out: Any) -> None:
    """Say of each hash whether all its bits are set in a split-block filter."""
    blocks, last = _U64(len(words) // 8), len(hashes) - 1
    for row in range(len(hashes)):
        prefetch(address_of(words) + _first_word(hashes[min(row + _AHEAD, last)], blocks) * _U64(4))
        out[row] = _is_in_split_block(words, blocks, hashes[row])


@kernel
def add_split_block(words: Any, hashes: Any, out: Any) -> int:
    """Set the bits of each hash, say whether one was unset, and return how often that was so."""
    blocks, last, new = _U64(len(words) // 8), len(hashes) - 1, 0
    for row in range(len(hashes)):
        prefetch(address_of(words) + _first_word(hashes[min(row + _AHEAD, last)], blocks) * _U64(4))
        out[row] = _set_in_split_block(words, blocks, hashes[row])
        new += out[row]
    return new


@kernel
def find_classic(words: Any, probes: int, hashes: Any, out: Any) -> None:
    """Say of each hash whether all its bits are set in a classic filter."""
    last = len(hashes) - 1
    for row in range(len(hashes)):
        _prefetch_classic(words, probes, hashes[min(row + _AHEAD_CLASSIC, last)])
        out[row] = _is_in_classic(words, probes, hashes[row])


@kernel
def add_classic(words: Any, probes: int, hashes: Any, out: Any) -> int:
    """Set the bits of each hash, say whether one was unset, and return how often that was so."""
    last, new = len(hashes) - 1, 0
    for row in range(len(hashes)):
        _prefetch_classic(words, probes, hashes[min(row + _AHEAD_CLASSIC, last)])
        out[row] = _set_in_classic(words, probes, hashes[row])
        new += out[row]
    return new


@short_kernel
def find_one_split_block(words: Any, data: bytes) -> bool:
    """Say whether the bits of these bytes are set."""
    return bool(
        _is_in_split_block(words, _U64(len(words) // 8), _xxhash64(address_of(data), _U64(len(data))))
    )


@short_kernel
def add_one_split_block(words: Any, data: bytes) -> bool:
    """Set the bits of these bytes; say whether one was unset."""
    return bool(
        _set_in_split_block(words, _U64(len(words) // 8), _xxhash64(address_of(data), _U64(len(data))))
    )


@short_kernel
def find_one_classic(words: Any, probes: int, data: bytes) -> bool:
    """Say whether the bits of these bytes are set."""
    return _is_in_classic(words, probes, _xxhash64(address_of(data), _U64(len(data))))


@short_kernel
def add_one_classic(words: Any, probes: int, data: bytes) -> bool:
    """Set the bits of these bytes; say whether one was unset."""
    return _set_in_classic(words, probes, _xxhash64(address_of(data), _U64(len(data))))


@kernel
def _is_in_split_block(words: Any, blocks: Any, value: Any) -> Any:
    at = _first_word(value, blocks)
    key, missing = _U32(value), _U32(0)
    for word in range(8):  # no early exit: the eight words are one vector
        mask = _U32(1) << _U32(_U32(key * SALTS[word]) >> _U32(27))
        missing |= ~words[at + _U64(word)] & mask
    return missing == 0


@kernel
def _set_in_split_block(words: Any, blocks: Any, value: Any) -> Any:
    at = _first_word(value, blocks)
    key, missing = _U32(value), _U32(0)
    for word in range(8):
        mask = _U32(1) << _U32(_U32(key * SALTS[word]) >> _U32(27))
        missing |= ~words[at + _U64(word)] & mask
        words[at + _U64(word)] |= mask
    return missing != 0


@kernel
def _is_in_classic(words: Any, probes: int, value: Any) -> bool:
    bits = _U64(len(words)) * _U64(32)
    for _ in range(probes):
        value += GOLDEN
        at = _position(value, bits)
        if not words[at >> _U64(5)] & (_U32(1) << _U32(at & _U64(31))):
            return False
    return True


@kernel
def _set_in_classic(words: Any, probes: int, value: Any) -> bool:
    bits, is_new = _U64(len(words)) * _U64(32), False
    for _ in range(probes):
        value += GOLDEN
        at = _position(value, bits)
        mask = _U32(1) << _U32(at & _U64(31))
        is_new |= not words[at >> _U64(5)] & mask
        words[at >> _U64(5)] |= mask
    return is_new


@kernel
def _prefetch_classic(words: Any, probes: int, value: Any) -> None:
    base, bits = address_of(words), _U64(len(words)) * _U64(32)
    for _ in range(probes):
        value += GOLDEN
        at = _position(value, bits)
        prefetch(base + (at >> _U64(5)) * _U64(4))


@kernel
def _xxhash64(address: Any, length: Any) -> Any:
    """Return the xxHash64 (seed 0) of bytes in memory."""
    end = address + length
    value = PRIME_5
    if length >= _U64(32):
        a, b, c, d = PRIME_1 + PRIME_2, PRIME_2, _U64(0), _U64(0) - PRIME_1
        while address + _U64(32) <= end:
            a = _round(a, load_u64(address))
            b = _round(b, load_u64(address + _U64(8)))
            c = _round(c, load_u64(address + _U64(16)))
            d = _round(d, load_u64(address + _U64(24)))
            address += _U64(32)
        value = _rotated(a, 1) + _rotated(b, 7) + _rotated(c, 12) + _rotated(d, 18)
        value = (value ^ _round(_U64(0), a)) * PRIME_1 + PRIME_4
        value = (value ^ _round(_U64(0), b)) * PRIME_1 + PRIME_4
        value = (value ^ _round(_U64(0), c)) * PRIME_1 + PRIME_4
        value = (value ^ _round(_U64(0), d)) * PRIME_1 + PRIME_4
    value += length
    while address + _U64(8) <= end:
        value = _rotated(value ^ _round(_U64(0), load_u64(address)), 27) * PRIME_1 + PRIME_4
        address += _U64(8)
    if address + _U64(4) <= end:
        value = _rotated(value ^ (_U64(load_u32(address)) * PRIME_1), 23) * PRIME_2 + PRIME_3
        address += _U64(4)
    while address < end:
        value = _rotated(value ^ (_U64(load_u8(address)) * PRIME_5), 11) * PRIME_1
        address += _U64(1)
    return _avalanche(value)


@step
def _round(lane: Any, value: Any) -> Any:
    return _rotated(lane + value * PRIME_2, 31) * PRIME_1


@step
def _rotated(value: Any, by: int) -> Any:
    return (value << _U64(by)) | (value >> _U64(64 - by))


@step
def _avalanche(value: Any) -> Any:
    value = (value ^ (value >> _U64(33))) * PRIME_2
    value = (value ^ (value >> _U64(29))) * PRIME_3
    return value ^ (value >> _U64(32))


@step
def _first_word(value: Any, blocks: Any) -> Any:
    """Return where the block of a hash begins in a split-block filter."""
    return (((value >> _U64(32)) * blocks) >> _U64(32)) * _U64(8)


@step
def _position(value: Any, bits: Any) -> Any:
    """Return the bit of a classic filter that a state of splitmix64 means."""
    return ((_mixed(value) >> _U64(32)) * bits) >> _U64(32)


@step
def _mixed(value: Any) -> Any:
    """Return the output of splitmix64 for a state."""
    value = (value ^ (value >> _U64(30))) * MIX_1
    value = (value ^ (value >> _U64(27))) * MIX_2
    return value ^ (value >> _U64(31))
