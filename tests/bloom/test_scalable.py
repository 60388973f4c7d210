from __future__ import annotations

import polars as pl
import pytest

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import random_ids, wilson_interval
from evanalytics.bloom.scalable import ScalableBloomFilterIndex
from evanalytics.exceptions import BloomError


def test_error_rates_of_all_that_can_come_sum_up_to_the_promise():
    index = ScalableBloomFilterIndex(0.01, 10, tightening=0.9)
    index.add_many(random_ids(5_000, seed=1))
    promised = [part.error_rate for part in index.filters]

    assert promised == pytest.approx([0.01 * 0.1 * 0.9**i for i in range(len(promised))])


def test_it_grows_without_a_warning_and_keeps_its_error_rate():
    index = ScalableBloomFilterIndex(0.01, 1_000)
    index.add_many(random_ids(100_000, seed=1))
    hits = int(index.might_contain_many(random_ids(200_000, seed=2)).sum())

    assert wilson_interval(hits, 200_000)[0] <= 0.01


def test_measured_rate_is_that_of_the_own_bits():
    index = ScalableBloomFilterIndex(0.05, 1_000)
    index.add_many(random_ids(20_000, seed=1))
    low, high = wilson_interval(int(index.might_contain_many(random_ids(200_000, seed=2)).sum()), 200_000)

    assert low <= index.error_rate_now <= high


def test_there_is_no_false_negative():
    ids = random_ids(30_000, seed=1)
    index = ScalableBloomFilterIndex(0.01, 100)
    index.add_many(ids)

    assert index.might_contain_many(ids).all()


def test_a_column_equals_one_by_one():
    ids = pl.concat([random_ids(3_000, seed=1), random_ids(2_000, seed=1)])
    whole, single = ScalableBloomFilterIndex(0.01, 100), ScalableBloomFilterIndex(0.01, 100)

    assert whole.add_many(ids).to_list() == [single.add(id) for id in ids]


def test_capacity_grows_by_its_factor():
    index = ScalableBloomFilterIndex(0.01, 100, growth=3)
    index.add_many(random_ids(2_000, seed=1))

    assert [part.capacity for part in index.filters] == [100, 300, 900, 2_700]


@pytest.mark.parametrize(
    ("name", "value"), [("growth", 0), ("growth", 1.5), ("tightening", 1), ("tightening", 0)]
)
def test_a_growth_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(BloomError, match=f"{name}: needs"):
        ScalableBloomFilterIndex(**{name: value})


def test_nulls_are_refused_before_anything_is_added():
    index = ScalableBloomFilterIndex(0.01, 1)
    with pytest.raises(BloomError, match="null in 1 rows"):
        index.add_many(pl.Series(["a", "b", None]))

    assert index.count == 0


def test_it_comes_back_equal_and_goes_on_growing(tmp_path):
    whole, saved = (ScalableBloomFilterIndex(0.01, 100, growth=3, tightening=0.7) for _ in range(2))
    whole.add_many(random_ids(3_000, seed=1))
    saved.add_many(random_ids(3_000, seed=1)[:1_000])
    saved.save(tmp_path / "ids.bloom")
    loaded = ScalableBloomFilterIndex.load(tmp_path / "ids.bloom")
    loaded.add_many(random_ids(3_000, seed=1)[1_000:])

    assert loaded.filters == whole.filters
    assert (loaded.count, loaded.error_rate, repr(loaded)) == (whole.count, 0.01, repr(whole))


def test_another_filter_is_not_loaded_as_one_that_grows(tmp_path):
    BloomFilterIndex(capacity=10).save(tmp_path / "ids.bloom")

    with pytest.raises(BloomError, match="holds no filter that grows"):
        ScalableBloomFilterIndex.load(tmp_path / "ids.bloom")
