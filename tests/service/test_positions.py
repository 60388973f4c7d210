from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.service.positions import ABSENT, PositionIndex, hash_ids

HASHES = st.integers(min_value=0, max_value=2**64 - 1)


@given(st.lists(st.lists(HASHES, min_size=1), max_size=20), st.lists(HASHES))
def test_index_answers_as_a_dict_would(batches: list[list[int]], strangers: list[int]) -> None:
    index, known = PositionIndex(), dict[int, list[int]]()
    for batch in batches:
        fresh = [value for value in dict.fromkeys(batch) if value not in known]
        positions = range(len(known), len(known) + len(fresh))
        index.add(np.array(fresh, dtype=np.uint64), np.array(positions, dtype=np.int64))
        known |= {value: [position] for value, position in zip(fresh, positions, strict=True)}
    asked = [*known, *strangers]

    found = index.find(np.array(asked, dtype=np.uint64))

    assert found.tolist() == [known.get(value, [ABSENT])[0] for value in asked]


def test_one_of_several_equal_hashes_is_found() -> None:
    index = PositionIndex()
    index.add(np.array([7, 7], dtype=np.uint64), np.array([0, 1]))
    index.add(np.array([7], dtype=np.uint64), np.array([2]))

    assert index.find(np.array([7], dtype=np.uint64))[0] in (0, 1, 2)


def test_an_empty_index_knows_nothing() -> None:
    assert PositionIndex().find(np.array([1, 2], dtype=np.uint64)).tolist() == [ABSENT, ABSENT]


def test_equal_ids_hash_alike_in_any_frame() -> None:
    alone, among = pl.Series(["b"]), pl.Series(["a", "b", None, "c"])

    assert hash_ids(alone)[0] == hash_ids(among)[1]
