"""The bits of a filter and what can be done to them, compiled where numba is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from evanalytics.bloom.constants import WORDS_PER_BLOCK
from evanalytics.bloom.sizing import Classic, Shape, SplitBlock
from evanalytics.parts import parts_of, workers

Words = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_CHUNK = 4_096  # hashes between the two loops: 32 kB, which stay in the nearest cache

_CACHE_LINE = 64  # bytes

_PER_PART = 100_000
"""So many ids are worth a part of the work."""


class Bits(Protocol):
    """What an index asks of its bits; every implementation sets the same ones."""

    @property
    def find_one(self) -> Callable[[bytes], bool]:
        """What takes an id's bytes and says whether all its bits are set."""
        ...

    @property
    def add_one(self) -> Callable[[bytes], bool]:
        """What takes an id's bytes, sets its bits and says whether one was unset."""
        ...

    def find(self, ids: pl.Series) -> Flags:
        """Return whether each id's bits are set."""
        ...

    def add(self, ids: pl.Series) -> Flags:
        """Set the bits of ids, one after the other; return which found one of theirs unset."""
        ...


def bits_over(words: Words, shape: Shape) -> Bits:
    """Return the quickest implementation there is, over words that it alters in place."""
    from evanalytics import compiled

    if compiled.IS_COMPILED:
        return CompiledBits(words, shape)
    from evanalytics.bloom.numpy_bits import NumpyBits

    return NumpyBits(words, shape)


def unset_words(shape: Shape) -> Words:
    """Return words without a bit set; no block lies in two lines of the cache."""
    raw = np.zeros(shape.bytes + _CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % _CACHE_LINE
    return raw[begin : begin + shape.bytes].view(np.uint32)


def error_rate_of(words: Words, shape: Shape) -> float:
    """Return the share of absent ids that these very bits would claim to hold.

    Split block: the mean over blocks of the product over their eight words of the share of
    set bits. Classic: the share of set bits to the power of the number of hashes.
    """
    if isinstance(shape, Classic):
        return float((set_bits(words) / shape.bits) ** shape.hashes)
    total = 0.0
    for begin in range(0, len(words), WORDS_PER_BLOCK * _CHUNK):
        counts = np.bitwise_count(words[begin : begin + WORDS_PER_BLOCK * _CHUNK])
        total += float((counts.reshape(-1, WORDS_PER_BLOCK) / 32).prod(axis=1).sum())
    return total / shape.blocks


def set_bits(words: Words) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))


class CompiledBits:
    """Bits under numba's loops."""

    def __init__(self, words: Words, shape: Shape) -> None:
        from evanalytics.bloom import kernels
        from evanalytics.compiled import made_for

        self.find_one: Callable[[bytes], bool]
        self.add_one: Callable[[bytes], bool]
        if isinstance(shape, SplitBlock):
            self._find: Callable[..., Any] = partial(kernels.find_split_block, words)
            self._add: Callable[..., Any] = partial(kernels.add_split_block, words)
            self.find_one = partial(made_for(kernels.find_one_split_block, words, b""), words)
            self.add_one = partial(made_for(kernels.add_one_split_block, words, b""), words)
        else:
            self._find = partial(kernels.find_classic, words, shape.hashes)
            self._add = partial(kernels.add_classic, words, shape.hashes)
            find_one = made_for(kernels.find_one_classic, words, shape.hashes, b"")
            add_one = made_for(kernels.add_one_classic, words, shape.hashes, b"")
            self.find_one = partial(find_one, words, shape.hashes)
            self.add_one = partial(add_one, words, shape.hashes)

    def find(self, ids: pl.Series) -> Flags:
        """Return whether each id's bits are set; many ids are asked for on all cores."""

        def find(part: tuple[int, int]) -> Flags:
            return self._each(ids[slice(*part)], self._find)

        parts = parts_of(len(ids), _PER_PART)
        with workers(len(parts)) as each:
            return np.concatenate(list(each(find, parts)))

    def add(self, ids: pl.Series) -> Flags:
        """Set the bits of ids, one after the other; return which found one of theirs unset."""
        return self._each(ids, self._add)

    def _each(self, ids: pl.Series, loop: Callable[..., Any]) -> Flags:
        flags, done = np.empty(len(ids), np.bool_), 0
        for hashes in compiled_hashes(ids):
            loop(hashes, flags[done : done + len(hashes)])
            done += len(hashes)
        return flags


def compiled_hashes(ids: pl.Series) -> Iterator[Hashes]:
    """Yield the xxHash64 of a few thousand ids at a time, in an array that is used again.

    Strings are hashed where polars holds them. Needs numba.
    """
    scratch = np.empty(min(len(ids), _CHUNK), np.uint64)
    for chunk in ids.get_chunks():
        hash_rows = _hasher(chunk)
        for begin in range(0, len(chunk), _CHUNK):
            hashes = scratch[: len(chunk) - begin]
            hash_rows(begin, hashes)
            yield hashes


def _hasher(chunk: pl.Series) -> Callable[[int, Hashes], None]:
    """Return what hashes rows of a chunk, from one on, into an array."""
    from evanalytics.bloom import kernels

    if chunk.dtype.is_integer():
        values = chunk.to_numpy()
        loop = kernels.hash_int64 if chunk.dtype == pl.Int64 else kernels.hash_int32
        return lambda begin, out: loop(values[begin : begin + len(out)], out)
    array = chunk.to_arrow(compat_level=pl.CompatLevel.newest())
    _, views, *data = array.buffers()
    pairs = np.frombuffer(views or b"", np.uint64)[2 * array.offset :]
    addresses = np.array([buffer.address for buffer in data], np.uint64)

    def hash_rows(begin: int, out: Hashes, _keep: Any = array) -> None:
        kernels.hash_views(pairs[2 * begin :], addresses, out)

    return hash_rows
