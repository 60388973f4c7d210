"""What a dedupe filter costs per day."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.bloom.dedupe import IdTraffic, dedupe_cost, dedupe_costs, filter_sizes, shape_within
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.sizing import Classic, SplitBlock, shape_for
from evanalytics.exceptions import BloomError

HOUR_US = 3_600_000_000
DAY = IdTraffic(events=1_100, ids=1_000, span_s=86_400)


def test_duplicates_are_events_whose_id_came_before():
    traffic = IdTraffic.of(pl.Series(["a", "b", "a", "a"]), pl.Series([0, 1, 2, 3]))

    assert (traffic.events, traffic.ids, traffic.duplicates) == (4, 2, 2)


def test_rates_are_per_day_of_the_span_whatever_the_order():
    traffic = IdTraffic.of(pl.Series(["a", "b", "c"]), pl.Series([12, 0, 6]) * HOUR_US)

    assert traffic.per_day(traffic.events) == 6
    assert traffic.days_of(12) == 2


@pytest.mark.parametrize("ts", [None, pl.Series([5, 5])], ids=["no instants", "one instant"])
def test_events_without_a_span_count_as_a_day(ts):
    assert IdTraffic.of(pl.Series(["a", "b"]), ts).per_day(2) == 2


def test_no_ids_are_refused():
    with pytest.raises(BloomError, match="ids: there are none to count"):
        IdTraffic.of(pl.Series([], dtype=pl.String))


def test_instants_of_another_length_are_refused():
    with pytest.raises(BloomError, match="ts: needs one for each of 1 ids, got 2"):
        IdTraffic.of(pl.Series(["a"]), pl.Series([1, 2]))


def test_a_checked_filter_looks_up_duplicates_and_false_positives():
    cost = dedupe_cost(DAY, 0.01)

    assert (cost.false_drops, cost.lookups) == (10, 110)


def test_a_filter_that_always_says_perhaps_saves_no_lookup():
    assert dedupe_cost(DAY, 1.0).lookups == 1_100


def test_the_false_drops_are_those_of_a_real_filter():
    """New ids of a day, in front of a filter that holds as many others."""
    index = BloomFilterIndex.of_shape(shape_within(20_000, 20_000), error_rate=0.02, capacity=20_000)
    index.add_many(random_ids(20_000, seed=1))
    dropped = int(index.might_contain_many(random_ids(100_000, seed=2)).sum())
    predicted = dedupe_costs(
        IdTraffic(events=100_000, ids=100_000, span_s=86_400), capacity=20_000, sizes=[20_000]
    )

    assert dropped == pytest.approx(predicted["false_drops"][0], rel=0.1)


def test_more_memory_costs_less():
    costs = dedupe_costs(DAY, capacity=10_000, sizes=[5_000, 10_000, 20_000, 40_000])

    assert costs["bytes"].to_list() == [4_992, 9_984, 20_000, 40_000]
    assert costs["false_drops"].is_sorted(descending=True)
    assert costs["lookups"].to_list() == pytest.approx([drops + 100 for drops in costs["false_drops"]])


@given(st.sampled_from([0.2, 0.01, 0.001, 1e-4, 1e-6]), st.integers(1_000, 1_000_000))
def test_a_shape_within_the_memory_of_another_errs_no_more(error_rate, capacity):
    shape = shape_for(error_rate, capacity)
    found = shape_within(shape.bytes, capacity)

    assert found.bytes <= shape.bytes
    assert found.error_rate(capacity) <= shape.error_rate(capacity) * (1 + 1e-9)


def test_the_layout_follows_the_rule_of_sizing():
    assert isinstance(shape_within(100_000, 100_000), SplitBlock)
    assert isinstance(shape_within(400_000, 100_000), Classic)


@pytest.mark.parametrize("error_rate", [0.1, 0.01, 0.001, 1e-4])
@pytest.mark.parametrize("capacity", [1_000, 30_000, 1_000_000])
def test_the_shape_for_an_error_rate_is_found_again_by_its_bytes(error_rate, capacity):
    shape = shape_for(error_rate, capacity)

    assert shape_within(shape.bytes, capacity) == shape


def test_a_small_filter_for_many_ids_is_only_a_bad_one():
    assert shape_within(1_000_000, 2_000_000_000) == SplitBlock(31_250)


def test_a_filter_that_holds_less_costs_less():
    full, half = (dedupe_costs(DAY, capacity=1_000, held=held, sizes=[1_000]) for held in (None, 500))

    assert half["false_drops"][0] < full["false_drops"][0] / 5


def test_less_than_a_block_is_refused():
    with pytest.raises(BloomError, match="size: the smallest filter has 32 bytes, got 31"):
        shape_within(31, 10)


def test_a_filter_for_a_month_is_made_for_the_ids_of_a_month() -> None:
    traffic = IdTraffic(events=3_000, ids=2_000, span_s=86_400 / 2)

    sizes = filter_sizes(traffic, error_rates=[0.01], days=30)

    assert sizes["capacity"].item() == 30 * 4_000
    assert sizes["bytes"].item() == shape_for(0.01, 120_000).bytes
    assert sizes["false_drops"].item() == pytest.approx(40)


def test_too_many_ids_for_one_filter_are_told_as_nulls() -> None:
    sizes = filter_sizes(IdTraffic(events=10, ids=10, span_s=1e-6), days=30)

    assert sizes["bytes"].to_list() == [None, None, None]
    assert sizes["capacity"].min() == 25_920_000_000_000


def test_an_error_rate_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(BloomError, match="error_rate"):
        filter_sizes(IdTraffic(events=10, ids=10, span_s=1), error_rates=[2.0])
