"""Pictures as plain plotly properties: figures are built from them, and updated by their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go

from evanalytics.plots.theme import TEMPLATE

Properties = Mapping[str, Any]

_GAP_X, _GAP_Y_PX, _TITLE_PX, _BOTTOM_PX, _LINE_PX = 0.075, 94, 44, 48, 17
_DAY_PX = 14
"""More below an axis of instants: its ticks have a second line, which says the day."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: its title, its traces, its two axes.

    The number of traces and their types must not depend on the data, for an update puts new
    data into the traces that are there. A trace without data has empty arrays.
    """

    title: str
    traces: Sequence[Properties]
    xaxis: Properties
    yaxis: Properties
    layout: Properties = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Board:
    """Several panels in rows, shown as one figure.

    One figure, because each further one ships plotly's five megabytes of JavaScript again.

    Attributes:
        rows: The panels of each row, from the top; a row's panels share its width evenly.
        heights: Relative heights of the rows.
        remark: Small text in the upper right corner: how many events, computed in how long.
        message: What to say in the middle, when there is nothing to draw.
    """

    rows: Sequence[Sequence[Panel]]
    heights: Sequence[float]
    remark: str = ""
    message: str = ""

    @property
    def panels(self) -> list[Panel]:
        """Return the panels, row by row."""
        return [panel for row in self.rows for panel in row]


def figure_of(panel: Panel, *, height: int = 320) -> go.Figure:
    """Return a figure of one panel, as wide as the place where it is shown."""
    figure = board_figure(Board(rows=[[panel]], heights=[1]), height=height)
    figure.update_layout(panel.layout)
    figure.update_yaxes(automargin=True)
    return figure


def board_figure(board: Board, *, height: int) -> go.Figure:
    """Return one figure of a board's panels, so many pixels high."""
    layout: dict[str, Any] = {"template": TEMPLATE, "height": height, "autosize": True, "showlegend": False}
    traces, titles = [], []
    for number, (panel, x_domain, y_domain) in enumerate(_places(board, height), start=1):
        x, y = _axis_names(number)
        layout[x] = {**panel.xaxis, "domain": x_domain, "anchor": _short(y)}
        layout[y] = {**panel.yaxis, "domain": y_domain, "anchor": _short(x)}
        traces += [{**_drawn(trace), "xaxis": _short(x), "yaxis": _short(y)} for trace in panel.traces]
        titles.append(_text(panel.title, x_domain[0], y_domain[1], xanchor="left", size=13))
    above = max(panel.title.count("<br>") for panel in board.rows[0]) * _LINE_PX
    titles.append({**_text(board.remark, 1, 1, xanchor="right", size=11), "yshift": 6 + above})
    message = _text(board.message, 0.5, 0.6, xanchor="center", size=15)
    titles.append({**message, "yanchor": "middle", "align": "center"})
    layout["annotations"] = titles
    layout["margin"] = {"t": _TITLE_PX, "b": _bottom_px(board)}
    return go.Figure(data=traces, layout=layout)


def update_figure(figure: go.Figure, before: Board, after: Board) -> None:
    """Turn a figure of the board `before` into one of the board `after`.

    Only what differs is sent, in one message, so that the browser draws once. (Plotly checks
    every property that is set: setting all of them again took 20 to 30 ms, the changes take 2.)

    Args:
        figure: A `FigureWidget` on display, or a plain figure.
        before: What it shows.
        after: The same panels with new data.
    """
    with figure.batch_update():
        old_traces = [trace for panel in before.panels for trace in panel.traces]
        new_traces = [trace for panel in after.panels for trace in panel.traces]
        for shown, old, new in zip(figure.data, old_traces, new_traces, strict=True):
            _assign(shown, _drawn(old), _drawn(new))
        for number, (old_panel, panel) in enumerate(zip(before.panels, after.panels, strict=True), start=1):
            x, y = _axis_names(number)
            _assign(figure.layout[x], old_panel.xaxis, panel.xaxis)
            _assign(figure.layout[y], old_panel.yaxis, panel.yaxis)
        for annotation, old_text, text in zip(
            figure.layout.annotations, _texts(before), _texts(after), strict=True
        ):
            _assign(annotation, _written(old_text), _written(text))


def _texts(board: Board) -> list[str]:
    return [*(panel.title for panel in board.panels), board.remark, board.message]


def _drawn(trace: Properties) -> Properties:
    """Return a trace, invisible while there is nothing in it: plotly takes time for it all the same."""
    return {**trace, "visible": any(len(trace.get(name, ())) for name in ("x", "y", "z"))}


def _written(text: str) -> Properties:
    return {"text": text, "visible": bool(text)}


def _assign(shown: Any, old: Properties, new: Properties) -> None:
    for name, value in new.items():
        if isinstance(value, Mapping):
            _assign(shown[name], old.get(name, {}), value)
        elif not _same(old.get(name), value):
            shown[name] = value


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, np.ndarray) or isinstance(new, np.ndarray):
        return np.array_equal(old, new)
    return bool(old == new)


def _places(board: Board, height: int) -> Iterator[tuple[Panel, list[float], list[float]]]:
    """Yield each panel with the part of the figure's width and height that is its own."""
    gap = _GAP_Y_PX / (height - _TITLE_PX - _bottom_px(board))
    free = 1 - gap * (len(board.rows) - 1)
    top = 1.0
    for row, share in zip(board.rows, board.heights, strict=True):
        bottom = max(top - free * share / sum(board.heights), 0.0)
        width = (1 - _GAP_X * (len(row) - 1)) / len(row)
        for column, panel in enumerate(row):
            left = column * (width + _GAP_X)
            yield panel, [left, min(left + width, 1.0)], [bottom, top]
        top = bottom - gap


def _bottom_px(board: Board) -> int:
    return _BOTTOM_PX + _DAY_PX * any(panel.xaxis.get("type") == "date" for panel in board.rows[-1])


def _axis_names(number: int) -> tuple[str, str]:
    suffix = "" if number == 1 else str(number)
    return f"xaxis{suffix}", f"yaxis{suffix}"


def _short(name: str) -> str:
    return name.replace("axis", "")


def _text(text: str, x: float, y: float, *, xanchor: str, size: int) -> dict[str, Any]:
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": xanchor, "yanchor": "bottom"}
    return {**place, **_written(text), "align": "left", "yshift": 6, "font": {"size": size}}
