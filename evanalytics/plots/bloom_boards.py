"""The two figures of a Bloom explorer: what follows its sliders, and what is measured beside exact ways."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.bloom import bits_panel, filling_panel
from evanalytics.plots.bloom_costs import dedupe_panel, memory_panel, time_panel
from evanalytics.plots.panel import Board, board_figure

LIVE_HEIGHT_PX, RACE_HEIGHT_PX = 360, 230


def filter_beside_exact(compared: pl.DataFrame, *, height: int = RACE_HEIGHT_PX) -> go.Figure:
    """Return memory and time of a filter, a set and a semi join, from `compare_with_exact`."""
    return race_figure(race_board(compared), height=height)


def live_board(
    *,
    formula: pl.DataFrame,
    measured: pl.DataFrame,
    promise: float,
    load: float,
    curves: pl.DataFrame,
    bits: float,
    costs: pl.DataFrame,
    cost: Mapping[str, float],
    remark: str = "",
) -> Board:
    """Return the three pictures that follow the sliders.

    Args:
        formula: As for `error_rate_while_filling`.
        measured: Likewise.
        promise: Likewise.
        load: Likewise.
        curves: As for `bits_per_id`.
        bits: What an id costs in the filter that is shown.
        costs: As for `dedupe_cost`.
        cost: The same for the filter that is shown: bytes, false_drops, lookups.
        remark: Text for the corner.
    """
    panels = [
        filling_panel(formula, measured, promise=promise, load=load),
        bits_panel(curves, point=(promise, bits)),
        dedupe_panel(costs, point=cost),
    ]
    return Board(rows=[panels], heights=[1], remark=remark)


def live_figure(board: Board) -> go.Figure:
    """Return the figure of a `live_board`."""
    return board_figure(board, height=LIVE_HEIGHT_PX)


def race_board(compared: pl.DataFrame) -> Board:
    """Return two pictures, memory and time, of the ways that hold ids."""
    return Board(rows=[[memory_panel(compared), time_panel(compared)]], heights=[1])


def race_figure(board: Board, *, height: int = RACE_HEIGHT_PX) -> go.Figure:
    """Return the figure of a `race_board`."""
    figure = board_figure(board, height=height)
    return figure.update_layout(barmode="stack", bargap=0.35, hovermode="closest", margin={"l": 100})
