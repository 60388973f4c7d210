"""Pictures of what a filter costs: in front of a log, and beside what is exact."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Panel, figure_of
from evanalytics.plots.theme import COLORS
from evanalytics.plots.traces import legend, line, mark

_WAY_COLORS = {"Bloom filter": COLORS[0], "Python set": COLORS[1], "semi join": COLORS[2]}


def dedupe_cost(costs: pl.DataFrame, *, height: int = 360) -> go.Figure:
    """Return what a dedupe filter costs per day by its size, from `dedupe_costs`."""
    return figure_of(dedupe_panel(costs), height=height)


def dedupe_panel(costs: pl.DataFrame, *, point: Mapping[str, float] | None = None) -> Panel:
    """Return the panel: what is lost and what is looked up per day, by the filter's megabytes."""
    megabytes = costs["bytes"] / 1e6
    dropped, looked_up = {"color": COLORS[3], "width": 2.5}, {"color": COLORS[0], "width": 2.5}
    now = [] if point is None else [point["false_drops"], point["lookups"]]
    now = [value for value in now if value > 0]
    most = max([*costs["lookups"], 1.0])
    return Panel(
        title="<b>Dedupe</b>: its price<br>"
        + legend([("lost, if trusted", COLORS[3]), ("looked up, if checked", COLORS[0])]),
        traces=[
            line(megabytes, costs["lookups"], "looked up", looked_up),
            line(megabytes, costs["false_drops"], "lost", dropped),
            mark([point["bytes"] / 1e6] * len(now) if point else [], now),
        ],
        xaxis={"title": {"text": "filter (MB)"}, **_size_axis(megabytes)},
        yaxis={
            "title": {"text": "events per day"},
            **_powers(-2, math.ceil(math.log10(most))),
            "range": [-2.3, math.ceil(math.log10(most)) + 0.1],
        },
    )


def memory_panel(compared: pl.DataFrame) -> Panel:
    """Return the panel: bytes of each way, as bars with their numbers."""
    megabytes = compared["bytes"] / 1e6
    texts = [_megabytes_text(value) for value in megabytes]
    return Panel(
        title=f"<b>Memory</b> to hold {_held(compared)} ids",
        traces=[
            _bars(compared["way"], megabytes, "memory", texts, [_WAY_COLORS[way] for way in compared["way"]])
        ],
        xaxis={"title": {"text": "MB"}, **_bar_axis(megabytes)},
        yaxis=_ways_axis(compared),
    )


def time_panel(compared: pl.DataFrame) -> Panel:
    """Return the panel: nanoseconds an id of each way, to hold (faint) and to ask.

    It stands beside the one of memory, whose bars have the same colours and say whose they are.
    """
    ways, colors = compared["way"], [_WAY_COLORS[way] for way in compared["way"]]
    both = compared["build_ns"] + compared["ask_ns"]
    texts = [
        f"{build:,.0f} + {ask:,.0f} ns"
        for build, ask in zip(compared["build_ns"], compared["ask_ns"], strict=True)
    ]
    held = _bars(ways, compared["build_ns"], "to hold", [""] * len(ways), colors)
    held["marker"]["opacity"] = 0.4
    return Panel(
        title=f"<b>Time</b> for each of {_held(compared)} ids:<br>to hold it (faint) + to ask for one",
        traces=[held, _bars(ways, compared["ask_ns"], "to ask", texts, colors)],
        xaxis={"title": {"text": "nanoseconds per id"}, **_bar_axis(both, room=1.6)},
        yaxis={**_ways_axis(compared), "showticklabels": False},
    )


def _bars(
    ways: pl.Series, values: pl.Series, name: str, texts: list[str], colors: list[str]
) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": floats(values),
        "y": ways.to_list(),
        "marker": {"color": colors},
        "text": texts,
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:,.4~g}<extra>" + name + "</extra>",
    }


def _size_axis(megabytes: pl.Series) -> dict[str, Any]:
    low, high = (float(megabytes.min()), float(megabytes.max())) if len(megabytes) else (0.01, 10.0)  # type: ignore[arg-type]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 3)]
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": [tick for tick in ticks if low <= tick <= high],
        "ticktext": [f"{tick:,.6g}" for tick in ticks if low <= tick <= high],
        "fixedrange": True,
    }


def _powers(first: int, last: int) -> dict[str, Any]:
    """Return a logarithmic axis with ticks at powers of ten, at most five or six of them."""
    every = max(1, (last - first) // 4)
    powers = [10.0**power for power in range(first, last + 1, every)]
    return {
        "type": "log",
        "tickvals": powers,
        "ticktext": [f"{power:,.6g}" for power in powers],
        "fixedrange": True,
    }


def _bar_axis(values: pl.Series, *, room: float = 1.3) -> dict[str, Any]:
    """Return an axis that is longer than the longest bar, for the number behind it."""
    most = max([*values, 1e-3])
    return {"range": [0, room * most], "nticks": 5, "fixedrange": True}


def _ways_axis(compared: pl.DataFrame) -> dict[str, Any]:
    return {
        "autorange": "reversed",
        "fixedrange": True,
        "title": {"text": ""},
        "categoryorder": "array",
        "categoryarray": compared["way"].to_list(),
    }


def _held(compared: pl.DataFrame) -> str:
    return f"{compared['ids'][0]:,}" if compared.height else "the"


def _megabytes_text(megabytes: float) -> str:
    return f"{megabytes:,.3g} MB"
