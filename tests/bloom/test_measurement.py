from __future__ import annotations

import polars as pl
import pytest

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import (
    measure_error_rate,
    measure_while_filling,
    random_ids,
    wilson_interval,
)
from evanalytics.exceptions import BloomError


def test_random_ids_differ():
    assert pl.concat([random_ids(10_000, seed=1), random_ids(10_000, seed=2)]).n_unique() == 20_000


def test_random_ids_are_the_same_for_a_seed():
    assert random_ids(3, seed=1).to_list() == random_ids(3, seed=1).to_list()


@pytest.mark.parametrize(
    ("hits", "probes", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_wilson_interval_has_the_published_values(hits, probes, low, high):
    assert wilson_interval(hits, probes, confidence=0.95) == pytest.approx((low, high), abs=1e-4)


def test_an_empty_index_is_never_mistaken():
    measured = measure_error_rate(BloomFilterIndex(capacity=100), random_ids(1_000, seed=1))

    assert (measured.rate, measured.own_bits, measured.formula) == (0, 0, 0)


@pytest.mark.filterwarnings("ignore::evanalytics.exceptions.CapacityWarning")
def test_own_bits_lie_in_the_interval_at_every_load_and_past_capacity():
    frame = measure_while_filling(
        BloomFilterIndex(0.01, 20_000),
        random_ids(40_000, seed=1),
        random_ids(100_000, seed=2),
        loads=[0.5, 1, 1.5, 2],
    )

    assert frame.filter(~pl.col("own_bits").is_between("low", "high")).is_empty()


@pytest.mark.filterwarnings("ignore::evanalytics.exceptions.CapacityWarning")
def test_formula_and_own_bits_agree_at_every_load():
    frame = measure_while_filling(
        BloomFilterIndex(0.01, 50_000),
        random_ids(100_000, seed=1),
        random_ids(100, seed=2),
        loads=[0.5, 1, 2],
    )

    assert frame["own_bits"].to_list() == pytest.approx(frame["formula"].to_list(), rel=0.05)


def test_too_few_ids_are_named():
    with pytest.raises(BloomError, match="ids: a load of 1 needs 100, got 50"):
        measure_while_filling(
            BloomFilterIndex(capacity=100), random_ids(50, seed=1), random_ids(9, seed=2), loads=[0.5, 1]
        )


def test_nothing_to_ask_for_is_refused():
    with pytest.raises(BloomError, match="absent: needs at least one id"):
        measure_error_rate(BloomFilterIndex(capacity=10), random_ids(0, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("error_rate", [0.01, 0.001], ids=["1 %", "0.1 %"])
def test_ten_million_ids_are_all_found_and_the_promise_is_kept(error_rate):
    index = BloomFilterIndex(error_rate, 10_000_000)
    for seed in range(10):
        index.add_many(random_ids(1_000_000, seed=seed))
    missed = sum(
        int((~index.might_contain_many(random_ids(1_000_000, seed=seed))).sum()) for seed in range(10)
    )
    measured = measure_error_rate(index, random_ids(4_000_000, seed=99), items=10_000_000, confidence=0.999)

    assert missed == 0
    assert measured.low <= index.error_rate_now <= measured.high
    assert measured.low <= error_rate
