from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.delivery.quantiles import rank_of
from evanalytics.exceptions import SimulationError
from evanalytics.tuning.histogram import Histogram

latencies = st.lists(st.one_of(st.integers(0, 5_000), st.integers(0, 2**62 - 1)), min_size=1, max_size=50)


@given(latencies, st.floats(0, 1))
def test_a_quantile_is_never_below_the_exact_one_and_less_than_a_thousandth_above(values, quantile):
    exact = sorted(values)[rank_of(quantile, len(values)) - 1]

    found = Histogram.of(np.array(values, np.int64)).quantile_ns(quantile)

    assert exact <= found <= exact + exact // 1_000


@given(latencies)
def test_latencies_below_two_microseconds_are_exact(values):
    small = [value % 2_048 for value in values]

    assert Histogram.of(np.array(small, np.int64)).quantile_ns(1) == max(small)


def test_lost_events_count_as_later_than_all_others():
    histogram = Histogram.of(np.array([5, 7]), lost=2)

    assert histogram.quantiles_ns((0.25, 0.5, 0.75, 1)) == [5, 7, None, None]


def test_histograms_add_up():
    both = Histogram.of(np.array([1, 2]), lost=1) + Histogram.of(np.array([3]))

    assert (len(both), both.lost, both.quantile_ns(0.75)) == (4, 1, 3)


def test_nothing_has_no_quantiles():
    with pytest.raises(SimulationError, match="there are no events"):
        Histogram.empty().quantile_ns(0.5)
