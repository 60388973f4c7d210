"""The two figures of a Bloom explorer: what follows its sliders, and what other ways to hold ids take."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.bloom import bits_panel, filling_panel
from evanalytics.plots.bloom_costs import dedupe_panel, memory_panel, time_panel
from evanalytics.plots.panel import Board, board_figure

LIVE_HEIGHT_PX, OTHERS_HEIGHT_PX, BESIDE_HEIGHT_PX = 360, 320, 230


def filter_beside_exact(compared: pl.DataFrame, *, height: int = BESIDE_HEIGHT_PX) -> go.Figure:
    """Return memory and time of a filter, a set and a semi join, from `compare_with_exact`."""
    board = Board(rows=[[memory_panel(compared), time_panel(compared)]], heights=[1])
    return _bars_figure(board, height=height)


def live_board(
    *,
    formula: pl.DataFrame,
    measured: pl.DataFrame,
    promise: float,
    load: float,
    costs: pl.DataFrame,
    cost: Mapping[str, float],
    remark: str = "",
) -> Board:
    """Return the two pictures that follow the sliders.

    Args:
        formula: As for `error_rate_while_filling`.
        measured: Likewise.
        promise: Likewise.
        load: Likewise.
        costs: As for `dedupe_cost`.
        cost: The same for the filter that is shown: bytes, false_drops, lookups.
        remark: Text for the corner.
    """
    panels = [
        filling_panel(formula, measured, promise=promise, load=load),
        dedupe_panel(costs, point=cost),
    ]
    return Board(rows=[panels], heights=[1], remark=remark)


def live_figure(board: Board) -> go.Figure:
    """Return the figure of a `live_board`."""
    return board_figure(board, height=LIVE_HEIGHT_PX)


def others_board(curves: pl.DataFrame, compared: pl.DataFrame, *, promise: float, bits: float) -> Board:
    """Return three pictures of what other ways take: memory, time, bits an id.

    Args:
        curves: As for `bits_per_id`.
        compared: As for `filter_beside_exact`.
        promise: The error rate of the filter that is shown.
        bits: What an id costs in it.
    """
    panels = [
        memory_panel(compared),
        time_panel(compared),
        bits_panel(curves, point=(promise, bits)),
    ]
    return Board(rows=[panels], heights=[1])


def others_figure(board: Board) -> go.Figure:
    """Return the figure of an `others_board`."""
    return _bars_figure(board, height=OTHERS_HEIGHT_PX)


def _bars_figure(board: Board, *, height: int) -> go.Figure:
    figure = board_figure(board, height=height)
    return figure.update_layout(barmode="stack", bargap=0.35, hovermode="closest", margin={"l": 100})
