from __future__ import annotations

import pytest

from evanalytics.delivery.quantiles import rank_of
from evanalytics.exceptions import SimulationError


@pytest.mark.parametrize(
    ("quantile", "count", "rank"),
    [
        (0.5, 1, 1),
        (0.5, 2, 1),
        (0.5, 3, 2),
        (0.07, 100, 7),
        (0.29, 100, 29),
        (0.999, 1_000, 999),
        (1, 7, 7),
        (0, 7, 1),
    ],
)
def test_the_rank_is_the_product_rounded_up_as_decimals_have_it(quantile, count, rank):
    assert rank_of(quantile, count) == rank


@pytest.mark.parametrize("quantile", [-0.1, 1.5, 99, float("nan")])
def test_a_quantile_is_a_share(quantile):
    with pytest.raises(SimulationError, match=r"needs a number from 0 to 1, such as 0\.99"):
        rank_of(quantile, 10)
