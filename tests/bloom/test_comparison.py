"""A filter beside a set and a semi join: what they claim and hold; how quick they are is no test."""

from __future__ import annotations

import polars as pl
import pytest

from evanalytics.bloom.comparison import COMPARISON_SCHEMA, compare_with_exact
from evanalytics.bloom.measurement import random_ids
from evanalytics.exceptions import BloomError

PRESENT = random_ids(5_000, seed=1)
ASKED = pl.concat([PRESENT[:2_000], random_ids(2_000, seed=2)])


@pytest.fixture(scope="module")
def compared():
    return compare_with_exact(PRESENT, ASKED, error_rate=0.05)


def claims(frame):
    return dict(frame.select("way", "claimed").rows())


def test_the_exact_ways_agree_and_the_filter_misses_nothing(compared):
    found = claims(compared)

    assert found["Python set"] == found["semi join"] == 2_000
    assert 2_000 <= found["Bloom filter"] <= 2_200


def test_the_filter_is_the_smallest_by_far(compared):
    sizes = dict(compared.select("way", "bytes").rows())

    assert 20 * sizes["Bloom filter"] < sizes["semi join"] < sizes["Python set"]


def test_every_time_was_taken(compared):
    assert dict(compared.schema) == COMPARISON_SCHEMA
    assert (compared["ask_ns"] > 0).all()
    assert compared["build_ns"].to_list()[2] == 0


@pytest.mark.parametrize(("present", "asked"), [(PRESENT[:0], ASKED), (PRESENT, ASKED[:0])])
def test_nothing_to_compare_is_refused(present, asked):
    with pytest.raises(BloomError, match="needs some to hold and some to ask for"):
        compare_with_exact(present, asked)
