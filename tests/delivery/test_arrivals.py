from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import SimulationError
from evanalytics.logs.log import EventLog

START = datetime(2026, 1, 1, tzinfo=UTC)


def log_of(*events):
    """A log of (id, type, milliseconds after the start), with a payload."""
    frame = pl.DataFrame(events, schema=["id", "type", "ms"], orient="row")
    return EventLog.from_frame(
        frame.select(
            "id",
            "type",
            source=pl.lit("shop"),
            time=pl.lit(START) + pl.col("ms") * timedelta(milliseconds=1),
            data__note=pl.lit("ü"),
        )
    )


def test_a_log_is_sorted_by_time_and_counts_from_its_earliest_event():
    arrivals = Arrivals.of_log(log_of(("a", "paid", 7), ("b", "sent", 2), ("c", "paid", 2)))

    assert arrivals.time_ns.tolist() == [0, 0, 5_000_000]
    assert arrivals.seq.tolist() == [1, 2, 0]
    assert [arrivals.type_names[code] for code in arrivals.types] == ["sent", "paid", "paid"]
    assert arrivals.start_us == 1_767_225_600_002_000


def test_the_size_of_an_event_is_that_of_its_payload_in_utf8():
    arrivals = Arrivals.of_log(log_of(("a", "paid", 7), ("b", "sent", 2)), with_sizes=True)

    assert arrivals.sizes is not None
    assert arrivals.sizes.tolist() == [len('{"note":"ü"}'.encode())] * 2


def test_an_empty_log_has_no_arrivals():
    assert len(Arrivals.of_log(log_of(("a", "paid", 0)).where(Nothing()))) == 0


class Nothing:
    def compile(self, schema):
        import narwhals.stable.v2 as nw

        return nw.col("seq") < 0


def test_times_are_sorted_with_their_types_and_sizes():
    arrivals = Arrivals.of_times([3, 1, 1], types=["c", "a", "b"], sizes=[30, 10, 20])

    assert arrivals.time_ns.tolist() == [1, 1, 3]
    assert [arrivals.type_names[code] for code in arrivals.types] == ["a", "b", "c"]
    assert arrivals.sizes is not None
    assert arrivals.sizes.tolist() == [10, 20, 30]


def test_times_may_count_microseconds():
    assert Arrivals.of_times(np.array([2], np.uint32), unit="us").time_ns.tolist() == [2_000]


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        ([0.5], {}, "times: needs a list of whole numbers, got float64"),
        ([[1]], {}, "in 2 dimensions"),
        ([-1], {}, "times: needs numbers of 0 or more, got -1"),
        ([2**62], {}, "over 73 years after the start"),
        ([1, 2], {"types": ["a"]}, "types: needs one for each of the 2 times, got 1"),
        ([1], {"sizes": [1, 2]}, "sizes: needs one for each of the 1 times, got 2"),
    ],
)
def test_other_columns_are_refused(times, options, message):
    with pytest.raises(SimulationError, match=message):
        Arrivals.of_times(times, **options)


def test_moved_events_keep_their_order_at_one_instant():
    arrivals = Arrivals.of_times([0, 1], types=["a", "b"], sizes=[5, 6])

    moved = arrivals.moved(np.array([9, 4, 4]), np.array([0, 1, 0]))

    assert moved.time_ns.tolist() == [4, 4, 9]
    assert moved.seq.tolist() == [1, 0, 0]
    assert moved.sizes is not None
    assert moved.sizes.tolist() == [6, 5, 5]
