from __future__ import annotations

import itertools

import pytest

from evanalytics.bloom.accuracy import (
    bits_per_id,
    blocked_error_rate,
    classic_error_rate,
    exact_error_rate,
    split_block_error_rate,
)


def test_exact_rate_equals_counting_every_outcome():
    bits, throws, hashes = 4, 4, 2
    outcomes = [len(set(places)) / bits for places in itertools.product(range(bits), repeat=throws)]
    by_hand = sum(share**hashes for share in outcomes) / len(outcomes)

    assert exact_error_rate(bits=bits, hashes=hashes, items=2) == pytest.approx(by_hand, rel=1e-12)


def test_exact_rate_is_above_the_formula_for_small_filters():
    assert exact_error_rate(bits=32, hashes=3, items=8) > 1.02 * classic_error_rate(
        bits=32, hashes=3, items=8
    )


def test_exact_rate_goes_over_into_its_approximation_without_a_step():
    counted = exact_error_rate(bits=14_000, hashes=7, items=1_450)  # just below the bound for counting
    by_moments = exact_error_rate(bits=15_000, hashes=7, items=1_450 * 15_000 // 14_000)

    assert by_moments == pytest.approx(counted, rel=5e-3)


def test_blocked_rate_nears_the_classic_one_as_blocks_grow():
    classic = classic_error_rate(bits=100_000, hashes=7, items=10_000)

    assert blocked_error_rate(bits_per_id=10, hashes=7, block_bits=65_536) == pytest.approx(classic, rel=0.02)


def test_blocked_rate_is_the_table_of_putze():
    assert blocked_error_rate(bits_per_id=8) == pytest.approx(0.0231, abs=2e-4)


def test_an_empty_filter_is_never_mistaken():
    assert split_block_error_rate(blocks=10, items=0) == 0


def test_split_block_rate_rises_with_ids():
    rates = [split_block_error_rate(blocks=10, items=n) for n in range(0, 1_000, 50)]

    assert rates == sorted(rates)


def test_bits_per_id_at_one_percent():
    frame = bits_per_id([0.01])

    assert [round(bits, 1) for bits in frame["bits_per_id"]] == [9.6, 9.9, 10.5, 7.5, 7.0, 10.1]
