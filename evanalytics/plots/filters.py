"""What a filter's conditions leave over, one after the other: as written, and as optimized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.panel import Board, Panel, board_figure
from evanalytics.plots.theme import COLORS, OTHER_COLOR, label

_COLOR = {"columns": COLORS[0], "events": COLORS[1]}
_RAN = {"columns": "over columns", "events": "event by event"}
_ROW_PX, _FRAME_PX, _LABEL = 26, 200, 60


def selectivity_waterfall(
    original: pl.DataFrame, optimized: pl.DataFrame, *, height: int | None = None
) -> go.Figure:
    """Return two pictures of a filter at work: as written, and below it as optimized.

    Each bar is a condition: as long as the events that reach it, full as far as they pass.
    Blue ran over columns, orange event by event.

    Args:
        original: Columns `condition, ran, rows_in, rows_out, ms`, in the order in which they ran.
        optimized: Likewise; both come from `Explanation`.
        height: In pixels; by default what the number of conditions needs.
    """
    rows = [max(original.height, 1), max(optimized.height, 1)]
    board = waterfall_board(original, optimized, heights=rows)
    return waterfall_figure(board, height=height or _FRAME_PX + _ROW_PX * sum(rows))


def waterfall_board(
    original: pl.DataFrame, optimized: pl.DataFrame, *, heights: Sequence[float] = (1, 1)
) -> Board:
    """Return the same two pictures as a board, which an update can put new tables into.

    Args:
        original: As for `selectivity_waterfall`.
        optimized: As for `selectivity_waterfall`.
        heights: Relative heights of the two.
    """
    return Board(rows=[[panel] for panel in _waterfall(original, optimized)], heights=heights)


def editor_board(
    original: pl.DataFrame,
    optimized: pl.DataFrame,
    *,
    matches: int,
    total: int,
    remark: str = "",
    message: str = "",
) -> Board:
    """Return the filter editor's board: how many events match, and below it the two pictures.

    Args:
        original: As for `selectivity_waterfall`.
        optimized: As for `selectivity_waterfall`.
        matches: How many events match, at most.
        total: How many there are.
        remark: Text for the corner.
        message: What to say when there is nothing to draw.
    """
    panels = [share_panel(matches, total), *_waterfall(original, optimized)]
    return Board(rows=[[panel] for panel in panels], heights=[1, 4, 4], remark=remark, message=message)


def share_panel(matches: int, total: int) -> Panel:
    """Return the panel of a filter's result: one bar of all events, full as far as they match."""
    share = f" ({matches / total:.1%})" if total else ""
    hints = [f"{matches:,} of {total:,} events match"]
    return Panel(
        title=f"<b>Matches</b> · {matches:,} of {total:,} events{share}",
        traces=[
            _bars([0], [matches], hints, {"color": COLORS[2], "opacity": 1.0}, "matches"),
            _bars([0], [total - matches], hints, {"color": COLORS[2], "opacity": 0.25}, "others"),
        ],
        xaxis={"range": [0, max(total, 1) * 1.02], "showticklabels": False, "nticks": 4, "fixedrange": True},
        yaxis={"range": [0.5, -0.5], "showticklabels": False, "fixedrange": True},
    )


def _waterfall(original: pl.DataFrame, optimized: pl.DataFrame) -> list[Panel]:
    most = max([*original["rows_in"], *optimized["rows_in"], 1])
    return [
        selectivity_panel(original, "As written", most),
        selectivity_panel(optimized, "Optimized", most),
    ]


def waterfall_figure(board: Board, *, height: int) -> go.Figure:
    """Return the figure of such a board."""
    figure = board_figure(board, height=height)
    figure.update_layout(barmode="stack", hovermode="closest", bargap=0.25)
    return figure


def selectivity_panel(frame: pl.DataFrame, title: str, most: int) -> Panel:
    """Return the panel of one filter: a bar a condition, the first on top; `most` ends its axis."""
    names = [f"{number}. {label(text, _LABEL)}" for number, text in enumerate(frame["condition"], start=1)]
    colors = [_COLOR.get(ran, OTHER_COLOR) for ran in frame["ran"]]
    passed = frame["rows_out"].to_list()
    refused = (frame["rows_in"] - frame["rows_out"]).to_list()
    places = list(range(frame.height))
    hints = [_hint(row) for row in frame.iter_rows(named=True)]
    return Panel(
        title=_titled(title, frame),
        traces=[
            _bars(places, passed, hints, {"color": colors, "opacity": 1.0}, "passed"),
            _bars(places, refused, hints, {"color": colors, "opacity": 0.25}, "refused"),
        ],
        xaxis={"title": {"text": "events"}, "range": [0, most * 1.02], "nticks": 4, "fixedrange": True},
        yaxis={
            "tickvals": places,
            "ticktext": names,
            "range": [max(frame.height, 1) - 0.5, -0.5],
            "automargin": True,
            "fixedrange": True,
        },
    )


def _titled(title: str, frame: pl.DataFrame) -> str:
    if not frame.height:
        return f"<b>{title}</b>"
    kinds = [
        f"<span style='color:{_COLOR[ran]}'>■</span> {_RAN[ran]}"
        for ran in _COLOR
        if ran in set(frame["ran"])
    ]
    return f"<b>{title}</b> · {frame['ms'].sum():,.3g} ms · {' '.join(kinds)} (pale: refused)"


def _bars(
    places: list[int], lengths: list[int], hints: list[str], marker: dict[str, Any], name: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": lengths,
        "y": places,
        "marker": marker,
        "customdata": hints,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _hint(row: dict[str, Any]) -> str:
    share = row["rows_out"] / row["rows_in"] if row["rows_in"] else 0.0
    return (
        f"{label(row['condition'], 200)}<br>{row['rows_in']:,} in, {row['rows_out']:,} out ({share:.1%})"
        f"<br>{row['ms']:,.3g} ms over {row['ran']}"
    )
