"""Pictures of many settings: a map over two knobs, and latency against cost with its front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from numpy.typing import NDArray

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Panel, figure_of
from evanalytics.plots.theme import COLORS, OTHER_COLOR, duration_axis
from evanalytics.plots.tuning import GOAL_COLOR

Point = Mapping[str, Any]
"""A row of the frame: one setting with its metrics."""

_COLORS_OF_THE_MAP = ((0.0, "#3C9AD6"), (0.4999, "#B9DCF0"), (0.5, "#F8D3B4"), (1.0, "#E0823F"))
_FACTOR = 10.0  # colours end where a latency is so many times better or worse than the goal


def settings_map(
    frame: pl.DataFrame,
    *,
    latency: str = "p99_ns",
    goal_s: float | None = None,
    current: Point | None = None,
    height: int = 380,
) -> go.Figure:
    """Return a latency over batch size and flush interval, from `sweep` over a grid of the two."""
    panel = settings_map_panel(frame, latency=latency, goal_s=goal_s, current=current)
    return figure_of(panel, height=height)


def pareto(
    tried: pl.DataFrame,
    front: pl.DataFrame,
    *,
    latency: str = "p99_ns",
    recommended: Point | None = None,
    goal_s: float | None = None,
    height: int = 380,
) -> go.Figure:
    """Return a latency against requests for all settings tried, and the front that none of them beats."""
    panel = pareto_panel(tried, front, latency=latency, recommended=recommended, goal_s=goal_s)
    return figure_of(panel, height=height)


def settings_map_panel(
    frame: pl.DataFrame,
    *,
    latency: str = "p99_ns",
    goal_s: float | None = None,
    current: Point | None = None,
    given: str = "",
    hint: str = "",
) -> Panel:
    """Return the panel: a heat map of a latency, blue where the goal is met; cells say the requests.

    Args:
        frame: Columns max_batch_size, flush_interval_us, the latency's, requests; each pair at most once.
        latency: The latency's column, in nanoseconds.
        goal_s: The latency at which blue turns orange; the median of all if left out.
        current: A setting to mark; it is put where it belongs between the cells' values.
        given: Where the other knobs are.
        hint: What a click on a cell does, if anything.
    """
    sizes = frame["max_batch_size"].unique().sort().to_list()
    intervals = frame["flush_interval_us"].unique().sort().to_list()
    late_s, requests = (
        _matrix(frame, latency, sizes, intervals) / 1e9,
        _matrix(frame, "requests", sizes, intervals),
    )
    name, known = _name(latency), late_s[np.isfinite(late_s)]
    middle = goal_s or (float(np.median(known)) if known.size else 1.0)
    cells = {
        "type": "heatmap",
        "name": "settings",
        "x": list(range(len(intervals))),
        "y": list(range(len(sizes))),
        "z": [floats(row) for row in np.log(np.maximum(late_s, 1e-9) / middle)],
        "zmin": -np.log(_FACTOR),
        "zmax": np.log(_FACTOR),
        "colorscale": [list(stop) for stop in _COLORS_OF_THE_MAP],
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "text": [[_count_text(value) for value in row] for row in requests],
        "texttemplate": "%{text}",
        "textfont": {"size": 10, "color": "#101418"},
        "customdata": [
            [_hover(name, late, count) for late, count in zip(*rows, strict=True)]
            for rows in zip(late_s, requests, strict=True)
        ],
        "hovertemplate": "%{customdata}" + (f"<br>{hint}" if hint else "") + "<extra></extra>",
        "hoverongaps": False,
    }
    title = f"{name} at {given}" if given else f"{name} latency"
    blue = "is below the median" if goal_s is None else "meets the goal"
    return Panel(
        title=f"<b>{title}</b>  <span style='color:#3C9AD6'>■</span> {blue}, numbers are requests",
        traces=[cells, _mark(current, sizes, intervals)],
        xaxis={
            "title": {"text": "flush interval"},
            **_categories(intervals, _interval_text, 7),
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "max batch size (events)"},
            **_categories(sizes, str, 12),
            "fixedrange": True,
        },
    )


def pareto_panel(
    tried: pl.DataFrame,
    front: pl.DataFrame,
    *,
    latency: str = "p99_ns",
    recommended: Point | None = None,
    current: Point | None = None,
    goal_s: float | None = None,
) -> Panel:
    """Return the panel: one point per setting; the fewer requests and the lower the latency, the better."""
    name = _name(latency)
    shown, edge = _places(tried, latency), _places(front, latency)
    best, now = (_places(_row_of(point, latency), latency) for point in (recommended, current))
    points = pl.concat([shown, best, now])
    low, high = _limits(points["late_s"], (1e-2, 10.0))
    least, most = _limits(points["requests"], (1.0, 10.0))
    goal = [] if goal_s is None else [goal_s, goal_s]
    traces = [
        _points(shown, name, "tried", {"size": 4, "color": OTHER_COLOR, "opacity": 0.45}),
        _points(
            edge,
            name,
            "front",
            {"size": 6, "color": COLORS[0]},
            line={"color": COLORS[0], "width": 2, "shape": "hv"},
        ),
        _goal([least * 0.8, most * 1.25][: len(goal)], goal),
        _points(
            now,
            name,
            "now",
            {"size": 12, "color": COLORS[2], "symbol": "circle-open", "line": {"width": 3}},
        ),
        _points(best, name, "recommended", {"size": 15, "color": COLORS[1], "symbol": "star"}),
    ]
    entries = [("front", COLORS[0], "●")]
    entries += [("now", COLORS[2], "○")] if current else []
    entries += [("best", COLORS[1], "★")] if recommended else []
    legend = "  ".join(f"<span style='color:{color}'>{sign}</span> {text}" for text, color, sign in entries)
    return Panel(
        title=f"<b>{name} against requests</b>  {legend}",
        traces=traces,
        xaxis={
            "title": {"text": "requests"},
            "type": "log",
            "range": [float(np.log10(least * 0.8)), float(np.log10(most * 1.25))],
            "nticks": 5,
            "tickformat": "~s",
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": f"{name} latency"},
            **duration_axis(low, high, most_ticks=6),
            "fixedrange": True,
        },
    )


def _points(
    frame: pl.DataFrame,
    latency: str,
    name: str,
    marker: dict[str, Any],
    *,
    line: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers" if line else "markers",
        "name": name,
        "x": floats(frame["requests"]),
        "y": floats(frame["late_s"]),
        "marker": marker,
        "line": line or {"width": 0},
        "hovertemplate": f"{name}: " + "%{x:,} requests, " + latency + " %{y:.3~s}s<extra></extra>",
    }


def _goal(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "goal",
        "x": floats(x),
        "y": floats(y),
        "line": {"color": GOAL_COLOR, "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }


def _mark(current: Point | None, sizes: Sequence[int], intervals: Sequence[int]) -> dict[str, Any]:
    x = [] if current is None or not intervals else [_place(current["flush_interval_us"], intervals)]
    y = [] if current is None or not sizes else [_place(current["max_batch_size"], sizes)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "now",
        "x": floats(x),
        "y": floats(y),
        "marker": {"symbol": "circle-open", "size": 18, "color": COLORS[2], "line": {"width": 3}},
        "hoverinfo": "skip",
    }


def _place(value: int, values: Sequence[int]) -> float:
    """Return where a value lies among rising ones, as a fractional index; the ends are the ends."""
    return float(np.interp(np.log1p(value), np.log1p(values), np.arange(len(values))))


def _matrix(
    frame: pl.DataFrame, column: str, sizes: Sequence[int], intervals: Sequence[int]
) -> NDArray[np.float64]:
    matrix = np.full((len(sizes), len(intervals)), np.nan)
    rows = {size: place for place, size in enumerate(sizes)}
    columns = {interval: place for place, interval in enumerate(intervals)}
    for size, interval, value in frame.select("max_batch_size", "flush_interval_us", column).rows():
        if value is not None:
            matrix[rows[size], columns[interval]] = value
    return matrix


def _categories(values: Sequence[int], text: Any, most_ticks: int) -> dict[str, Any]:
    every = max(-(-len(values) // most_ticks), 1)
    places = list(range(0, len(values), every))
    span = [-0.5, max(len(values), 1) - 0.5]
    return {"tickvals": places, "ticktext": [text(values[place]) for place in places], "range": span}


def _row_of(point: Point | None, latency: str) -> pl.DataFrame:
    schema = {"requests": pl.Int64, latency: pl.Int64}
    return pl.DataFrame([{name: point[name] for name in schema}] if point else [], schema=schema)


def _places(frame: pl.DataFrame, latency: str) -> pl.DataFrame:
    """Return where settings lie: requests, and late_s; those that lost the event in question are left out."""
    return frame.drop_nulls(["requests", latency]).select("requests", late_s=pl.col(latency) / 1e9)


def _limits(values: pl.Series, otherwise: tuple[float, float]) -> tuple[float, float]:
    positive = values.filter(values > 0)
    return (float(positive.min()), float(positive.max())) if len(positive) else otherwise  # type: ignore[arg-type]


def _name(latency: str) -> str:
    """Return a latency's column as people write it: "p99.9" for "p99_9_ns"."""
    return latency.removesuffix("_ns").replace("_", ".")


def _hover(name: str, late_s: float, requests: float) -> str:
    if not np.isfinite(late_s):
        return "events were handed back"
    return f"{name} {late_s:.3g} s, {requests:,.0f} requests"


def _count_text(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def _interval_text(us: int) -> str:
    for unit, size in (("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000)):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us} µs"
