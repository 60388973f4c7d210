"""The section on traffic: how much, when, of what, in which order."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from evanalytics.logs.profile import TrafficProfile
from evanalytics.plots.traffic import burstiness, events_over_time, gaps, lateness
from evanalytics.report.charts import chart
from evanalytics.report.markup import Markup, folded, join, named, pairs, section, table, tag
from evanalytics.report.wording import (
    counted,
    instant,
    instant_of,
    lasting,
    number,
    rate,
    seconds_lasting,
    share,
)

_NAMES = 20
_ROWS = 24
_QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


def traffic_section(profile: TrafficProfile) -> Markup:
    """Return the section on a log's traffic."""
    heading = "Traffic"
    if len(profile) == 0:
        return section("traffic", heading, tag("p", "There are no events, so there is no traffic to show."))
    return section(
        "traffic",
        heading,
        pairs(_summary(profile)),
        _timeline(profile),
        _names("type", profile.top_types(_NAMES), len(profile)),
        _names("source", profile.top_sources(_NAMES), len(profile)),
        tag("h3", "Gaps and bursts"),
        *_gaps(profile),
        *_bursts(profile),
        tag("h3", "Order of arrival"),
        _lateness(profile),
    )


def _summary(profile: TrafficProfile) -> list[tuple[str, str]]:
    span = timedelta(microseconds=profile.end_us - profile.start_us - 1)
    busiest = profile.burstiness()
    rows = [
        ("events", f"{len(profile):,}"),
        ("from, to (UTC)", f"{instant_of(profile.start_us)} to {instant_of(profile.end_us - 1)}"),
        ("span", lasting(span)),
        ("types, sources", f"{len(profile.types):,}, {len(profile.sources):,}"),
    ]
    if span:
        rows.append(("mean rate", rate(len(profile) / span.total_seconds())))
    if busiest.height:
        row = busiest.row(0, named=True)
        rows.append((f"busiest {seconds_lasting(row['window_s'])}", counted(row["peak"], "event")))
    rows.append(("out of order", share(profile.late_share)))
    return rows


def _timeline(profile: TrafficProfile) -> Markup:
    frame = profile.events_over_time()
    bins = profile.events_over_time(max_bins=_ROWS).group_by("time", "width", maintain_order=True)
    counts = bins.agg(pl.col("events").sum()).sort("time")
    peak = counts.sort("events", descending=True, maintain_order=True).row(0, named=True)
    width = lasting(peak["width"])
    rows = [(instant(time), f"{events:,}") for time, events in counts.select("time", "events").rows()]
    return chart(
        "events-over-time",
        events_over_time(frame),
        caption="Events over time",
        says=f"The busiest {width} begins at {instant(peak['time'])} UTC with "
        f"{counted(peak['events'], 'event')}; the mean is {number(counts['events'].mean() or 0)}.",  # type: ignore[arg-type]
        numbers=folded("Numbers", table(f"Events per {width}", ("from (UTC)", "events"), rows)),
    )


def _names(of: str, top: pl.DataFrame, events: int) -> Markup:
    rows = [
        (f"all other {of}s" if name is None else named(name), f"{count:,}", share(count, events))
        for name, count in top.rows()
    ]
    return table(f"Busiest {of}s", (of, "events", "share"), rows)


def _gaps(profile: TrafficProfile) -> tuple[Markup, ...]:
    if len(profile) < 2:
        return (tag("p", "One event alone has no gap to the next."),)
    frame = profile.gaps()
    figure = chart(
        "gaps",
        gaps(frame),
        caption="How long one event waits for the next",
        says=f"{share(frame['share'][0])} of the gaps are none at all: the next event is of the same "
        "instant. "
        "The dotted line is a steady random stream of the same rate.",
    )
    quiet = profile.silences()
    rows = [
        (instant(begin), instant(end), lasting(silence))
        for begin, end, silence in quiet.select("start", "end", "silence").rows()
    ]
    if not rows:
        return (figure,)
    return figure, table("Longest gaps", ("last event before (UTC)", "first after", "gap"), rows, left=2)


def _bursts(profile: TrafficProfile) -> tuple[Markup, ...]:
    frame = profile.burstiness()
    if frame.is_empty():
        return (tag("p", "The log is too short to compare busy windows with others."),)
    rows = [
        (seconds_lasting(window), number(mean), f"{peak:,}", number(ratio), number(spread))
        for window, mean, peak, ratio, spread in frame.select(
            "window_s", "mean", "peak", "peak_to_mean", "dispersion"
        ).rows()
    ]
    heads = ("window", "mean", "peak", "peak ÷ mean", "variance ÷ mean")
    first, last = frame.row(0, named=True), frame.row(-1, named=True)
    return (
        chart(
            "bursts",
            burstiness(frame),
            caption="How much busier the busiest window is",
            says=f"The busiest {seconds_lasting(first['window_s'])} holds "
            f"{number(first['peak_to_mean'])} times "
            f"the mean, the busiest {seconds_lasting(last['window_s'])} {number(last['peak_to_mean'])} "
            "times. "
            "Where variance ÷ mean is above 1, events come in bursts.",
            numbers=folded("Numbers", table("Events per window, by its width", heads, rows)),
        ),
    )


def _lateness(profile: TrafficProfile) -> Markup:
    frame = profile.lateness()
    if profile.late_share == 0:
        return tag("p", "Every event arrived in the order of its time; nothing is late.")
    rows = [
        (
            share(quantile),
            seconds_lasting(_within(frame, quantile)) if _within(frame, quantile) else "not late",
        )
        for quantile in _QUANTILES
    ]
    return join(
        [
            chart(
                "lateness",
                lateness(frame),
                caption="How late events arrive behind the latest time seen",
                says=f"{share(profile.late_share)} of the events come after a later one. A watermark "
                "that waits "
                "so long misses the rest.",
            ),
            table("Share of events that are at most so late", ("share of events", "late by at most"), rows),
        ]
    )


def _within(frame: pl.DataFrame, quantile: float) -> float:
    """Return how late the events of a share are at most, in seconds."""
    return float(frame.filter(pl.col("share") >= min(quantile, float(frame["share"][-1])))["late_s"][0])
