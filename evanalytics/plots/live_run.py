"""A live run in four pictures: how far each node is, how fast rows come, what waits, what takes how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Board, Panel, board_figure
from evanalytics.plots.stream_graph import KIND_COLORS
from evanalytics.plots.theme import COLORS, OTHER_COLOR, color_of, label
from evanalytics.plots.traces import legend, line

_DASHES = ("solid", "dash", "dot", "dashdot")
_BAR_PX, _LEAST_PX, _LOWER_PX, _FRAME_PX = 27, 150, 150, 200
_FEWEST_BINS = 8
_NAME_LENGTH, _SHORT_LENGTH, _LEGEND_LENGTH = 22, 16, 60


def live_run(
    nodes: pl.DataFrame, rates: pl.DataFrame, queues: pl.DataFrame, latencies: pl.DataFrame
) -> go.Figure:
    """Return the four pictures of a live run; the frames are those of a `RunHistory`.

    Args:
        nodes: Columns node, kind, rows, beside (of another run, to compare with; null without one).
        rates: Columns at_s, node, rows_per_s.
        queues: Columns at_s, queue, rows.
        latencies: Columns what, below_ms, share.
    """
    return run_figure(run_board(nodes, rates, queues, latencies))


def run_board(
    nodes: pl.DataFrame,
    rates: pl.DataFrame,
    queues: pl.DataFrame,
    latencies: pl.DataFrame,
    *,
    remark: str = "",
) -> Board:
    """Return the pictures as a board, which keeps its shape while nodes and queues stay the same."""
    names = queues["queue"].unique(maintain_order=True).to_list()
    upper = [rows_panel(nodes), rates_panel(nodes, rates)]
    lower = [queues_panel(names, queues), latencies_panel(names, latencies)]
    return Board(rows=[upper, lower], heights=[_upper_px(nodes.height), _LOWER_PX], remark=remark)


def run_figure(board: Board) -> go.Figure:
    """Return the figure of a `run_board`."""
    height = _upper_px(len(board.panels[0].yaxis["tickvals"])) + _LOWER_PX + _FRAME_PX
    return board_figure(board, height=height).update_layout(
        barmode="overlay", bargap=0.12, hovermode="closest"
    )


def rows_panel(nodes: pl.DataFrame) -> Panel:
    """Return the panel: a bar for each node, in front of a wide one of what the other run has."""
    places = list(range(nodes.height))
    rows, beside = nodes["rows"].to_list(), nodes["beside"].to_list()
    is_compared = nodes["beside"].null_count() < nodes.height
    said = f"  {legend([('batch replay', OTHER_COLOR)])}" if is_compared else ""
    return Panel(
        title=f"<b>Rows so far</b>{said}",
        traces=[
            {
                **_bars(places, beside, "batch replay", 0.84),
                "marker": {"color": OTHER_COLOR, "opacity": 0.45, "line": {"width": 0}},
                "hovertemplate": "%{x:,} in the batch replay<extra></extra>",
            },
            {
                **_bars(places, rows, "live", 0.5),
                "marker": {"color": _colors(nodes["kind"].to_list()), "line": {"width": 0}},
                "text": [f"{count:,}" for count in rows],
                "textposition": "outside",
                "cliponaxis": False,
                "textfont": {"size": 11},
                "hovertemplate": "%{x:,} live<extra></extra>",
            },
        ],
        xaxis={
            "title": {"text": "rows"},
            "range": [0, 1.16 * max([1, *rows, *(count or 0 for count in beside)])],
            "nticks": 4,
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "node", "standoff": 8},
            "showgrid": False,
            "tickvals": places,
            "ticktext": [label(name, _NAME_LENGTH) for name in nodes["node"]],
            "range": [max(nodes.height, 1) - 0.5, -0.5],
            "automargin": True,
            "fixedrange": True,
        },
    )


def rates_panel(nodes: pl.DataFrame, rates: pl.DataFrame) -> Panel:
    """Return the panel: rows per second over time, a line a node in the colour of its kind."""
    kinds = nodes["kind"].to_list()
    strokes = [
        {"color": color, "width": 1.8, "dash": _DASHES[kinds[:place].count(kinds[place]) % len(_DASHES)]}
        for place, color in enumerate(_colors(kinds))
    ]
    parts = {name: rates.filter(pl.col("node") == name) for name in nodes["node"]}
    traces = [
        _line(part["at_s"], part["rows_per_s"], name, stroke, " rows/s")
        for (name, part), stroke in zip(parts.items(), strokes, strict=True)
    ]
    return Panel(
        title="<b>Rows per second</b>  in the nodes' colours",
        traces=traces,
        xaxis=_seconds_axis(rates),
        yaxis={
            "title": {"text": "rows/s"},
            "range": [0, 1.08 * _highest(rates["rows_per_s"], 10)],
            "nticks": 4,
            "fixedrange": True,
        },
    )


def queues_panel(names: Sequence[str], queues: pl.DataFrame) -> Panel:
    """Return the panel: how many rows wait where, over time."""
    parts = [queues.filter(pl.col("queue") == name) for name in names]
    return Panel(
        title=f"<b>Waiting</b>  {_legend(names)}",
        traces=[
            _line(part["at_s"], part["rows"], name, {"color": color_of(place), "width": 1.8}, " rows")
            for place, (name, part) in enumerate(zip(names, parts, strict=True))
        ],
        xaxis=_seconds_axis(queues),
        yaxis={
            "title": {"text": "rows waiting"},
            "range": [0, 1.08 * _highest(queues["rows"], 10)],
            "nticks": 4,
            "fixedrange": True,
        },
    )


def latencies_panel(names: Sequence[str], latencies: pl.DataFrame) -> Panel:
    """Return the panel: which share of each queue's work took how long, in doublings of a millisecond."""
    timed = ["micro-batch" if name == "events" else name for name in names]
    parts = [latencies.filter(pl.col("what") == name) for name in timed]
    places = [[int(below).bit_length() - 1 for below in part["below_ms"]] for part in parts]
    bins = max([_FEWEST_BINS, *(place + 1 for found in places for place in found)])
    width = 0.84 / max(len(names), 1)
    return Panel(
        title="<b>Latency</b>  in the same colours; events: their micro-batches",
        traces=[
            {
                "type": "bar",
                "name": label(name),
                "x": [round(at - 0.42 + width * (number + 0.5), 4) for at in found],
                "y": floats(part["share"]),
                "width": round(width, 4),
                "marker": {"color": color_of(number), "line": {"width": 0}},
                "hovertemplate": f"%{{y:.1%}} of {label(name)}<extra></extra>",
            }
            for number, (name, part, found) in enumerate(zip(timed, parts, places, strict=True))
        ],
        xaxis={
            "title": {"text": "below (ms)"},
            "tickvals": list(range(bins)),
            "ticktext": [_short(1 << place) for place in range(bins)],
            "range": [-0.6, bins - 0.4],
            "fixedrange": True,
        },
        yaxis={
            "title": {"text": "share (%)"},
            "range": [0, 1.05],
            "tickformat": ".0%",
            "nticks": 4,
            "fixedrange": True,
        },
    )


