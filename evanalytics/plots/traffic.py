"""Pictures of a log's traffic: events over time, gaps, bursts, lateness, the busiest names.

Each picture is a panel, made from the small frame that `TrafficProfile` returns for it, and a
function of the same name without `_panel` that returns it as a figure of its own.

Values go to plotly as lists: given numpy arrays, a `FigureWidget` (plotly 7.1) of several traces
fails now and then while it takes in what the browser has made of an update.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from numpy.typing import NDArray

from evanalytics.plots.panel import Board, Panel, figure_of
from evanalytics.plots.theme import COLORS, OTHER_COLOR, color_of, duration_axis, duration_text, label

_LETTERS_PER_LINE, _LETTERS_PER_SWATCH = 90, 8  # of the legend, in a figure of some 700 pixels
_NO_RANGE_S = (1e-3, 3_600.0)


def events_over_time(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return the events over time, stacked by type, from `TrafficProfile.events_over_time()`."""
    figure = figure_of(events_over_time_panel(frame), height=height)
    letters = sum(len(trace.name) + _LETTERS_PER_SWATCH for trace in figure.data)
    lines = letters // _LETTERS_PER_LINE + 1
    legend = {"yref": "container", "y": 0, "yanchor": "bottom"}
    figure.update_layout(showlegend=True, legend=legend, margin={"b": 66 + 20 * lines, "r": 48})
    return figure


