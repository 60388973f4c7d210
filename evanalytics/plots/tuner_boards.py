"""The two figures of a tuner: what follows its sliders, and what explains and maps the settings."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from evanalytics.plots.panel import Board, board_figure
from evanalytics.plots.queueing import queue_panel, tokens_panel, waits_panel
from evanalytics.plots.tradeoff import Point, pareto_panel, settings_map_panel
from evanalytics.plots.tuning import batch_sizes_panel, latency_panel

LIVE_HEIGHT_PX, DETAILS_HEIGHT_PX = 300, 640


def live_board(
    latency: pl.DataFrame,
    sizes: pl.DataFrame,
    *,
    pinned_latency: pl.DataFrame | None = None,
    pinned_sizes: pl.DataFrame | None = None,
    goal_s: float | None = None,
    remark: str = "",
) -> Board:
    """Return the two pictures that follow a slider.

    Args:
        latency: A `Retuned`'s `latency`.
        sizes: Its `sizes`.
        pinned_latency: The same of the setting to compare with.
        pinned_sizes: Likewise.
        goal_s: Where to draw the line that latencies must not cross, in seconds.
        remark: Text for the corner.
    """
    left = latency_panel(latency, pinned=pinned_latency, goal_s=goal_s)
    right = batch_sizes_panel(sizes, pinned=pinned_sizes)
    return Board(rows=[[left, right]], heights=[1], remark=remark)


def details_board(
    *,
    queue: pl.DataFrame,
    waits: pl.DataFrame,
    grid: pl.DataFrame,
    tried: pl.DataFrame,
    front: pl.DataFrame,
    current: Point | None = None,
    recommended: Point | None = None,
    latency: str = "p99_ns",
    goal_s: float | None = None,
    limit_per_second: float | None = None,
    mapped_at: str = "",
    remark: str = "",
) -> Board:
    """Return the five pictures that explain one setting and place it among others.

    Args:
        queue: From `Simulation.queue()`.
        waits: From `Simulation.waits(bins)`.
        grid: From `sweep` over batch sizes and flush intervals.
        tried: Every setting that was measured.
        front: Those that no other beats.
        current: The setting shown: max_batch_size, flush_interval_us, the latency's column, requests.
        recommended: The same of the recommended one.
        latency: The column of the latency by which settings are judged.
        goal_s: What it must not exceed, in seconds.
        limit_per_second: How many tokens flow in.
        mapped_at: Where the knobs are that the map does not turn.
        remark: Text for the corner.
    """
    return Board(
        rows=[
            [
                settings_map_panel(
                    grid,
                    latency=latency,
                    goal_s=goal_s,
                    current=current,
                    given=mapped_at,
                    hint="click to set the sliders",
                ),
                pareto_panel(
                    tried, front, latency=latency, recommended=recommended, current=current, goal_s=goal_s
                ),
            ],
            [waits_panel(waits), queue_panel(queue), tokens_panel(queue, limit_per_second=limit_per_second)],
        ],
        heights=[1.4, 1],
        remark=remark,
    )


def live_figure(board: Board) -> go.Figure:
    """Return the figure of a `live_board`."""
    return board_figure(board, height=LIVE_HEIGHT_PX).update_layout(barmode="stack", bargap=0.08)


def details_figure(board: Board) -> go.Figure:
    """Return the figure of a `details_board`."""
    return board_figure(board, height=DETAILS_HEIGHT_PX).update_layout(hovermode="closest")
