"""Pictures of what happens inside: who waits where, tokens spent, and what the waiting is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Panel, figure_of
from evanalytics.plots.theme import COLORS

CAUSE_COLORS: Mapping[str, str] = {
    "batching": COLORS[1],
    "slot": COLORS[5],
    "tokens": COLORS[3],
    "backoff": COLORS[2],
    "service": COLORS[0],
}
"""What an event's time goes into, and the colour of each cause."""

_LEAST_SHARE = 0.01  # a cause of less is drawn, but not named
_STATES = {
    "in_batch": ("batch", CAUSE_COLORS["batching"]),
    "waiting": ("waiting", CAUSE_COLORS["tokens"]),
    "in_flight": ("in flight", CAUSE_COLORS["service"]),
}


def queue_depth(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return how many events are held over time, from `Simulation.queue()`."""
    return figure_of(queue_panel(frame), height=height)


def tokens_over_time(
    frame: pl.DataFrame, *, limit_per_second: float | None = None, height: int = 320
) -> go.Figure:
    """Return how many tokens are spent per second, from `Simulation.queue()`."""
    return figure_of(tokens_panel(frame, limit_per_second=limit_per_second), height=height)


def waits(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return what the events' time goes into, by cause, from `Simulation.waits(bins)`."""
    return figure_of(waits_panel(frame), height=height)


def queue_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: events held, stacked by where they are."""
    evenly = _evenly(frame)
    traces = [_area(evenly, frame[column], name, color, "held") for column, (name, color) in _STATES.items()]
    return Panel(
        title=f"<b>Held events</b>  {_legend(_STATES.values())}",
        traces=traces,
        xaxis=_time_axis("time (UTC)", ticks=4),
        yaxis={"title": {"text": "events held"}, "fixedrange": True},
    )


def tokens_panel(frame: pl.DataFrame, *, limit_per_second: float | None = None) -> Panel:
    """Return the panel: tokens spent per second, and how many may be."""
    at_s = frame["at_ns"].to_numpy() / 1e9
    width = at_s[0] if len(at_s) else 1.0
    limit = [limit_per_second] * 2 if limit_per_second and len(at_s) else []
    ends = frame["time"].gather([0, -1]) if limit else frame["time"].head(0)
    line = {"color": CAUSE_COLORS["tokens"], "width": 1.5, "dash": "dash"}
    return Panel(
        title="<b>Tokens spent</b>" + (f"  {_legend([('limit', CAUSE_COLORS['tokens'])])}" if limit else ""),
        traces=[
            _line(
                _evenly(frame),
                frame["tokens"].to_numpy() / width,
                "spent",
                {"color": COLORS[0], "width": 1.5},
            ),
            _line({"x": _times(ends)}, limit, "limit", line),
        ],
        xaxis=_time_axis("time (UTC)", ticks=4),
        yaxis={"title": {"text": "tokens per second"}, "fixedrange": True},
    )


def waits_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: the mean latency of the events that arrive then, stacked by its causes."""
    parts = {cause: frame.filter(pl.col("cause") == cause) for cause in CAUSE_COLORS}
    traces = [
        _area(
            {"x": _times(part["time"])},
            part["mean_ns"] / 1e9,
            cause,
            CAUSE_COLORS[cause],
            "causes",
            seconds=True,
        )
        for cause, part in parts.items()
    ]
    least = _LEAST_SHARE * float(frame["mean_ns"].sum())
    present = [(cause, CAUSE_COLORS[cause]) for cause, part in parts.items() if part["mean_ns"].sum() > least]
    return Panel(
        title=f"<b>Why did it wait?</b>  {_legend(present)}",
        traces=traces,
        xaxis=_time_axis("arrival (UTC)", ticks=6),
        yaxis={"title": {"text": "mean latency (s)"}, "fixedrange": True},
    )


def _area(
    x: Mapping[str, Any], y: pl.Series, name: str, color: str, group: str, *, seconds: bool = False
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        **x,
        "y": floats(y),
        "stackgroup": group,
        "fillcolor": color,
        "line": {"width": 0.5, "color": color, "shape": "linear"},
        "hovertemplate": "%{y:.3~g} s" if seconds else "%{y:,}",
    }


def _line(x: Mapping[str, Any], y: Any, name: str, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        **x,
        "y": floats(y),
        "line": line,
        "hovertemplate": "%{y:.4~g}/s",
    }


def _time_axis(title: str, *, ticks: int) -> dict[str, Any]:
    """Return the axis; its title stands clear of the ticks' second line, which says the day."""
    return {"type": "date", "title": {"text": title, "standoff": 2}, "nticks": ticks, "fixedrange": True}


def _legend(entries: Any) -> str:
    return "  ".join(f"<span style='color:{color}'>■</span> {name}" for name, color in entries)


def _times(times: pl.Series) -> list[str]:
    """Return instants as text, which says UTC; numbers would be shown in the browser's own zone."""
    return times.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_list()


def _evenly(frame: pl.DataFrame) -> dict[str, Any]:
    """Return where the evenly spaced points of `Simulation.queue()` lie.

    Two numbers instead of a text for each point, of which every step of a slider sent 48 kB.
    """
    if frame.is_empty():
        return {"x0": "1970-01-01", "dx": 1.0}
    return {"x0": _times(frame["time"].head(1))[0], "dx": frame["at_ns"][0] / 1e6}
