"""Identifiers of the sample log as columns of text, made four characters at a time.

Four ASCII characters are one 32-bit word, so text is looked up in tables of words: 15 ns for an
identifier, where formatting it in Python takes 200.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evanalytics.logs.synthetic.draws import Bools, Ints, draw64, key_of

Words = NDArray[np.uint32]


def event_ids(seed: int, number: Ints) -> pl.Series:
    """Return "evt-" and 16 hexadecimal digits: different for different numbers."""
    text = np.empty((len(number), 5), dtype=np.uint32)
    text[:, 0] = _words(["evt-"])
    text[:, 1:] = _hexadecimal()[draw64(key_of(seed, "id"), number).view(np.uint16).reshape(-1, 4)]
    return _strings(text, None)


def numbered(letter: str, number: Ints, *, only: Bools | None = None) -> pl.Series:
    """Return a letter, a dash and ten digits, such as "o-0000001234"; null where not `only`."""
    head, rest = np.divmod(number, 100_000_000)
    text = np.empty((len(number), 3), dtype=np.uint32)
    text[:, 0] = _words(f"{letter}-{n:02d}" for n in range(100))[head]
    text[:, 1] = _decimal()[rest // 10_000]
    text[:, 2] = _decimal()[rest % 10_000]
    return _strings(text, only)


def _strings(text: Words, only: Bools | None) -> pl.Series:
    import pyarrow as pa

    rows, width = len(text), text.shape[1] * text.itemsize
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int64)
    valid = None if only is None else pa.py_buffer(np.packbits(only, bitorder="little"))
    strings = pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text), valid)
    return pl.Series(strings)


@cache
def _decimal() -> Words:
    return _words(f"{n:04d}" for n in range(10_000))


@cache
def _hexadecimal() -> Words:
    return _words(f"{n:04x}" for n in range(1 << 16))


def _words(texts: Iterable[str]) -> Words:
    return np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint32)
