"""Pictures of windows: figures by time and key, pairs against join window, late rows against lateness."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Board, Panel, board_figure, figure_of
from evanalytics.plots.theme import COLORS, INK, color_of, duration_axis, duration_text, label

_LOW_TO_HIGH = [[0, "rgba(86,180,233,0.16)"], [0.45, COLORS[4]], [0.72, COLORS[1]], [1, COLORS[3]]]
_ROW_PX, _FRAME_PX = 24, 120
_SHORTEST_S = 1e-3


def windows_heatmap(frame: pl.DataFrame, *, height: int | None = None) -> go.Figure:
    """Return a figure of an aggregator by time and key value, from `StreamResult.window_grid()`."""
    rows = max(frame["name"].n_unique(), 4)
    return figure_of(windows_panel(frame), height=height or _FRAME_PX + _ROW_PX * rows)


def join_completeness(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return which share of the pairs each join window finds, from `StreamResult.join_completeness()`."""
    return figure_of(completeness_panel(frame), height=height)


def allowed_lateness(frame: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return which share of the rows is late against the allowed lateness, from `StreamResult.lateness()`."""
    return figure_of(lateness_panel(frame), height=height)


def joins_and_lateness(completeness: pl.DataFrame, lateness: pl.DataFrame, *, height: int = 320) -> go.Figure:
    """Return both curves side by side: what a longer join window finds, what a longer lateness saves."""
    board = Board(rows=[[completeness_panel(completeness), lateness_panel(lateness)]], heights=[1])
    return board_figure(board, height=height).update_layout(hovermode="closest")


def windows_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: one row a key value, the greatest on top; a cell where there was a window."""
    names = frame["name"].unique(maintain_order=True).to_list()
    times = frame["time"].unique(maintain_order=True).to_list()
    cells = [part["value"] for part in frame.partition_by("name", maintain_order=True)]
    first = frame.row(0, named=True) if frame.height else {}
    width: timedelta = first.get("width") or timedelta(seconds=1)
    figure, window, key = (label(str(first.get(name, name))) for name in ("figure", "window", "key"))
    together = int(first.get("together") or 1)
    each = f"windows of {window}" + (f", the highest of each {together}" if together > 1 else "")
    heat = {
        "type": "heatmap",
        "name": figure,
        "x0": _iso(times[0] + width / 2) if times else "1970-01-01",
        "dx": width / timedelta(milliseconds=1),
        "y": list(range(len(names))),
        "z": [floats(row) for row in cells],
        "colorscale": _LOW_TO_HIGH,
        "zmin": 0 if not (frame["value"] < 0).any() else None,
        "colorbar": {
            "title": {"text": figure, "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
            "nticks": 5,
        },
        "hoverongaps": False,
        "customdata": [[label(name, 60)] * len(times) for name in names],
        "hovertemplate": f"%{{customdata}}<br>%{{x}}<br>{figure}: %{{z:,.4~g}}<extra></extra>",
    }
    return Panel(
        title=f"<b>{figure}</b> by {key} · {each}",
        traces=[heat],
        xaxis={
            "type": "date",
            "showgrid": False,
            "title": {"text": "window's start (UTC)"},
            "range": [_iso(times[0]), _iso(times[-1] + width)] if times else ["1970-01-01", "1970-01-02"],
        },
        yaxis={
            "title": {"text": key, "standoff": 10},
            "showgrid": False,
            "tickvals": list(range(len(names))),
            "ticktext": [label(name, 24) for name in names],
            "range": [max(len(names), 1) - 0.5, -0.5],
            "automargin": True,
            "fixedrange": True,
        },
        layout={"hovermode": "closest"},
    )


def completeness_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: a curve of the share of pairs, the join's own window marked on it."""
    shown = frame.filter(pl.col("window_s") >= _SHORTEST_S)
    chosen = shown.filter("chosen")
    limits = _limits(shown["window_s"])
    share = chosen["share"].drop_nulls()
    own, longest = (_seconds_text(value) for value in (_limits(chosen["window_s"])[0], limits[1]))
    said = f"{own} finds {_percent(share[0])} of those within {longest}" if len(share) else "none"
    return Panel(
        title=f"<b>Pairs found</b> · {said}",
        traces=[
            {**_curve(shown["window_s"], shown["share"], "share of pairs", COLORS[0]), "fill": "tozeroy",
             "customdata": _texts(shown["window_s"], shown["pairs"], "pairs within")},
            _mark(chosen["window_s"], chosen["share"]),
        ],
        xaxis={"title": {"text": "join window"}, **duration_axis(*limits, most_ticks=5), "fixedrange": True},
        yaxis={
            "title": {"text": "share of pairs (%)"},
            "tickformat": ".0%",
            "range": [0, 1.05],
            "fixedrange": True,
        },
        layout={"hovermode": "closest"},
    )  # fmt: skip


def lateness_panel(frame: pl.DataFrame) -> Panel:
    """Return the panel: for each window a falling curve, what the sources allow marked on it."""
    shown = frame.filter(pl.col("lateness_s") >= _SHORTEST_S)
    parts = shown.partition_by("window", "key", maintain_order=True)
    names = [_curve_name(part) for part in parts]
    chosen = shown.filter("chosen")
    highest = max([1e-3, *shown["share"].drop_nulls()])
    legend = "   ".join(
        f'<span style="color:{color_of(place)}">━</span> {name}'
        for place, name in enumerate(names[: len(COLORS)])
    )
    curves = [
        {**_curve(part["lateness_s"], part["share"], name, color_of(place)),
         "customdata": _texts(part["lateness_s"], part["late"], f"late for {name} with")}
        for place, (part, name) in enumerate(zip(parts, names, strict=True))
    ]  # fmt: skip
    limits = _limits(shown["lateness_s"])
    return Panel(
        title=f"<b>Late rows</b>{_allowed(chosen)}<br><span style='font-size:11px'>{legend}</span>",
        traces=[*curves, _mark(chosen["lateness_s"], chosen["share"])],
        xaxis={
            "title": {"text": "allowed lateness"},
            **duration_axis(*limits, most_ticks=5),
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "rows that are late (%)"},
            "tickformat": ".2%" if highest < 0.005 else ".1%" if highest < 0.05 else ".0%",
            "range": [0, 1.12 * highest],
            "fixedrange": True,
        },
        layout={"hovermode": "closest"},
    )


def _curve(x: pl.Series, y: pl.Series, name: str, color: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": floats(x),
        "y": floats(y),
        "line": {"color": color, "width": 2},
        "hovertemplate": "%{customdata}: %{y:.2%}<extra></extra>",
    }


def _mark(x: pl.Series, y: pl.Series) -> dict[str, Any]:
    """Return what is chosen: a ring on each curve, and a line down to the axis."""
    points = [(at, value) for at, value in zip(floats(x), floats(y), strict=True) if value is not None]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "chosen",
        "x": [place for at, _ in points for place in (at, at, None)],
        "y": [place for _, value in points for place in (0, value, None)],
        "line": {"color": INK, "width": 1.5, "dash": "dot"},
        "marker": {
            "size": [0, 11, 0] * len(points),
            "color": INK,
            "symbol": "circle-open",
            "line": {"width": 2.5},
        },
        "hoverinfo": "skip",
    }


def _curve_name(part: pl.DataFrame) -> str:
    window, key = part.row(0)[:2]
    return label(window if key is None else f"{window} · {key}")


def _allowed(chosen: pl.DataFrame) -> str:
    return f" · {_seconds_text(chosen['lateness_s'][0])} allowed" if chosen.height else ""


def _texts(seconds: pl.Series, rows: pl.Series, what: str) -> list[str]:
    return [f"{count:,} {what} {_seconds_text(at)}" for at, count in zip(seconds, rows, strict=True)]


def _limits(seconds: pl.Series) -> tuple[float, float]:
    return (float(seconds[0]), float(seconds[-1])) if len(seconds) else (1.0, 3_600.0)


def _seconds_text(seconds: float) -> str:
    """Return a duration in three digits or in the units that it has a whole number of."""
    exact = duration_text(timedelta(seconds=seconds))
    if len(exact) <= 7:
        return exact
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e3 * seconds:.3g} ms"


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 or 0.9 < share < 1 else f"{share:.0%}"


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")  # text means UTC
