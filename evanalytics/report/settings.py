"""The section on settings: which keep to the SLO, what was tried, and what a rate limit costs."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from evanalytics.plots.tradeoff import pareto, settings_map
from evanalytics.report.charts import chart
from evanalytics.report.markup import Markup, folded, listed, pairs, section, sentence, table, tag
from evanalytics.report.wording import counted, lasting, number, share
from evanalytics.tuning.advise import Advice
from evanalytics.tuning.constraints import format_ns
from evanalytics.tuning.export import to_python
from evanalytics.tuning.recommend import Recommendation
from evanalytics.tuning.settings import Settings

_FRONT = 12
_US = 1_000


def settings_section(advice: Advice) -> Markup:
    """Return the section on what to set for batching and throttling."""
    return section(
        "settings",
        "Batching and throttling",
        tag("p", "Wanted: ", tag("strong", advice.goal), ", with as few requests as possible."),
        tag("p", settings_sentence(advice)),
        *_found(advice),
        *_given(advice.base),
        *_tried(advice),
        *_limits(advice),
        *_files(advice),
    )


def settings_sentence(advice: Advice) -> str:
    """Return what to set, or why nothing will do, in one or two sentences."""
    if advice.found is None:
        return f"No settings are recommended: {sentence(advice.refusal)}."
    batch, metrics = advice.found.settings.batch, advice.found.metrics
    each = number(metrics["events"] / max(metrics["requests"], 1))
    return (
        f"Batches of at most {counted(batch.max_batch_size, 'event')} that wait at most "
        f"{lasting(batch.flush_interval)} keep to {advice.goal} with {metrics['requests']:,} requests, "
        f"{each} event{'' if each == '1' else 's'} each; p99 is {format_ns(metrics['p99_ns'])}."
    )


def _found(advice: Advice) -> Iterator[Markup]:
    found = advice.found
    if found is None:
        return
    names = ("events", "batches", "requests", "attempts", "handed_back")
    rows = [(name.replace("_", " "), f"{found.metrics[name]:,}") for name in names]
    times = (
        ("p50", "p50_ns"),
        ("p90", "p90_ns"),
        ("p99", "p99_ns"),
        ("p99.9", "p99_9_ns"),
        ("max", "max_ns"),
    )
    rows += [(f"{name} latency", format_ns(found.metrics[column])) for name, column in times]
    yield table("What the settings do to this log, simulated", ("metric", "value"), rows)
    yield listed([*map(sentence, found.notes), *_interval(found)])


def _interval(found: Recommendation) -> Iterator[str]:
    if len(found.resampled):
        low, high = found.interval("p99")
        yield f"90 of 100 logs resampled from this one have a p99 from {format_ns(low)} to {format_ns(high)}"


def _given(base: Settings) -> Iterator[Markup]:
    service, limit = base.delivery.service, base.throttle.limit_of("publish")
    slots = base.delivery.max_in_flight
    call = lasting(service.fixed)
    call += f" + {lasting(service.per_event)} per event" if service.per_event else ""
    call += f" + {service.distribution} scatter" if service.distribution != "constant" else ""
    rows = [
        ("a call takes", call),
        ("calls that fail", share(service.failure_rate)),
        ("calls at once", "any number" if slots is None else f"at most {slots:,}"),
        ("limit", "none given" if limit is None else f"{limit!r}"),
    ]
    yield tag("h3", "What was taken as given")
    yield pairs(rows)
    yield tag(
        "p",
        "Measure your own calls with ev.calibrate and give what it finds; every latency here depends on it.",
        class_="hint",
    )


def _tried(advice: Advice) -> Iterator[Markup]:
    grid, metrics = advice.grid, advice.found.metrics if advice.found else None
    if grid.is_empty():
        return
    yield tag("h3", "What was tried")
    fewest, most = (
        (f"{advice.front['requests'][place]:,}" for place in (0, -1)) if len(advice.front) else ("", "")
    )
    yield chart(
        "front",
        pareto(advice.tried, advice.front, recommended=metrics, goal_s=advice.goal_s),
        caption="p99 latency against requests, a point for each setting",
        says=f"{counted(len(advice.tried), 'setting')} tried; {len(advice.front):,} of them no other beats"
        + (f", from {fewest} to {most} requests" if fewest else "")
        + ". The dashed line is the goal"
        + (", the star what is recommended." if metrics else "."),
        numbers=folded("Numbers", _front(advice.front)),
    )
    met = grid.filter(pl.col("p99_ns") <= round((advice.goal_s or 0) * 1e9)).height
    yield chart(
        "map",
        settings_map(grid, goal_s=advice.goal_s, current=metrics),
        caption="p99 latency by batch size and flush interval",
        says=(
            f"{met} of {len(grid)} settings have a p99 within {format_ns(round(advice.goal_s * 1e9))}. "
            if advice.goal_s
            else ""
        )
        + "Blue is below the goal, orange above it"
        + ("; the ring is what is recommended." if metrics else "."),
        numbers=folded("Numbers", _map(grid)),
    )


def _front(front: pl.DataFrame) -> Markup:
    shown = front.gather_every(max(len(front) // _FRONT, 1))
    rows = [
        (f"{requests:,}", format_ns(p99), format_ns(p50), f"{size:,}", format_ns(interval * _US))
        for requests, p99, p50, size, interval in shown.select(
            "requests", "p99_ns", "p50_ns", "max_batch_size", "flush_interval_us"
        ).rows()
    ]
    heads = ("requests", "p99", "p50", "max batch size", "flush interval")
    return table("Settings that no other beats", heads, rows)


def _map(grid: pl.DataFrame) -> Markup:
    intervals = grid["flush_interval_us"].unique().sort().to_list()
    cells = {
        (size, interval): format_ns(p99)
        for size, interval, p99 in grid.select("max_batch_size", "flush_interval_us", "p99_ns").rows()
    }
    rows = [
        (f"{size:,}", *(cells.get((size, interval), "") for interval in intervals))
        for size in grid["max_batch_size"].unique().sort()
    ]
    heads = ("max batch size", *(format_ns(interval * _US) for interval in intervals))
    return table("p99 by batch size (rows) and flush interval (columns)", heads, rows)


def _limits(advice: Advice) -> Iterator[Markup]:
    if advice.found is None:
        return
    yield tag("h3", "How low a rate limit may be")
    if advice.least_limit is None:
        yield tag("p", "A limit was given, and the settings above keep to it.")
        return
    most = max(advice.limits["max_requests"])
    yield tag(
        "p",
        f"From {counted(most, 'request')} per second on, a limit is never felt by this log; the "
        "settings below have "
        f"that one. The lowest with which they keep to {advice.goal} is {advice.least_limit:,} per second.",
    )
    rows = [
        (f"{limit:,}", format_ns(p50), format_ns(p99), format_ns(longest))
        for limit, p50, p99, longest in advice.limits.select(
            "max_requests", "p50_ns", "p99_ns", "max_ns"
        ).rows()
    ]
    heads = ("requests per second", "p50", "p99", "max")
    yield table("Latency under a sliding window of so many requests", heads, rows)


def _files(advice: Advice) -> Iterator[Markup]:
    if advice.settings is None:
        return
    yield tag("h3", "The settings, to run them")
    texts = {
        "As JSON, for Settings.from_json": advice.settings.to_json(),
        "As Python": to_python(advice.settings),
    }
    for name, text in texts.items():
        yield tag("h4", name)
        yield tag("pre", tag("code", text), tabindex="0", aria_label=name)
