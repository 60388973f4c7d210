"""The same bits from numba, numpy and plain Python, over every dtype, layout and way of lying in memory."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.bloom import bits
from evanalytics.bloom.bits import CompiledBits, bits_over, error_rate_of, unset_words
from evanalytics.bloom.columns import encoder
from evanalytics.bloom.numpy_bits import NumpyBits, xxhash64
from evanalytics.bloom.sizing import Classic, SplitBlock
from evanalytics.compiled import IS_COMPILED
from tests.bloom import plain_filter

SHAPES = {"split block": SplitBlock(7), "classic": Classic(32 * 61, 13)}
ENGINES = [
    pytest.param(CompiledBits, marks=pytest.mark.skipif(not IS_COMPILED, reason="numba is not installed")),
    NumpyBits,
]
COLUMNS = {
    "empty": pl.Series([], dtype=pl.String),
    "every length": pl.Series(["é" * (n // 2) + "x" * (n % 2) for n in range(70)]),
    "binary": pl.Series([b"\x00" * n for n in range(70)]),
    "int64": pl.Series([0, 1, -1, 2**63 - 1, -(2**63)], dtype=pl.Int64),
    "int32": pl.Series([0, 1, -1, 2**31 - 1, -(2**31)], dtype=pl.Int32),
    "slice": pl.Series([f"order-{n:020}" for n in range(100)])[13:57],
    "slice of short ids": pl.Series([f"o{n}" for n in range(100)])[13:57],
    "gathered": pl.Series([f"order-{n:020}" for n in range(100)]).gather([5, 99, 5, 0]),
    "chunks": pl.concat([pl.Series([f"order-{n:020}"] * 2) for n in range(9)], rechunk=False),
    "several buffers": pl.concat([pl.Series([f"{n}" * 40]) for n in range(9)]).rechunk(),
}


def filled(engine, ids, shape):
    words = np.zeros(shape.bytes // 4, np.uint32)
    return words, engine(words, shape).add(ids).tolist()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("ids", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("engine", ENGINES)
def test_bits_and_verdicts_equal_plain_python(engine, ids, shape):
    plain, encode = plain_filter.PlainFilter(shape), encoder(ids.dtype)

    expected = [plain.add(encode(id)) for id in ids]
    words, is_new = filled(engine, ids, shape)

    assert (words.tobytes(), is_new) == (plain.to_bytes(), expected)


@pytest.mark.skipif(not IS_COMPILED, reason="numba is not installed")
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("ids", COLUMNS.values(), ids=COLUMNS)
def test_verdicts_of_ids_asked_for_in_threads_are_the_same(monkeypatch, ids, shape):
    words, _ = filled(CompiledBits, ids[::2], shape)
    index = CompiledBits(words, shape)
    alone = index.find(ids).tolist()
    monkeypatch.setattr(bits, "_PER_PART", 3)
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 4)

    assert index.find(ids).tolist() == alone


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("engine", ENGINES)
@given(ids=st.lists(st.text(max_size=40), max_size=60))
@settings(max_examples=40, deadline=None)
def test_one_by_one_equals_a_column(engine, shape, ids):
    words = np.zeros(shape.bytes // 4, np.uint32)
    bits = engine(words, shape)
    one_by_one = [bits.add_one(id.encode()) for id in ids]
    column, is_new = filled(engine, pl.Series(ids, dtype=pl.String), shape)

    assert (words.tolist(), one_by_one) == (column.tolist(), is_new)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_added_is_found(engine, shape):
    ids = pl.Series([f"order-{n}" for n in range(9_000)])
    words = np.zeros(shape.bytes // 4, np.uint32)
    bits = engine(words, shape)
    bits.add(ids)

    assert bits.find(ids).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_find_says_the_same_one_by_one(engine):
    shape, ids = SplitBlock(50), pl.Series([f"order-{n}" for n in range(600)])
    bits = engine(np.zeros(shape.bytes // 4, np.uint32), shape)
    bits.add(ids[:300])

    assert bits.find(ids).tolist() == [bits.find_one(id.encode()) for id in ids]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"", 0xEF46DB3751D8E999), (b"a", 0xD24EC4F1A98C6E5B), (b"abc", 0x44BC2CF5AD770999)],
)
def test_xxhash64_has_the_published_values(text, expected):
    assert xxhash64(np.frombuffer(text, np.uint8).reshape(1, -1)).tolist() == [expected]


@given(st.binary(max_size=200))
def test_xxhash64_in_numpy_equals_plain_python(data):
    assert xxhash64(np.frombuffer(data, np.uint8).reshape(1, -1))[0] == plain_filter.xxhash64(data)


def test_numpy_is_used_without_numba(monkeypatch):
    monkeypatch.setattr("evanalytics.compiled.IS_COMPILED", False)

    assert isinstance(bits_over(np.zeros(8, np.uint32), SplitBlock(1)), NumpyBits)


SETTINGS = {
    "hash seed 0": ("0", ""),
    "hash seed 1": ("1", ""),
    "no numba": ("0", "sys.modules['numba'] = None"),
}


@pytest.mark.parametrize(("seed", "first"), SETTINGS.values(), ids=SETTINGS)
def test_bits_do_not_depend_on_the_process(seed, first):
    code = (
        f"import sys; {first}\n"
        "import polars as pl; from evanalytics.bloom.index import BloomFilterIndex\n"
        "index = BloomFilterIndex(capacity=100)\n"
        "index.add_many(pl.Series([f'order-{n}' for n in range(100)]))\n"
        "print(index.words.tobytes().hex())"
    )
    environment = os.environ | {"PYTHONHASHSEED": seed}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    plain = plain_filter.PlainFilter(SplitBlock(5))
    for n in range(100):
        plain.add(f"order-{n}".encode())

    assert run.stdout.decode().strip() == plain.to_bytes().hex()


def test_error_rate_of_split_blocks_is_the_mean_over_blocks():
    words = np.zeros(16, np.uint32)
    words[:8] = 0xFFFF  # half of each word of the first block; nothing in the second

    assert error_rate_of(words, SplitBlock(2)) == 0.5**8 / 2


def test_error_rate_of_a_classic_filter_is_the_share_of_set_bits_to_the_power_of_hashes():
    assert error_rate_of(np.array([0xFFFF, 0], np.uint32), Classic(64, 3)) == 0.25**3


@pytest.mark.parametrize("shape", [SplitBlock(1), SplitBlock(1_000), Classic(64, 3), Classic(96, 3)])
def test_no_block_lies_in_two_lines_of_the_cache(shape):
    words = unset_words(shape)

    assert (words.nbytes, words.any(), words.ctypes.data % 64) == (shape.bytes, False, 0)
