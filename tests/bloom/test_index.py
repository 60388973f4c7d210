from __future__ import annotations

import copy
import pickle
import threading
import warnings

import polars as pl
import pytest

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import measure_error_rate, random_ids
from evanalytics.bloom.sizing import Classic, SplitBlock, capacity_of
from evanalytics.exceptions import BloomError, CapacityWarning

IDS = pl.Series("id", [f"order-{n}" for n in range(1_000)])


def filled(**options):
    index = BloomFilterIndex(capacity=1_000, **options)
    index.add_many(IDS)
    return index


@pytest.mark.parametrize("error_rate", [0.01, 0.001, 1e-6])
def test_there_is_no_false_negative(error_rate):
    ids = random_ids(100_000, seed=1)
    index = BloomFilterIndex(error_rate, 100_000)
    index.add_many(ids)

    assert index.might_contain_many(ids).all()


@pytest.mark.parametrize("error_rate", [0.01, 0.001, 0.0005])
def test_measured_rate_is_that_of_the_own_bits(error_rate):
    index = BloomFilterIndex(error_rate, 200_000)
    index.add_many(random_ids(200_000, seed=1))
    measured = measure_error_rate(index, random_ids(400_000, seed=2), confidence=0.999)

    assert measured.low <= index.error_rate_now <= measured.high


@pytest.mark.parametrize("error_rate", [0.01, 0.001, 0.0005])
def test_own_bits_are_within_a_twentieth_of_the_promise(error_rate):
    index = BloomFilterIndex(error_rate, 200_000)
    index.add_many(random_ids(200_000, seed=1))

    assert index.error_rate_now == pytest.approx(error_rate, rel=0.05)


def test_count_is_about_the_different_ids():
    index = filled()
    index.add_many(IDS)

    assert index.count == pytest.approx(1_000, rel=0.01)


def test_an_id_is_new_once():
    index = BloomFilterIndex(capacity=10)

    assert index.add_many(pl.Series(["a", "b", "a"])).to_list() == [True, True, False]


def test_verdicts_keep_the_name_of_the_column():
    assert filled().might_contain_many(IDS).name == "id"


def test_ids_are_asked_for_with_in():
    assert "order-7" in filled()


def test_past_capacity_there_is_one_warning():
    index = filled()

    with pytest.warns(CapacityWarning, match="was made for 1,000 ids and holds"):
        index.add_many(random_ids(100, seed=1))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.add("one more")


def test_one_by_one_warns_too():
    index = BloomFilterIndex(capacity=1)
    index.add("a")

    with pytest.warns(CapacityWarning):
        index.add("b")


def test_within_capacity_there_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        filled()


def test_error_rate_rises_past_capacity():
    index = filled()
    before = index.error_rate_now
    with pytest.warns(CapacityWarning):
        index.add_many(random_ids(1_000, seed=1))

    assert index.error_rate_now > 5 * before


def test_union_is_what_adding_both_makes():
    first, second = BloomFilterIndex(capacity=1_000), BloomFilterIndex(capacity=1_000)
    first.add_many(IDS[:600])
    second.add_many(IDS[400:])

    assert first | second == filled()


def test_union_counts_common_ids_once():
    assert filled().union(filled()).count == pytest.approx(1_000, rel=0.05)


def test_union_of_other_shapes_is_refused():
    with pytest.raises(BloomError, match="union: needs equal shapes and dtypes"):
        filled().union(BloomFilterIndex(capacity=2_000))


def test_a_null_is_refused_with_its_row():
    with pytest.raises(BloomError, match="ids 'id': null in 1 rows, the first is row 1"):
        filled().add_many(pl.Series("id", ["a", None]))


def test_nothing_is_added_from_a_column_with_nulls():
    index = BloomFilterIndex(capacity=10)
    with pytest.raises(BloomError):
        index.add_many(pl.Series(["a", None]))

    assert not index.might_contain("a")


@pytest.mark.parametrize(
    ("dtype", "id"),
    [(pl.String, 7), (pl.String, b"seven"), (pl.Binary, "7"), (pl.Int64, "7"), (pl.Int32, 2**31)],
)
def test_an_id_of_another_kind_is_refused(dtype, id):
    with pytest.raises(BloomError, match="this index holds"):
        BloomFilterIndex(dtype=dtype, capacity=10).might_contain(id)


@pytest.mark.parametrize("wrong", [None, "\ud800"])
def test_what_is_no_text_cannot_be_added(wrong):
    with pytest.raises(BloomError, match="this index holds String"):
        BloomFilterIndex(capacity=10).add(wrong)


def test_an_integer_of_another_width_is_refused():
    index = BloomFilterIndex(dtype=pl.Int64, capacity=10)

    with pytest.raises(BloomError, match="this index holds Int64, got Int32"):
        index.add_many(pl.Series([1], dtype=pl.Int32))


def test_widths_hash_differently():
    wide, narrow = (
        BloomFilterIndex(dtype=pl.Int64, capacity=10),
        BloomFilterIndex(dtype=pl.Int32, capacity=10),
    )
    wide.add(7)
    narrow.add(7)

    assert wide.words.tolist() != narrow.words.tolist()


def test_a_list_is_refused():
    with pytest.raises(BloomError, match="ids: needs a polars Series of String, got list"):
        filled().add_many(["a"])


def test_another_dtype_for_ids_is_refused():
    with pytest.raises(BloomError, match="ids are String, Binary, Int64 or Int32, got Float64"):
        BloomFilterIndex(dtype=pl.Float64)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))]
)
def test_a_copy_is_equal_and_apart(copied):
    index = filled()
    other = copied(index)
    other.add("new")

    assert index == filled() != other


def test_the_words_handed_out_cannot_be_altered():
    with pytest.raises(ValueError, match="read-only"):
        filled().words[0] = 1


def test_words_of_another_size_are_refused():
    with pytest.raises(BloomError, match="has 64 bytes, got 32"):
        BloomFilterIndex.of_shape(SplitBlock(2), words=BloomFilterIndex.of_shape(SplitBlock(1)).words)


def test_a_shape_knows_its_capacity():
    assert capacity_of(Classic(19_200, 13), 1e-4) == 1_001


def test_threads_may_ask_while_one_adds():
    index = BloomFilterIndex(capacity=200_000)
    first, later = random_ids(100_000, seed=1), random_ids(100_000, seed=2)
    index.add_many(first)
    adding = threading.Thread(target=index.add_many, args=(later,))
    adding.start()
    found = index.might_contain_many(first).all()
    adding.join()

    assert found


def test_repr_says_what_it_holds():
    assert repr(BloomFilterIndex(capacity=1_000)) == (
        "<BloomFilterIndex of 0 ids (String), made for 1,000 at 0.01: SplitBlock(blocks=42)>"
    )
