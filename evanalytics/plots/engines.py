"""The picture of what an event costs on each engine, by the size of the log."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Panel, figure_of
from evanalytics.plots.theme import COLORS
from evanalytics.plots.traces import legend

_COLORS = {"polars": COLORS[0], "duckdb": COLORS[1], "spark": COLORS[2]}
_SYMBOLS = {"polars": "circle", "duckdb": "square", "spark": "diamond"}


def engine_costs(costs: pl.DataFrame, *, height: int = 360) -> go.Figure:
    """Return what an event costs on each engine, by the size of the log, from `ev.engine_costs`.

    Args:
        costs: Columns `engine`, `events`, `us_per_event`.
        height: In pixels.
    """
    engines = [engine for engine in _COLORS if engine in costs["engine"]]
    traces = []
    for engine in engines:
        rows = costs.filter(pl.col("engine") == engine).drop_nulls("us_per_event").sort("events")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": engine,
                "x": floats(rows["events"]),
                "y": floats(rows["us_per_event"]),
                "line": {"color": _COLORS[engine], "width": 2.5},
                "marker": {"symbol": _SYMBOLS[engine], "size": 9},
                "hovertemplate": "%{x:,} events: %{y:.3~g} µs each",
            }
        )
    panel = Panel(
        title="<b>Cost</b> of an event<br>" + legend([(engine, _COLORS[engine]) for engine in engines]),
        traces=traces,
        xaxis={"title": {"text": "events in the log"}, "type": "log", "dtick": 1},
        yaxis={"title": {"text": "microseconds per event"}, "type": "log"},
    )
    return figure_of(panel, height=height)
