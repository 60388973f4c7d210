"""Stretches of a log: picked, busiest, counted."""

import numpy as np
import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.tuning.stretch import arrivals_between, busiest_stretch, events_per_bin

ARRIVALS = Arrivals.of_times([0, 10, 11, 12, 40], unit="us", types=list("abcde"))


def test_a_stretch_begins_at_its_start_and_leaves_out_its_end() -> None:
    part = arrivals_between(ARRIVALS, 5, 12)

    assert part.time_ns.tolist() == [5_000, 6_000]
    assert [part.type_names[place] for place in part.types] == ["b", "c"]
    assert part.start_us == 5


def test_the_busiest_stretch_holds_the_most_events() -> None:
    begin, end = busiest_stretch(ARRIVALS, "3us")

    assert (begin.microsecond, end.microsecond) == (10, 13)


def test_the_earliest_of_equally_busy_stretches_is_taken() -> None:
    assert busiest_stretch(ARRIVALS, "1us")[0].microsecond == 0


def test_an_empty_log_has_no_busiest_stretch() -> None:
    with pytest.raises(TuningError, match="no events"):
        busiest_stretch(Arrivals.of_times([]), "1s")


def test_bins_count_every_event_once() -> None:
    counts = events_per_bin(ARRIVALS, 0, 41, 4)

    assert counts.tolist() == [1, 3, 0, 1]
    assert int(np.sum(counts)) == len(ARRIVALS)


def test_the_busiest_stretch_ends_before_too_many_events() -> None:
    begin, end = busiest_stretch(ARRIVALS, "3us", most_events=2)

    assert (begin.microsecond, end.microsecond) == (10, 12)


def test_a_bound_that_is_not_reached_changes_nothing() -> None:
    assert busiest_stretch(ARRIVALS, "3us", most_events=3) == busiest_stretch(ARRIVALS, "3us")


def test_an_instant_is_never_cut() -> None:
    arrivals = Arrivals.of_times([5, 5, 5, 6], unit="us")

    begin, end = busiest_stretch(arrivals, "1s", most_events=2)

    assert (begin.microsecond, end.microsecond) == (5, 6)
