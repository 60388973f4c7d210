from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.logs.log import EventLog
from evanalytics.logs.profile import TrafficProfile

START = datetime(2026, 1, 1, tzinfo=UTC)
Rows = list[tuple[int, str]]
"""Milliseconds after the start, and type, in order of arrival."""

rows = st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from("abcd")), max_size=60)


def log_of(rows: Rows) -> EventLog:
    columns = {
        "id": [str(place) for place in range(len(rows))],
        "type": [kind for _, kind in rows],
        "source": [f"source-{ms % 3}" for ms, _ in rows],
        "time": [START + timedelta(milliseconds=ms) for ms, _ in rows],
    }
    schema = {"id": pl.String, "type": pl.String, "source": pl.String, "time": pl.Datetime("us", "UTC")}
    return EventLog.from_frame(pl.DataFrame(columns, schema=schema))


def profile_of(rows: Rows, *, named_types: int = 6) -> TrafficProfile:
    return TrafficProfile.of(log_of(rows), named_types=named_types)


def us(ms: int) -> int:
    return int(START.timestamp() * 1e6) + ms * 1_000


@settings(deadline=None)
@given(rows, st.integers(1, 4), st.integers(2, 40))
def test_every_event_is_in_one_bin_of_its_type(rows: Rows, named: int, bins: int) -> None:
    profile = profile_of(rows, named_types=named)

    frame = profile.events_over_time(max_bins=bins)

    counted = dict(frame.group_by("type").agg(pl.col("events").sum()).rows())
    busiest = profile.types[:named]
    expected = Counter(kind if kind in busiest else None for _, kind in rows)
    assert {kind: count for kind, count in counted.items() if count} == expected
    assert frame["time"].n_unique() <= bins


@settings(deadline=None)
@given(rows, st.integers(-100, 5_100), st.integers(-100, 5_100), st.sets(st.sampled_from("abcd")))
def test_a_narrower_profile_holds_just_the_chosen_events(rows: Rows, a: int, b: int, types: set[str]) -> None:
    profile = profile_of(rows).only(types).between(us(min(a, b)), us(max(a, b)))

    chosen = [kind for ms, kind in rows if min(a, b) <= ms < max(a, b) and kind in types]
    assert len(profile) == len(chosen)
    assert profile.events_over_time()["events"].sum() == len(chosen)
    assert profile.top_sources()["events"].sum() == len(chosen)
    assert dict(profile.top_types().rows()) == Counter(chosen)
    assert profile.counts(7).sum() == len(chosen)


@settings(deadline=None)
@given(rows)
def test_lateness_counts_events_behind_the_latest_time_seen(rows: Rows) -> None:
    latest, late = -1, 0
    for ms, _ in rows:
        late += ms < latest
        latest = max(latest, ms)

    profile = profile_of(rows)

    assert profile.late_share == pytest.approx(late / max(len(rows), 1))
    assert profile.late_share == pytest.approx(log_of(rows).report.out_of_order)
    if rows:
        share = profile.lateness()["share"]
        assert share[0] == pytest.approx(1 - profile.late_share)
        assert share[-1] == pytest.approx(1)


def test_lateness_is_measured_before_types_are_chosen() -> None:
    profile = profile_of([(1_000, "a"), (500, "b"), (600, "b")]).only({"b"})

    assert profile.late_share == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from("ab")), min_size=2, max_size=60))
def test_gaps_share_out_all_waits(rows: Rows) -> None:
    frame = profile_of(rows).gaps()

    times = sorted(ms for ms, _ in rows)
    at_once = sum(earlier == later for earlier, later in pairwise(times))
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["share"][0] == pytest.approx(at_once / (len(rows) - 1))


def test_gaps_of_one_second_lie_in_the_bin_of_one_second() -> None:
    frame = profile_of([(second * 1_000, "a") for second in range(100)]).gaps().filter(pl.col("share") > 0)

    assert frame.height == 1
    assert frame["from_s"][0] <= 1 < frame["until_s"][0]


def test_gaps_restart_after_types_are_chosen() -> None:
    rows = [(0, "a"), (1, "b"), (1_000, "a")]

    frame = profile_of(rows).only({"a"}).gaps().filter(pl.col("share") > 0)

    assert frame.height == 1
    assert frame["from_s"][0] <= 1 < frame["until_s"][0]


def test_a_clockwork_has_no_dispersion() -> None:
    frame = profile_of([(second * 1_000, "a") for second in range(100)]).burstiness()

    seconds = frame.filter(pl.col("window_s") == 1).row(0, named=True)
    assert seconds["peak_to_mean"] == 1
    assert seconds["dispersion"] == 0


def test_a_burst_shows_in_the_peak() -> None:
    rows = [(second * 1_000, "a") for second in range(100)] + [(50_500, "a")] * 49

    seconds = profile_of(rows).burstiness().filter(pl.col("window_s") == 1).row(0, named=True)

    assert seconds["peak"] == 50
    assert seconds["mean"] == pytest.approx(148 / 99)


def test_bins_lie_on_multiples_of_a_readable_width() -> None:
    frame = profile_of([(second * 1_000, "a") for second in range(3_600)]).events_over_time(max_bins=100)

    assert frame["width"][0] == timedelta(minutes=1)
    assert frame["time"][0] == START
    assert frame["events"].to_list() == [60] * 60


def test_types_past_the_named_ones_are_one_series() -> None:
    frame = profile_of([(0, "a"), (0, "a"), (1, "b"), (2, "c")], named_types=1).events_over_time()

    assert frame["type"].unique(maintain_order=True).to_list() == ["a", None]
    assert frame.filter(pl.col("type").is_null())["events"].sum() == 2


def test_the_busiest_names_come_first_and_the_rest_together() -> None:
    rows = [(0, "a"), (1, "b"), (2, "b"), (3, "c")]

    assert profile_of(rows).top_types(2).rows() == [("b", 2), ("a", 1), (None, 1)]


def test_the_log_without_events_has_empty_frames() -> None:
    profile = profile_of([])

    assert len(profile) == 0
    assert profile.events_over_time().height == 0
    assert profile.gaps().height == profile.burstiness().height == profile.lateness().height == 0
    assert profile.top_types().height == 0


def test_one_event_is_one_bin() -> None:
    frame = profile_of([(0, "a")]).events_over_time()

    assert frame["events"].to_list() == [1]


def test_times_centuries_apart_are_binned() -> None:
    times = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    frame = pl.DataFrame({"id": ["1", "2"], "type": "a", "source": "s", "time": times})

    profile = TrafficProfile.of(EventLog.from_frame(frame))

    assert profile.events_over_time()["events"].sum() == 2
    assert profile.gaps()["share"].sum() == pytest.approx(1)


def test_the_longest_silences_come_first() -> None:
    quiet = profile_of([(0, "a"), (10, "a"), (5_000, "b"), (5_000, "a"), (6_000, "b")]).silences(2)

    assert quiet["silence"].to_list() == [timedelta(milliseconds=4_990), timedelta(seconds=1)]
    assert quiet["start"][0] == START + timedelta(milliseconds=10)
    assert quiet["end"][0] == START + timedelta(seconds=5)


@pytest.mark.parametrize("rows", [[], [(0, "a")], [(7, "a"), (7, "b")]])
def test_without_a_gap_there_is_no_silence(rows: Rows) -> None:
    assert profile_of(rows).silences().is_empty()
