"""The section on settings: which keep to the SLO, what was tried, and what a rate limit costs."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from evanalytics.plots.tradeoff import pareto, settings_map
from evanalytics.report.charts import chart
from evanalytics.report.markup import Markup, folded, listed, pairs, section, sentence, table, tag
from evanalytics.report.wording import counted, lasting, number, share
from evanalytics.tuning.advise import Advice
from evanalytics.tuning.constraints import format_bound, format_ns, metric_name
from evanalytics.tuning.explore import LatencyGoal
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
    batch, metrics, latency = advice.found.settings.batch, advice.found.metrics, advice.latency
    each = number(metrics["events"] / max(metrics["requests"], 1))
    return (
        f"Batches of at most {counted(batch.max_batch_size, 'event')} that wait at most "
        f"{lasting(batch.flush_interval)} keep to {advice.goal} with {metrics['requests']:,} requests, "
        f"{each} event{'' if each == '1' else 's'} each; "
        f"{latency.name} is {format_ns(metrics[latency.column])}."
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
    latency, goal_s = advice.latency, advice.latency.most_s
    if grid.is_empty():
        return
    yield tag("h3", "What was tried")
    fewest, most = (
        (f"{advice.front['requests'][place]:,}" for place in (0, -1)) if len(advice.front) else ("", "")
    )
    yield chart(
        "front",
        pareto(advice.tried, advice.front, latency=latency.column, recommended=metrics, goal_s=goal_s),
        caption=f"{latency.name} latency against requests, a point for each setting",
        says=f"{counted(len(advice.tried), 'setting')} tried; {len(advice.front):,} of them no other beats"
        + (f", from {fewest} to {most} requests" if fewest else "")
        + (". The dashed line is the goal" if goal_s else "")
        + (". The star is what is recommended." if metrics else "."),
        numbers=folded("Numbers", _front(advice.front, latency)),
    )
    yield chart(
        "map",
        settings_map(grid, latency=latency.column, goal_s=goal_s, current=metrics),
        caption=f"{latency.name} latency by batch size and flush interval",
        says=_met(grid, latency) + ("; the ring is what is recommended." if metrics else "."),
        numbers=folded("Numbers", _map(grid, latency)),
    )


def _met(grid: pl.DataFrame, latency: LatencyGoal) -> str:
    if latency.most_ns is None:
        return f"Blue is a {latency.name} below the median of all, orange one above it"
    met = grid.filter(pl.col(latency.column) <= latency.most_ns).height
    within = f"{met} of {len(grid)} settings have a {latency.name} within {format_bound(latency.most_ns)}"
    return f"{within}. Blue is below the goal, orange above it"


def _front(front: pl.DataFrame, latency: LatencyGoal) -> Markup:
    shown = front.gather_every(max(len(front) // _FRONT, 1))
    rows = [
        (f"{requests:,}", *map(format_ns, latencies), f"{size:,}", format_ns(interval * _US))
        for requests, size, interval, *latencies in shown.select(
            "requests", "max_batch_size", "flush_interval_us", *latency.beside
        ).rows()
    ]
    heads = ("requests", *map(metric_name, latency.beside), "max batch size", "flush interval")
    return table("Settings that no other beats", heads, rows)


def _map(grid: pl.DataFrame, latency: LatencyGoal) -> Markup:
    intervals = grid["flush_interval_us"].unique().sort().to_list()
    cells = {
        (size, interval): format_ns(late)
        for size, interval, late in grid.select("max_batch_size", "flush_interval_us", latency.column).rows()
    }
    rows = [
        (f"{size:,}", *(cells.get((size, interval), "") for interval in intervals))
        for size in grid["max_batch_size"].unique().sort()
    ]
    heads = ("max batch size", *(format_ns(interval * _US) for interval in intervals))
    return table(f"{latency.name} by batch size (rows) and flush interval (columns)", heads, rows)


def _limits(advice: Advice) -> Iterator[Markup]:
    if advice.found is None:
        return
    yield tag("h3", "How low a rate limit may be")
    if advice.least_limit is None:
        yield tag("p", _given_limit(advice.base))
        return
    most = max(advice.limits["max_requests"])
    yield tag(
        "p",
        f"From {counted(most, 'request')} per second on, a limit is never felt by this log; the "
        "settings below have "
        f"that one. The lowest with which they keep to {advice.goal} is {advice.least_limit:,} per second.",
    )
    rows = [
        (f"{limit:,}", *map(format_ns, latencies))
        for limit, *latencies in advice.limits.select("max_requests", *advice.latency.beside).rows()
    ]
    heads = ("requests per second", *map(metric_name, advice.latency.beside))
    yield table("Latency under a sliding window of so many requests", heads, rows)


def _given_limit(base: Settings) -> str:
    if base.throttle.limit_of("publish") is None:
        return "Not looked for: tokens are spent per event, and only a limit on requests is looked for."
    return "A limit was given, and the settings above keep to it."


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
