from __future__ import annotations

import numpy as np

from evanalytics.delivery.draws import BACKOFF, FAILURE, SERVICE, draw


def test_draws_of_arrays_equal_draws_of_numbers_bit_for_bit():
    requests = np.arange(1_000, dtype=np.uint64)

    drawn = draw(7, FAILURE, requests, np.full_like(requests, 3))

    assert drawn.tolist() == [draw(7, FAILURE, request, 3) for request in range(1_000)]


def test_neighbouring_places_draw_different_numbers():
    places = [(s, t, r, a) for s in (0, 1) for t in (SERVICE, BACKOFF) for r in range(50) for a in range(5)]

    assert len({draw(*place) for place in places}) == len(places)


def test_every_bit_is_set_half_of_the_time():
    drawn = draw(0, SERVICE, np.arange(20_000, dtype=np.uint64), np.zeros(20_000, np.uint64))

    shares = [np.mean(drawn >> np.uint64(bit) & np.uint64(1)) for bit in range(64)]

    assert 0.48 < min(shares) <= max(shares) < 0.52
