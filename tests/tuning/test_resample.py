from __future__ import annotations

import numpy as np
import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.tuning.resample import block_ns, measure_resampled, resample_blocks
from evanalytics.tuning.settings import Settings
from tests.benchmarks.traffic import bursty_traffic

DAY = 86_400_000_000_000


def test_a_block_is_a_day_where_the_log_has_a_week_of_them():
    assert block_ns(Arrivals.of_times([0, 7 * DAY])) == DAY


def test_a_block_is_a_24th_of_a_shorter_log():
    assert block_ns(Arrivals.of_times([0, 2 * DAY - 1])) == DAY // 12


def test_a_resampled_log_is_made_of_whole_blocks_at_their_offsets():
    arrivals = bursty_traffic(3_000)
    length = block_ns(arrivals)
    blocks = {tuple(block_of(arrivals, number, length)) for number in range(24)}

    drawn = resample_blocks(arrivals, length, np.random.default_rng(1))

    assert np.all(np.diff(drawn.time_ns) >= 0)
    assert {tuple(block_of(drawn, number, length)) for number in range(24)} < blocks


def block_of(arrivals, number, length):
    inside = arrivals.time_ns // length == number
    return zip(arrivals.time_ns[inside] % length, arrivals.seq[inside].tolist(), strict=True)


def test_the_same_seed_draws_the_same_log():
    arrivals = bursty_traffic(500)

    one, other = (resample_blocks(arrivals, block_ns(arrivals), np.random.default_rng(5)) for _ in range(2))

    assert one.seq.tolist() == other.seq.tolist()


def test_a_log_of_one_block_cannot_be_resampled():
    with pytest.raises(TuningError, match="shorter than two blocks"):
        resample_blocks(Arrivals.of_times([0, 1]), 10, np.random.default_rng(0))


def test_a_draw_without_events_has_no_row():
    almost_empty = Arrivals.of_times([0, DAY])

    rows = measure_resampled(almost_empty, Settings(), operation="publish", count=30, seed=1, progress=False)

    assert 0 < len(rows) < 30
