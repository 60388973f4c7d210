"""Pictures of one setting: how late events are, how large batches are, and live beside simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Panel, figure_of
from evanalytics.plots.theme import COLORS, OTHER_COLOR, duration_axis

REASON_COLORS: Mapping[str, str] = {"size": COLORS[0], "age": COLORS[1], "bytes": COLORS[2]}
"""Why batches leave, and the colour of each reason."""

GOAL_COLOR = COLORS[3]
"""Lines that something must not cross."""

_DECADES_S = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
_NO_LATENCY = pl.DataFrame(schema={"latency_s": pl.Float64, "share": pl.Float64})
_FEWEST_SIZES = 8
"""Bars are kept for batches of up to 128 events, so that the axis seldom changes while a slider moves."""


def latency(
    frame: pl.DataFrame, *, pinned: pl.DataFrame | None = None, goal_s: float | None = None, height: int = 320
) -> go.Figure:
    """Return which share of the events is at most so late, from a `Retuned`'s `latency`."""
    return figure_of(latency_panel(frame, pinned=pinned, goal_s=goal_s), height=height)


def batch_sizes(frame: pl.DataFrame, *, pinned: pl.DataFrame | None = None, height: int = 320) -> go.Figure:
    """Return how many batches there are by size and reason, from a `Retuned`'s `sizes`."""
    return figure_of(batch_sizes_panel(frame, pinned=pinned), height=height)


def live_beside_simulated(frame: pl.DataFrame, *, height: int = 360) -> go.Figure:
    """Return two curves of latency: columns latency_s, share and run ("simulated", "live")."""
    runs = {name: frame.filter(pl.col("run") == name) for name in ("simulated", "live")}
    styles = {"simulated": {"color": COLORS[0], "width": 5}, "live": {"color": COLORS[1], "width": 2}}
    panel = Panel(
        title="<b>Latency</b> · simulated and live",
        traces=[_curve(runs[name], name, styles[name]) for name in runs],
        xaxis={"title": {"text": "latency of an event"}, **_latency_axis(*runs.values())},
        yaxis={"title": {"text": "share of events (%)"}, "range": [0, 1.02], "tickformat": ".0%"},
    )
    figure = figure_of(panel, height=height)
    return figure.update_layout(showlegend=True, legend={"x": 1, "xanchor": "right", "y": 1.0})


def latency_panel(
    frame: pl.DataFrame, *, pinned: pl.DataFrame | None = None, goal_s: float | None = None
) -> Panel:
    """Return the panel: the latencies' distribution, the pinned one behind it, and the goal."""
    other = _NO_LATENCY if pinned is None else pinned
    goal = [] if goal_s is None else [goal_s, goal_s]
    traces = [
        _curve(other, "pinned", {"color": OTHER_COLOR, "width": 2, "dash": "dot"}),
        _curve(frame, "now", {"color": COLORS[0], "width": 2.5}),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "goal",
            "x": floats(goal),
            "y": floats([0, 1.02][: len(goal)]),
            "line": {"color": GOAL_COLOR, "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
        },
    ]
    legend = [_colored("now", COLORS[0])]
    legend += [_colored("pinned", OTHER_COLOR)] if pinned is not None else []
    legend += [_colored("goal", GOAL_COLOR)] if goal else []
    return Panel(
        title="<b>Latency</b>  " + "  ".join(legend),
        traces=traces,
        xaxis={
            "title": {"text": "latency of an event"},
            **_latency_axis(
                frame, other, pl.DataFrame({"latency_s": goal}, schema={"latency_s": pl.Float64})
            ),
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "share of events (%)"},
            "range": [0, 1.02],
            "dtick": 0.25,
            "tickformat": ".0%",
            "fixedrange": True,
        },
    )


def batch_sizes_panel(frame: pl.DataFrame, *, pinned: pl.DataFrame | None = None) -> Panel:
    """Return the panel: batches by size, stacked by the reason for which they left."""
    bins = max(frame.height, 0 if pinned is None else pinned.height, _FEWEST_SIZES)
    places = list(range(bins))
    outlined = [] if pinned is None else [sum(row) for row in pinned.select(*REASON_COLORS).rows()]
    bars = [
        {
            "type": "bar",
            "name": reason,
            "x": places,
            "y": frame[reason].to_list() + [0] * (bins - frame.height),
            "marker": {"color": color, "line": {"width": 0}},
            "hovertemplate": "%{y:,} left by " + reason + "<extra></extra>",
        }
        for reason, color in REASON_COLORS.items()
    ]
    outline = {
        "type": "scatter",
        "mode": "lines",
        "name": "pinned",
        "x": places[: len(outlined)],
        "y": outlined,
        "line": {"color": OTHER_COLOR, "width": 2, "dash": "dot", "shape": "hvh"},
        "hovertemplate": "%{y:,} pinned<extra></extra>",
    }
    present = [reason for reason in REASON_COLORS if frame[reason].sum() > 0]
    legend = "  ".join(_colored(reason, REASON_COLORS[reason]) for reason in present)
    return Panel(
        title=f"<b>Batches</b> that left by  {legend}",
        traces=[*bars, outline],
        xaxis={
            "title": {"text": "events in the batch"},
            "tickvals": list(range(bins)),
            "ticktext": _size_names(bins),
            "range": [-0.6, bins - 0.4],
            "fixedrange": True,
        },
        yaxis={"title": {"text": "batches"}, "nticks": 5, "fixedrange": True},  # labels cost most of a redraw
        layout={"barmode": "stack"},
    )


def _curve(frame: pl.DataFrame, name: str, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": floats(frame["latency_s"]),
        "y": floats(frame["share"]),
        "line": {**line, "shape": "hv"},
        "hovertemplate": "%{y:.2%} within %{x:.3~s}s",
    }


def _latency_axis(*frames: pl.DataFrame) -> dict[str, Any]:
    """Return an axis over whole decades, so that it seldom changes while a slider moves."""
    values = pl.concat([frame["latency_s"] for frame in frames]).drop_nulls()
    low = float(values.min() or 1e-2)  # type: ignore[arg-type]
    high = float(values.max() or 1.0)  # type: ignore[arg-type]
    least = max((at for at in _DECADES_S if at <= low), default=_DECADES_S[0])
    most = min((at for at in _DECADES_S if at >= high), default=_DECADES_S[-1])
    return duration_axis(least, most, most_ticks=6)


def _size_names(bins: int) -> list[str]:
    names = [_short(2**place // 2 + 1) + "–" + _short(2**place) for place in range(bins)]
    return [*("1", "2")[:bins], *names[2:]]


def _short(number: int) -> str:
    return f"{number // 1024}k" if number >= 1024 else str(number)


def _colored(text: str, color: str) -> str:
    return f"<span style='color:{color}'>■</span> {text}"
