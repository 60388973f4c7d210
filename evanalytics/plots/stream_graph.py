"""A picture of a stream graph: nodes as boxes in layers from left to right, rows on the edges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.graph_layout import Layout, Point, layered, with_ports
from evanalytics.plots.panel import Board, Panel, board_figure
from evanalytics.plots.theme import COLORS, INK, OTHER_COLOR, label

KIND_COLORS = {
    "source": COLORS[0], "filter": COLORS[1], "transform": COLORS[4], "join": COLORS[2],
    "aggregator": COLORS[5], "dedupe": COLORS[3], "sink": OTHER_COLOR,
}  # fmt: skip
_DARK, _LIGHT = "#101418", "#FFFFFF"
_SIDE_OUTPUTS = ("late", "late_left", "late_right", "unmatched", "duplicate")
_BOX, _TALL = 0.62, 0.76
_LANE_PX, _FRAME_PX, _LEAST_PX = 106, 70, 230
_WIDTH_PX, _LETTER_PX = 940, 7.0
_STEPS = 12
_LISTED = 12


def stream_graph(
    nodes: pl.DataFrame,
    edges: pl.DataFrame,
    losses: pl.DataFrame,
    *,
    remark: str = "",
    height: int | None = None,
) -> go.Figure:
    """Return a picture of a graph; the frames are those of `StreamResult.picture()`.

    Args:
        nodes: Columns node, kind, columns, seconds; each node after those that feed it.
        edges: Columns from_node, output, to_node, input, rows.
        losses: Columns node, part, what, rows, share.
        remark: Text for the corner.
        height: In pixels; by default what the fullest layer needs.
    """
    return graph_figure(graph_board(nodes, edges, losses, remark=remark), height=height)


def graph_board(
    nodes: pl.DataFrame,
    edges: pl.DataFrame,
    losses: pl.DataFrame,
    *,
    remark: str = "",
    selected: str | None = None,
) -> Board:
    """Return the picture as a board; `selected` names the node with a frame around it."""
    return Board(rows=[[graph_panel(nodes, edges, losses, selected)]], heights=[1], remark=remark)


def with_frame(board: Board, place: int) -> Board:
    """Return a `graph_board` with the frame around another node, the one at this place among the nodes."""
    (panel,) = board.panels
    boxes = next(trace for trace in panel.traces if trace["name"] == "nodes")
    framed = _frame((boxes["base"][place] + _BOX / 2, boxes["y"][place]))
    traces = [framed if trace["name"] == framed["name"] else trace for trace in panel.traces]
    return replace(board, rows=[[replace(panel, traces=traces)]])


def graph_figure(board: Board, *, height: int | None = None) -> go.Figure:
    """Return the figure of a `graph_board`."""
    low, high = board.panels[0].yaxis["range"]
    tall = max(round(_FRAME_PX + _LANE_PX * (low - high)), _LEAST_PX)
    figure = board_figure(board, height=height or tall)
    return figure.update_layout(
        barmode="overlay", hovermode="closest", margin={"l": 8, "r": 8, "b": 10}, hoverlabel={"align": "left"}
    )


def graph_panel(
    nodes: pl.DataFrame, edges: pl.DataFrame, losses: pl.DataFrame, selected: str | None = None
) -> Panel:
    """Return the panel: edges, arrow heads, their labels, the frame of the selected node, the boxes."""
    links = list(zip(edges["from_node"], edges["to_node"], strict=True))
    layout = with_ports(layered(nodes["node"].to_list(), links), links)
    is_side = [output in _SIDE_OUTPUTS for output in edges["output"]]
    half = layout.lanes / 2
    hidden = {"visible": False, "fixedrange": True}
    return Panel(
        title=_legend(nodes["kind"].unique(maintain_order=True).to_list()),
        traces=[
            _lines(layout, [not side for side in is_side], "solid", "rows"),
            _lines(layout, is_side, "dot", "late, unmatched and duplicate rows"),
            _arrows(layout),
            _labels(layout, edges),
            _frame(None if selected is None else layout.places.get(selected)),
            _boxes(layout, nodes, losses),
        ],
        xaxis={**hidden, "title": {"text": "layer"}, "range": [-0.42, layout.layers - 1 + 0.42]},
        yaxis={**hidden, "title": {"text": "lane"}, "range": [half, -half]},
    )


def _boxes(layout: Layout, nodes: pl.DataFrame, losses: pl.DataFrame) -> dict[str, Any]:
    """Return the nodes: bars, for a bar takes hover and clicks all over its face."""
    names = nodes["node"].to_list()
    lost = {name: losses.filter(pl.col("node") == name) for name in names}
    rows = list(nodes.iter_rows(named=True))
    places = [layout.places[name] for name in names]
    colors = [KIND_COLORS.get(kind, OTHER_COLOR) for kind in nodes["kind"]]
    room = int(_WIDTH_PX / layout.layers * _BOX / _LETTER_PX)
    return {
        "type": "bar",
        "orientation": "h",
        "name": "nodes",
        "x": [_BOX] * len(names),
        "base": [x - _BOX / 2 for x, _ in places],
        "y": [y for _, y in places],
        "width": [_TALL] * len(names),
        "marker": {"color": colors, "line": {"width": 0}, "cornerradius": 6},
        "text": [_face(row, lost[row["node"]], max(min(room, 26), 8)) for row in rows],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "constraintext": "none",
        "textfont": {"size": 11.5, "color": [_LIGHT if color == COLORS[0] else _DARK for color in colors]},
        "customdata": [_hint(row, lost[row["node"]]) for row in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _face(row: dict[str, Any], lost: pl.DataFrame, room: int) -> str:
    """Return what a box says: name, kind and time, what was lost."""
    seconds = row["seconds"]
    lines = ["<br>".join(f"<b>{label(part, room)}</b>" for part in _broken(row["node"], room))]
    lines.append(row["kind"] if seconds is None else f"{row['kind']} · {_time(seconds)}")
    worst = lost.filter(pl.col("rows") > 0).group_by("what", maintain_order=True).agg(pl.col("share").max())
    lines += [f"{_percent(share)} {label(what)}" for what, share in worst.iter_rows()]
    return "<br>".join(lines[:2] + [f"<span style='font-size:10.5px'>{line}</span>" for line in lines[2:5]])


def _broken(name: str, room: int) -> list[str]:
    """Return a name in two lines if it is too long for one and has a sign to break it at."""
    signs = [place for place in range(2, room + 1) if name[place - 1 : place] in ("-", "_", " ", ".")]
    return [name[: signs[-1]], name[signs[-1] :]] if len(name) > room and signs else [name]


def _hint(row: dict[str, Any], lost: pl.DataFrame) -> str:
    """Return what a box says when the mouse is over it: what it lost, part by part, and its columns."""
    lines = [f"<b>{label(row['node'], 80)}</b> · {row['kind']}"]
    for _, part, what, rows, share in lost.head(_LISTED).iter_rows():
        lines.append(f"{label(f'{part}: ' if part else '', 60)}{rows:,} {label(what)} ({_percent(share)})")
    columns = row["columns"]
    lines += [f"<i>{label(column, 60)}</i>" for column in columns[:_LISTED]]
    if len(columns) > _LISTED:
        lines.append(f"and {len(columns) - _LISTED} further columns")
    return "<br>".join(lines)


def _lines(layout: Layout, chosen: Sequence[bool], dash: str, name: str) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for way, is_chosen in zip(layout.ways, chosen, strict=True):
        if is_chosen:
            for point in _curve(way):
                x.append(round(point[0], 4))
                y.append(round(point[1], 4))
            x.append(None)
            y.append(None)
    line = {"color": OTHER_COLOR, "width": 1.6, "dash": dash}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": line,
        "hoverinfo": "skip",
    }


def _curve(way: Sequence[Point]) -> list[Point]:
    """Return the points of a line: level across each layer, an S in each gap."""
    points = []
    for (x0, y0), (x1, y1) in itertools.pairwise(way):
        begin, end = x0 + _BOX / 2, x1 - _BOX / 2 - 0.02
        for step in range(_STEPS + 1):
            part = step / _STEPS
            eased = part * part * (3 - 2 * part)
            points.append((begin + (end - begin) * part, y0 + (y1 - y0) * eased))
    return points


def _arrows(layout: Layout) -> dict[str, Any]:
    ends = [way[-1] for way in layout.ways]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "arrow heads",
        "x": [x - _BOX / 2 - 0.015 for x, _ in ends],
        "y": [y for _, y in ends],
        "marker": {"symbol": "triangle-right", "size": 9, "color": OTHER_COLOR},
        "hoverinfo": "skip",
    }


def _labels(layout: Layout, edges: pl.DataFrame) -> dict[str, Any]:
    """Return the edges' labels, each before its arrow head, on the side that the line does not come from."""
    rows = list(edges.iter_rows(named=True))
    ends = zip(layout.ways, (layout.places[row["to_node"]] for row in rows), strict=True)
    below = [_is_below(way, place) for way, place in ends]
    lifts = [0.04 if is_below else -0.03 for is_below in below]
    return {
        "type": "scatter",
        "mode": "text",
        "name": "labels",
        "x": [way[-1][0] - _BOX / 2 - 0.03 for way in layout.ways],
        "y": [way[-1][1] + lift for way, lift in zip(layout.ways, lifts, strict=True)],
        "text": [_edge_text(row) for row in rows],
        "textposition": ["bottom left" if is_below else "top left" for is_below in below],
        "textfont": {"size": 11},
        "customdata": [_edge_hint(row) for row in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _is_below(way: Sequence[Point], place: Point) -> bool:
    """Return whether a label goes below its line: one that falls, or a level one into a lower port."""
    falls = way[-1][1] - way[-2][1]
    return falls > 0.1 or (falls > -0.1 and way[-1][1] > place[1])


def _edge_text(row: dict[str, Any]) -> str:
    """Return an edge's label: its output unless it is the plain one, and how many rows."""
    name = [] if row["output"] == "out" else [label(row["output"], 11)]
    rows = [] if row["rows"] is None else [_count(row["rows"])]
    return "<br>".join(name + rows)


def _edge_hint(row: dict[str, Any]) -> str:
    ends = f"{row['from_node']}.{row['output']}", f"{row['to_node']}.{row['input']}"
    rows = "" if row["rows"] is None else f"<br>{row['rows']:,} rows"
    return " → ".join(label(end, 60) for end in ends) + rows


def _frame(place: Point | None) -> dict[str, Any]:
    width, tall = _BOX / 2 + 0.025, _TALL / 2 + 0.045
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)] if place is not None else []
    x, y = place or (0, 0)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "selected",
        "x": [x + side * width for side, _ in corners],
        "y": [y + side * tall for _, side in corners],
        "line": {"color": INK, "width": 3},
        "hoverinfo": "skip",
    }


def _legend(kinds: Sequence[str]) -> str:
    signs = (f"<span style='color:{KIND_COLORS.get(kind, OTHER_COLOR)}'>■</span> {kind}" for kind in kinds)
    return "   ".join(signs)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.0f} ms"


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    return (
        "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
    )


def _count(rows: int) -> str:
    return f"{rows:,}" if rows < 1_000_000 else f"{rows / 1e6:.1f} M"