def gaps(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return how long one event waits for the next, from `TrafficProfile.gaps()`."""
    return figure_of(gaps_panel(frame), height=height)


def burstiness(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return how much busier the busiest window is, from `TrafficProfile.burstiness()`."""
    return figure_of(burstiness_panel(frame), height=height)


def lateness(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return how late events arrive, as an ECDF, from `TrafficProfile.lateness()`."""
    return figure_of(lateness_panel(frame), height=height)


def top_names(frame: pl.DataFrame, *, of: str = "types", height: int = 320) -> go.Figure:
    """Return the busiest types or sources, from `top_types()` or `top_sources()`."""
    return figure_of(top_names_panel(frame, of=of), height=height)


def timeline_board(frame: pl.DataFrame, *, remark: str = "", message: str = "") -> Board:
    """Return the events over time as a board of its own, the part that follows a slider at once.

    Args:
        frame: From `TrafficProfile.events_over_time()`.
        remark: Text for the corner.
        message: What to say when there is nothing to draw.
    """
    return Board(rows=[[events_over_time_panel(frame)]], heights=[1], remark=remark, message=message)


def details_board(
    *, gaps: pl.DataFrame, burstiness: pl.DataFrame, lateness: pl.DataFrame, remark: str = ""
) -> Board:
    """Return what explains the timeline; each frame is from the `TrafficProfile` method of its name."""
    row = [gaps_panel(gaps), burstiness_panel(burstiness), lateness_panel(lateness)]
    return Board(rows=[row], heights=[1], remark=remark)


def events_over_time_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: a stack of steps, one trace a type in the order of the frame."""
    bins = frame.height and int(frame["time"].n_unique())
    times = [frame["time"][place] for place in (0, bins - 1)] if bins else []
    width: timedelta | None = frame["width"][0] if bins else None
    counts = frame["events"].to_numpy().reshape(-1, bins or 1)
    names = frame["type"].gather_every(bins or 1).to_list()
    return Panel(
        title=_titled("Events over time"),
        traces=[_steps(name, counts[place], place, times, width) for place, name in enumerate(names)],
        xaxis={
            "type": "date",
            "title": {"text": "time (UTC)"},
            "range": _time_range(times, width),
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": f"events per {duration_text(width) if width else 'bin'}"},
            **_from_zero(counts.sum(axis=0)),
            "fixedrange": True,
        },
    )


def gaps_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: the share of gaps of each length, beside that of a steady random stream."""
    since, until, share, random = (column.to_numpy() for column in frame.iter_columns())
    limits = (since[1], until[-1]) if frame.height > 1 else _NO_RANGE_S
    lines = {"measured": COLORS[0], "if events came at random": COLORS[3]}
    return Panel(
        title=_titled("Gaps", f"{share[0]:.0%} at one instant" if frame.height else "", lines),
        traces=[
            _line(since[1:], share[1:], "measured", COLORS[0], shape="hv", fill="tozeroy"),
            _line(since[1:], random[1:], "if random", COLORS[3], shape="hv", dash="dot"),
        ],
        xaxis={
            "title": {"text": "wait for the next event"},
            **duration_axis(*limits, most_ticks=5),
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "share of gaps (%)"},
            "tickformat": ".0%",
            "nticks": 5,
            **_from_zero(share[1:], random[1:]),
            "fixedrange": True,
        },
    )


def burstiness_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: peak / mean and variance / mean against the width of the window."""
    windows, peak, dispersion = (
        frame[name].to_numpy() for name in ("window_s", "peak_to_mean", "dispersion")
    )
    limits = (windows[0], windows[-1]) if frame.height else _NO_RANGE_S
    remark = f"peak {frame['peak'][0]:,} in {_seconds_text(windows[0])}" if frame.height else ""
    lines = {"peak ÷ mean": COLORS[3], "variance ÷ mean": COLORS[0]}
    return Panel(
        title=_titled("Bursts", remark, lines),
        traces=[
            _line(windows, peak, "peak ÷ mean", COLORS[3], hover="%{y:.3~g}"),
            _line(windows, dispersion, "variance ÷ mean", COLORS[0], hover="%{y:.3~g}"),
        ],
        xaxis={
            "title": {"text": "width of the window"},
            **duration_axis(*limits, most_ticks=5),
            "fixedrange": True,
        },
        yaxis={"title": {"text": "ratio (1 = random)"}, **_decades(peak, dispersion), "fixedrange": True},
    )


def lateness_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: the share of events that are at most so late."""
    late, share = frame["late_s"].to_numpy(), frame["share"].to_numpy()
    limits = (late[1], late[-1]) if frame.height > 1 else _NO_RANGE_S
    return Panel(
        title=_titled("Lateness", f"{_percent(1 - share[0])} come late" if frame.height else ""),
        traces=[_line(late[1:], share[1:], "at most so late", COLORS[2], shape="hv", fill="tozeroy")],
        xaxis={
            "title": {"text": "behind the latest time seen"},
            **duration_axis(*limits, most_ticks=5),
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "share of events (%)"},
            "range": [0, 1.02],
            "tickformat": ".0%",
            "fixedrange": True,
        },
    )


def top_names_panel(frame: pl.DataFrame, *, of: str = "types") -> Panel:
    """Return the panel: one bar a name, the busiest on top, all others together in grey."""
    names = [f"all other {of}" if name is None else label(name) for name in frame["name"]]
    places = list(range(frame.height))
    colors = [OTHER_COLOR if name is None else COLORS[0] for name in frame["name"]]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": frame["events"].to_list(),
        "y": places,
        "marker": {"color": colors},
        "customdata": names,
        "hovertemplate": "%{customdata}: %{x:,} events<extra></extra>",
    }
    return Panel(
        title=f"Busiest {of}",
        traces=[bars],
        xaxis={"title": {"text": "events"}, "rangemode": "tozero"},
        yaxis={
            "tickvals": places,
            "ticktext": names,
            "autorange": "reversed",
            "automargin": True,
            "title": {"text": of},
        },
        layout={"hovermode": "closest"},
    )


def _steps(
    name: str | None, counts: NDArray[np.int64], place: int, times: list[datetime], width: timedelta | None
) -> dict[str, Any]:
    color = color_of(None if name is None else place)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "all other types" if name is None else label(name),
        "x0": _iso(times[0]),  # text means UTC; numbers would be shown in the browser's own zone
        "dx": width / timedelta(milliseconds=1) if width else 1.0,
        "y": [*counts.tolist(), int(counts[-1])],  # the last step has a width, too
        "stackgroup": "types",
        "fillcolor": color,
        "line": {"shape": "hv", "width": 0.5, "color": color},
        "hovertemplate": "%{y:,}",
    }


def _line(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    name: str,
    color: str,
    *,
    dash: str = "solid",
    shape: str = "linear",
    fill: str = "none",
    hover: str = "%{y:.1%}",
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x.tolist(),
        "y": y.tolist(),
        "line": {"color": color, "width": 2, "dash": dash, "shape": shape},
        "fill": fill,
        "hovertemplate": hover,
    }


def _from_zero(*values: NDArray[Any]) -> dict[str, Any]:
    """Return a range from zero to a little over the highest value.

    Ranges are given, for plotly takes up to 15 ms of a redraw to find those of one log axis.
    """
    highest = max((float(some.max()) for some in values if some.size), default=0.0)
    return {"range": [0, 1.15 * highest or 1]}


def _decades(*values: NDArray[np.float64]) -> dict[str, Any]:
    """Return a logarithmic axis of whole powers of ten that hold 1 and all values above zero."""
    shown = np.concatenate([np.ones(1), *values])
    powers = np.log10(shown[shown > 0])
    low, high = math.floor(powers.min()), max(math.ceil(powers.max()), 1)
    ticks = range(low, high + 1, math.ceil((high - low) / 5))
    return {
        "type": "log",
        "range": [low, high + 0.05],
        "tickvals": [10.0**power for power in ticks],
        "ticktext": [f"{10.0**power:,g}" for power in ticks],
    }


def _time_range(times: list[datetime], width: timedelta | None) -> list[str]:
    return [_iso(times[0]), _iso(times[-1] + width)] if width else ["1970-01-01", "1970-01-02"]


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")


def _titled(title: str, remark: str = "", lines: Mapping[str, str] | None = None) -> str:
    """Return a panel's title, with a legend of its lines (name to colour) below it."""
    first = f"<b>{title}</b> · {remark}" if remark else f"<b>{title}</b>"
    legend = "   ".join(
        f'<span style="color:{color}">━</span> {name}' for name, color in (lines or {}).items()
    )
    return f'{first}<br><span style="font-size:11px">{legend}</span>' if legend else first


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 or 0.995 < share < 1 else f"{share:.0%}"


def _seconds_text(seconds: float) -> str:
    return duration_text(timedelta(seconds=seconds))
