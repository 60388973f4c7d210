from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.bloom.sizing import Classic, SplitBlock, shape_for
from evanalytics.exceptions import BloomError

RATES = st.floats(1e-9, 0.5)


@given(RATES, st.integers(100, 10_000_000))
def test_a_full_filter_keeps_its_error_rate(error_rate, capacity):
    assert shape_for(error_rate, capacity).error_rate(capacity) <= error_rate * (1 + 1e-9)


@given(st.floats(0.001, 0.5), st.integers(1_000, 1_000_000))
def test_one_block_less_would_not_keep_it(error_rate, capacity):
    shape = shape_for(error_rate, capacity)

    assert SplitBlock(shape.blocks - 1).error_rate(capacity) > error_rate


@pytest.mark.parametrize(
    ("error_rate", "layout"), [(0.01, SplitBlock), (0.001, SplitBlock), (0.00099, Classic)]
)
def test_layout_is_classic_below_a_thousandth(error_rate, layout):
    assert isinstance(shape_for(error_rate, 1_000), layout)


def test_one_percent_costs_at_most_1_11_times_the_classic_optimum():
    optimum = 1_000_000 * math.log(100) / math.log(2) ** 2

    assert shape_for(0.01, 1_000_000).bytes * 8 < 1.11 * optimum


def test_classic_layout_costs_what_the_formula_says():
    optimum = 1_000_000 * math.log(1e6) / math.log(2) ** 2

    assert shape_for(1e-6, 1_000_000).bits == pytest.approx(optimum, rel=1e-3)


@pytest.mark.parametrize("shape", [SplitBlock(1_000), Classic(256_000, 9)])
def test_items_are_estimated_from_set_bits(shape):
    bits = 256_000
    items = 20_000
    share = 1 - math.exp(-items * shape.hashes / bits)

    assert shape.items(round(share * bits)) == pytest.approx(items, rel=1e-3)


@pytest.mark.parametrize("error_rate", [0, 1, 0.6, -0.1, "0.01", True, float("nan")])
def test_error_rate_out_of_range_is_refused(error_rate):
    with pytest.raises(BloomError, match="error_rate: needs a share from 1e-12"):
        shape_for(error_rate, 1_000)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, "many"])
def test_capacity_that_is_no_number_of_ids_is_refused(capacity):
    with pytest.raises(BloomError, match="capacity: needs a whole number of ids"):
        shape_for(0.01, capacity)


def test_more_than_parquet_can_say_is_refused():
    with pytest.raises(BloomError, match="blocks: needs 1 to 67,108,863"):
        shape_for(0.01, 10_000_000_000)


def test_more_bits_than_a_classic_filter_can_address_are_refused():
    with pytest.raises(BloomError, match="bits: needs a multiple of 32 up to 4,294,967,296"):
        shape_for(1e-6, 1_000_000_000)
