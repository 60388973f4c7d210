"""How Parquet keeps a split-block filter, in a file's footer and in our sidecars.

First a header in Thrift's compact protocol (how many bytes of bits, and that they are split
blocks, xxHash64, uncompressed), then the bits, little-endian.
"""

from __future__ import annotations

import numpy as np

from evanalytics.bloom.bits import Words
from evanalytics.bloom.constants import BLOCK_BYTES
from evanalytics.bloom.sizing import SplitBlock
from evanalytics.exceptions import BloomError

_SIZE_FIELD = b"\x15"  # field 1, i32: how many bytes of bits follow
_ALGORITHMS = bytes.fromhex("1c1c0000" * 3 + "00")  # BLOCK, XXHASH, UNCOMPRESSED, end of the header
MAX_HEADER = 1 + 5 + len(_ALGORITHMS)


def encode_filter(shape: SplitBlock, words: Words) -> bytes:
    """Return a filter as Parquet keeps it: header and bits."""
    header = _SIZE_FIELD + _varint(2 * shape.bytes) + _ALGORITHMS
    return header + words.astype("<u4", copy=False).tobytes()


def decode_filter(data: bytes, *, where: str = "filter") -> tuple[SplitBlock, Words]:
    """Return the shape and the words of a filter as Parquet keeps it.

    Raises:
        BloomError: It is damaged, cut off, or of another kind; `where` begins the message.
    """
    size, begin = read_header(data, where)
    if len(data) - begin < size:
        raise BloomError(f"{where}: cut off: {size:,} bytes of bits are missing {size - len(data) + begin:,}")
    return SplitBlock(size // BLOCK_BYTES), np.frombuffer(data, "<u4", size // 4, begin)


def read_header(data: bytes, where: str) -> tuple[int, int]:
    """Return how many bytes of bits follow a header, and where they begin.

    Raises:
        BloomError: It is damaged, or of a filter of another kind.
    """
    size, at = 0, 1
    while at < min(len(data), 6):
        size |= (data[at] & 0x7F) << (7 * (at - 1))
        at += 1
        if data[at - 1] < 0x80:
            break
    size >>= 1  # Thrift writes an i32 in zigzag; sizes are not negative
    if data[:1] != _SIZE_FIELD or data[at : at + len(_ALGORITHMS)] != _ALGORITHMS:
        raise BloomError(
            f"{where}: damaged, or not an uncompressed split-block filter with xxHash64, the only "
            f"kind Parquet has had so far: it begins with {data[:MAX_HEADER].hex(' ')}"
        )
    if size < BLOCK_BYTES or size % BLOCK_BYTES:
        raise BloomError(f"{where}: damaged: {size:,} bytes of bits are no blocks of {BLOCK_BYTES}")
    return size, at + len(_ALGORITHMS)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
