from datetime import UTC, datetime, timedelta

import plotly.graph_objects as go
import polars as pl
import pytest

from evanalytics.logs.log import EventLog
from evanalytics.logs.profile import TrafficProfile
from evanalytics.plots import burstiness, events_over_time, gaps, lateness, top_names
from evanalytics.plots.theme import COLORS, OTHER_COLOR
from evanalytics.plots.traffic import details_board, timeline_board

START = datetime(2026, 1, 1, tzinfo=UTC)
NASTY = "<script>alert(1)</script><b>$x$</b>" + "y" * 10_000


def profile(types: list[str], *, step: timedelta = timedelta(seconds=1)) -> TrafficProfile:
    frame = pl.DataFrame(
        {
            "id": [str(place) for place in range(len(types))],
            "type": types,
            "source": ["shop"] * len(types),
            "time": [START + step * place for place in range(len(types))],
        },
        schema={"id": pl.String, "type": pl.String, "source": pl.String, "time": pl.Datetime("us", "UTC")},
    )
    return TrafficProfile.of(EventLog.from_frame(frame))


def all_figures(profile: TrafficProfile) -> list[go.Figure]:
    return [
        events_over_time(profile.events_over_time()),
        gaps(profile.gaps()),
        burstiness(profile.burstiness()),
        lateness(profile.lateness()),
        top_names(profile.top_types()),
    ]


@pytest.mark.parametrize("types", [[], ["a"], ["a", "b", "a"], list("abcdefghij") * 20])
def test_every_axis_has_a_title(types: list[str]) -> None:
    for figure in all_figures(profile(types)):
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text


@pytest.mark.parametrize("types", [["a"], [str(place % 1_000) for place in range(20_000)]])
def test_no_trace_has_more_than_two_thousand_points(types: list[str]) -> None:
    for figure in all_figures(profile(types)):
        assert all(len(trace.y) <= 2_000 for trace in figure.data)


def test_time_starts_at_the_first_bin_in_utc() -> None:
    figure = events_over_time(profile(["a"] * 10).events_over_time())

    assert figure.data[0].x0 == "2026-01-01T00:00:00.000000"
    assert figure.layout.xaxis.type == "date"
    assert figure.layout.xaxis.title.text == "time (UTC)"


def test_the_counts_are_per_a_width_that_is_named() -> None:
    figure = events_over_time(profile(["a"] * 3_600).events_over_time(max_bins=100))

    assert figure.layout.yaxis.title.text == "events per 1 min"
    assert figure.data[0].dx == 60_000
    assert list(figure.data[0].y[:-1]) == [60] * 60


def test_the_last_step_is_as_wide_as_the_others() -> None:
    figure = events_over_time(profile(["a", "a"]).events_over_time())

    assert figure.data[0].y[-1] == figure.data[0].y[-2]


def test_types_keep_their_colour_when_another_is_left_out() -> None:
    whole = profile(["a", "a", "b"])

    figure = events_over_time(whole.only({"b"}).events_over_time())

    assert [trace.fillcolor for trace in figure.data] == [COLORS[0], COLORS[1]]
    assert sum(figure.data[0].y) == 0


def test_types_past_the_colours_are_drawn_together_in_grey() -> None:
    figure = events_over_time(profile(list("abcdefgh")).events_over_time())

    assert figure.data[-1].name == "all other types"
    assert figure.data[-1].fillcolor == OTHER_COLOR


def test_names_of_a_log_cannot_become_markup() -> None:
    for figure in all_figures(profile([NASTY, "a"])):
        assert "<script" not in figure.to_json()
        assert "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" not in figure.to_json()


def test_gaps_say_how_many_events_share_an_instant() -> None:
    figure = gaps(profile(["a"] * 5, step=timedelta(0)).gaps())

    assert "100% at one instant" in figure.layout.annotations[0].text


def test_bursts_say_the_highest_peak() -> None:
    figure = burstiness(profile(["a"] * 1_000).burstiness())

    assert "peak 1 in 100 ms" in figure.layout.annotations[0].text


@pytest.mark.parametrize("types", [["a"], ["a", "b"] * 500])
def test_boards_keep_their_traces_whatever_is_chosen(types: list[str]) -> None:
    def kinds(chosen: TrafficProfile) -> list[tuple[str, ...]]:
        timeline = timeline_board(chosen.events_over_time())
        details = details_board(
            gaps=chosen.gaps(), burstiness=chosen.burstiness(), lateness=chosen.lateness()
        )
        panels = [*timeline.panels, *details.panels]
        return [tuple(sorted(trace)) for panel in panels for trace in panel.traces]

    whole = profile(types)

    assert kinds(whole) == kinds(whole.only(())) == kinds(whole.between(0, 0))
