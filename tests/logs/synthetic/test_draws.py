from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.logs.synthetic.draws import Choice, Quantiles, Zipf, draw32, draw64, happens, key_of

INDEX = np.arange(200_000)
BITS = draw32(key_of(7, "test"), INDEX)


def test_bits_are_those_of_splitmix64() -> None:
    # The generator's published first outputs for seed 0, whose state advances by one per index.
    bits = draw64(np.uint64(0), np.array([1, 2, 3]))

    assert [hex(b) for b in bits.tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_key_depends_on_seed_and_name() -> None:
    keys = {int(key_of(seed, name)) for seed in (1, 2) for name in ("placed", "customer")}

    assert len(keys) == 4


@given(cut=st.integers(0, 1000))
def test_draws_do_not_depend_on_how_the_indices_are_cut(cut: int) -> None:
    index, key = INDEX[:1000], key_of(7, "cut")

    parts = np.concatenate((draw64(key, index[:cut]), draw64(key, index[cut:])))

    assert np.array_equal(parts, draw64(key, index))


def test_happens_as_often_as_told() -> None:
    assert np.mean(happens(BITS, 250)) == pytest.approx(0.25, abs=0.005)


def test_never_and_always() -> None:
    assert not happens(BITS, 0).any()
    assert happens(BITS, 1000).all()


def test_quantiles_are_met() -> None:
    drawn = Quantiles.of_seconds({0: -1, 500: 2, 900: 10, 1000: 60}).draw(BITS)

    assert np.quantile(drawn, [0, 0.5, 0.9, 1]) / 1e6 == pytest.approx([-1, 2, 10, 60], abs=0.2)


def test_equal_neighbours_are_an_exact_value() -> None:
    drawn = Quantiles({0: 0, 400: 5_000, 600: 5_000, 1000: 10_000}).draw(BITS)

    assert np.mean(drawn == 5_000) == pytest.approx(0.2, abs=0.005)


def test_choice_follows_its_weights() -> None:
    drawn = Choice((6, 3, 1)).draw(BITS)

    assert np.bincount(drawn) / len(drawn) == pytest.approx([0.6, 0.3, 0.1], abs=0.005)


def test_zipf_frequency_falls_with_rank_plus_flatness() -> None:
    drawn = np.bincount(Zipf(1_000, flatness=20).draw(BITS), minlength=1_000)

    # Ranks 0 to 9 against 60 to 89: weights 1/(20 + rank) summed.
    expected = np.log(30 / 20) / np.log(110 / 80)
    assert drawn[:10].sum() / drawn[60:90].sum() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("size", [1, 2, 50, 1_000_000])
def test_zipf_ranks_lie_below_the_size(size: int) -> None:
    ranks = Zipf(size, flatness=20).draw(np.array([0, 2**31, 2**32 - 1]))

    assert ranks.min() >= 0
    assert ranks.max() == size - 1
