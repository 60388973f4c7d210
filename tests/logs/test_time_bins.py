import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.logs.time_bins import (
    MAX_CODE,
    READABLE_WIDTHS_US,
    code_limits_s,
    count_codes,
    readable_width_us,
    wait_codes,
)


def test_widths_rise() -> None:
    assert list(READABLE_WIDTHS_US) == sorted(set(READABLE_WIDTHS_US))


@given(st.integers(0, 2**62), st.integers(2, 2_000))
def test_no_more_bins_than_allowed_cover_the_span(span_us: int, max_bins: int) -> None:
    width = readable_width_us(span_us, max_bins=max_bins)

    assert width * (max_bins - 1) >= span_us


def test_an_hour_in_a_hundred_bins_is_minutes() -> None:
    assert readable_width_us(3_600_000_000, max_bins=100) == 60_000_000


def test_a_span_past_all_readable_widths_still_gets_one() -> None:
    assert readable_width_us(2**62, max_bins=2) == 2**62


@given(st.lists(st.integers(0, 31 * 365 * 86_400_000_000), min_size=1))
def test_a_wait_lies_below_the_limit_of_its_code(waits: list[int]) -> None:
    codes = wait_codes(np.array(waits, dtype=np.int64))

    limits_us = code_limits_s()[codes] * 1e6
    assert np.all(np.array(waits) <= limits_us * (1 + 1e-9))


def test_only_no_wait_at_all_has_code_zero() -> None:
    assert wait_codes(np.array([0, 1])).tolist() == [0, 1]


def test_waits_of_centuries_share_the_last_code() -> None:
    assert wait_codes(np.array([2**62])).tolist() == [MAX_CODE]


def test_codes_are_counted_with_a_place_for_each() -> None:
    counts = count_codes(np.array([0, 2, 2], dtype=np.uint8))

    assert counts[:4].tolist() == [1, 0, 2, 0]
    assert len(counts) == MAX_CODE + 1