def _bars(places: Sequence[int], counts: Sequence[int | None], name: str, width: float) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "name": name, "x": list(counts), "y": list(places), "width": width,
    }  # fmt: skip


def _line(x: pl.Series, y: pl.Series, name: str, stroke: dict[str, Any], unit: str) -> dict[str, Any]:
    hint = f"{label(name)}: %{{y:,.3~s}}{unit}<extra></extra>"
    return {**line(x, y, label(name), stroke), "hovertemplate": hint}


def _seconds_axis(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the axis of the time that is shown; it grows in whole steps, so that it seldom changes."""
    first, last = (frame["at_s"][0], frame["at_s"][-1]) if frame.height else (0.0, 0.0)
    title = {"text": "time since the start (s)"}
    return {
        "title": title, "range": [int(first), max(int(last / 5) * 5 + 5, 5)], "nticks": 5, "fixedrange": True,
    }  # fmt: skip


def _highest(values: pl.Series, least: float) -> float:
    """Return a round number that no value is above: 1, 2 or 5 and zeros."""
    highest, step = max([least, *values.drop_nulls()]), 1.0
    while step < highest:
        step *= 10
    return next(part * step for part in (0.1, 0.2, 0.5, 1.0) if part * step >= highest)


def _colors(kinds: Sequence[str]) -> list[str]:
    return [KIND_COLORS.get(kind, COLORS[3]) for kind in kinds]


def _legend(names: Sequence[str]) -> str:
    """Name the colours in one line, which must end before the next picture's title begins."""
    room = _LEGEND_LENGTH // max(len(names), 1) - 4  # for the swatch and the spaces
    length = max(5, min(_SHORT_LENGTH, room))
    return legend((label(name, length), color_of(place)) for place, name in enumerate(names))


def _short(number: int) -> str:
    return f"{number // 1_024}k" if number >= 1_024 else str(number)


def _upper_px(nodes: int) -> int:
    return max(_BAR_PX * nodes, _LEAST_PX)
