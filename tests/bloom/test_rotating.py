from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.rotating import RotatingBloomFilterIndex
from evanalytics.exceptions import BloomError, DurationError

MINUTE = 60_000_000


def remembering(**options):
    return RotatingBloomFilterIndex("60m", 1e-9, 100, generations=4, **options)


def test_an_id_is_remembered_for_the_window():
    seen = remembering()
    seen.add("a", ts=0)

    assert not seen.add("a", ts=60 * MINUTE)


@pytest.mark.parametrize("ts", [0, 19 * MINUTE])
def test_an_id_is_forgotten_a_part_after_the_window(ts):
    seen = remembering()
    seen.add("a", ts=ts)

    assert seen.add("a", ts=ts + 80 * MINUTE)


def test_an_id_that_comes_again_is_remembered_anew():
    seen = remembering()
    for ts in (0, 50 * MINUTE, 100 * MINUTE):
        seen.add("a", ts=ts)

    assert not seen.add("a", ts=150 * MINUTE)


def test_a_late_event_counts_as_arriving_now():
    seen = remembering()
    seen.add("a", ts=300 * MINUTE)
    seen.add("late", ts=0)

    assert not seen.add("late", ts=350 * MINUTE)


def test_memory_stays_the_same():
    seen = remembering()
    sizes = set()
    for part in range(50):
        seen.add("a", ts=20 * MINUTE * part)
        sizes.add(seen.bytes)

    assert max(sizes) == 4 * min(sizes)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-10, 500)), max_size=60), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_columns_in_any_cut_equal_one_by_one(events, cut):
    frame = pl.DataFrame(
        [(f"order-{number}", minute * MINUTE) for number, minute in events],
        schema={"id": pl.String, "ts": pl.Int64}, orient="row",
    )  # fmt: skip
    columns, single = remembering(), remembering()
    parts = [columns.add_many(part["id"], part["ts"]) for part in (frame[:cut], frame[cut:])]

    assert pl.concat(parts).to_list() == [single.add(id, ts=ts) for id, ts in frame.iter_rows()]


def test_error_rate_holds_over_all_generations():
    seen = RotatingBloomFilterIndex("1h", 0.01, 40_000, generations=5)
    for part in range(5):
        ids = random_ids(10_000, seed=part)
        seen.add_many(ids, pl.Series([part * 15 * MINUTE] * len(ids)))

    assert seen.error_rate_now <= 0.0101


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(
        BloomError, match="ts: needs an Int64 of microseconds for each of 2 ids, got 1 values"
    ):
        remembering().add_many(pl.Series(["a", "b"]), pl.Series([1]))


def test_a_single_generation_is_refused():
    with pytest.raises(BloomError, match="generations: needs a whole number from 2"):
        RotatingBloomFilterIndex("1h", generations=1)


def test_a_window_without_a_unit_is_refused():
    with pytest.raises(DurationError, match="window: cannot read '60'"):
        RotatingBloomFilterIndex("60")
