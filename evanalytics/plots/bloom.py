"""Pictures of a Bloom filter: its error rate as it fills, and what an id costs in other kinds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Panel, figure_of
from evanalytics.plots.theme import COLORS, OTHER_COLOR
from evanalytics.plots.traces import legend, line, mark

_LEAST_RATE = 1e-7
_BUILT = {"classic": COLORS[0], "blocked": COLORS[4], "split block": COLORS[2]}
_THEORY = {"binary fuse": COLORS[3], "ribbon": COLORS[5], "cuckoo": COLORS[1]}
_COLORS = {**_BUILT, **_THEORY}


def error_rate_while_filling(
    formula: pl.DataFrame,
    measured: pl.DataFrame,
    *,
    promise: float,
    load: float | None = None,
    height: int = 360,
) -> go.Figure:
    """Return how often a filter is mistaken while it fills and past its capacity.

    Args:
        formula: Columns `load`, `formula`, from `formula_frame`.
        measured: Columns `load, rate, low, high, own_bits`, from `filling_frame` or
            `measure_while_filling`.
        promise: The error rate it is made for.
        load: Where to put a mark, as a share of the capacity.
        height: In pixels.
    """
    return figure_of(filling_panel(formula, measured, promise=promise, load=load), height=height)


def bits_per_id(curves: pl.DataFrame, *, height: int = 360) -> go.Figure:
    """Return how many bits an id costs in each kind of filter, from `bloom.accuracy.bits_per_id`."""
    return figure_of(bits_panel(curves), height=height)


def filling_panel(
    formula: pl.DataFrame, measured: pl.DataFrame, *, promise: float, load: float | None = None
) -> Panel:
    """Return the panel: formula and own bits as lines, measured rates with their intervals."""
    reach = [0.0, max([*formula["load"], 1.0])]
    at = [] if load is None else [load]
    traces = [
        line(formula["load"], formula["formula"], "formula", {"color": COLORS[0], "width": 2.5}),
        line(
            measured["load"],
            measured["own_bits"],
            "own bits",
            {"color": COLORS[1], "width": 2.5, "dash": "dot"},
        ),
        _measured(measured),
        line(reach, [promise, promise], "promise", {"color": OTHER_COLOR, "width": 1.5, "dash": "dash"}),
        mark(at, _interpolated(formula, at)),
    ]
    entries = [
        ("formula", COLORS[0]),
        ("own bits", COLORS[1]),
        ("measured", COLORS[2]),
        ("promise", OTHER_COLOR),
    ]
    return Panel(
        title=f"<b>False positives</b> as it fills<br>{legend(entries)}",
        traces=traces,
        xaxis={
            "title": {"text": "ids held (% of capacity)"},
            "range": reach,
            "tickformat": ".0%",
            "nticks": 5,
            "fixedrange": True,
        },
        yaxis={"title": {"text": "share of absent ids (%)"}, **_rate_axis(promise * 1e-3, 1.0)},
    )


def bits_panel(curves: pl.DataFrame, *, point: tuple[float, float] | None = None) -> Panel:
    """Return the panel: a line for each kind of filter; dotted are those that are not built here."""
    by_layout = curves.partition_by("layout", as_dict=True)
    parts = {name: by_layout.get((name,), curves.clear()) for name in (*_BUILT, *_THEORY)}
    traces = [
        {
            **line(part["error_rate"], part["bits_per_id"], name, _stroke(name)),
            "hovertemplate": f"{name}: " + "%{y:.1f} bits an id at %{x:.2~%}<extra></extra>",
        }
        for name, part in parts.items()
    ]
    x, y = ([], []) if point is None else ([point[0]], [point[1]])
    rates = [*curves["error_rate"], *x] or [1e-6, 0.3]
    return Panel(
        title=f"<b>Bits an id</b>  {legend(_BUILT.items())}"
        f"<br>theory:  {legend((name, _COLORS[name]) for name in _THEORY)}",
        traces=[*traces, mark(x, y)],
        xaxis={"title": {"text": "error rate (%)"}, **_rate_axis(min(rates), max(rates))},
        yaxis={"title": {"text": "bits per id"}, "range": [0, 40], "nticks": 5, "fixedrange": True},
    )


def _measured(frame: pl.DataFrame) -> dict[str, Any]:
    """Points with their intervals; where no probe was claimed, the interval from nothing up to its end."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "measured",
        "x": floats(frame["load"]),
        "y": floats(frame["rate"]),
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": floats(frame["high"] - frame["rate"]),
            "arrayminus": floats(frame["rate"] - frame["low"]),
            "thickness": 1.5,
            "width": 3,
            "color": COLORS[2],
        },
        "marker": {"size": 5, "color": COLORS[2]},
        "hovertemplate": "%{y:.4~g} of the probes",
    }


def _stroke(name: str) -> dict[str, Any]:
    is_built = name in _BUILT
    return {
        "color": _COLORS[name],
        "width": 2.5 if is_built else 2,
        "dash": "solid" if is_built else "dot",
    }


def _interpolated(formula: pl.DataFrame, at: Sequence[float]) -> list[float]:
    """Return the formula's value at the nearest of its loads."""
    if formula.is_empty():
        return []
    loads, values = formula["load"].to_numpy(), formula["formula"].to_numpy()
    return [float(values[np.abs(loads - load).argmin()]) for load in at]


def _rate_axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis of shares, with a tick at every second or third power of ten."""
    first = math.floor(math.log10(max(low, _LEAST_RATE)) + 1e-9)
    powers = range(first, math.ceil(math.log10(high) - 1e-9) + 1)
    every = max(1, math.ceil(len(powers) / 5))
    return {
        "type": "log",
        "range": [first, math.log10(high) + 0.1],
        "tickvals": [10.0**power for power in powers[::every]],
        "ticktext": [f"{100 * 10.0**power:.6g}" for power in powers[::every]],
        "fixedrange": True,
    }
