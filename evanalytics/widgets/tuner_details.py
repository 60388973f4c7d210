"""The tuner's second figure: it explains one setting, and places it among others."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import polars as pl

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.plots.tuner_boards import details_board, details_figure
from evanalytics.tuning.explore import Explanation, LatencyGoal, explain, map_settings
from evanalytics.tuning.pareto import pareto_front
from evanalytics.tuning.recommend import Recommendation
from evanalytics.tuning.retune import rate_of
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.sweep import sweep
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.tuner_controls import limits_text

_NO_QUEUE = pl.DataFrame(
    schema={
        "time": pl.Datetime("us", "UTC"), "at_ns": pl.Int64, "in_batch": pl.Int64, "waiting": pl.Int64,
        "in_flight": pl.Int64, "tokens": pl.Int64,
    }
)  # fmt: skip
_NO_WAITS = pl.DataFrame(
    schema={
        "time": pl.Datetime("us", "UTC"),
        "events": pl.Int64,
        "cause": pl.String,
        "mean_ns": pl.Float64,
    }
)


@dataclass(frozen=True, eq=False)
class Situation:
    """What the pictures are about.

    Attributes:
        arrivals: The events.
        settings: The setting, with the service of the traffic that was chosen.
        row: Its knobs and metrics.
        goal: The latency by which settings are judged.
    """

    arrivals: Arrivals
    settings: Settings
    row: dict[str, Any]
    goal: LatencyGoal

    @property
    def given(self) -> Settings:
        """The settings apart from batch size and flush interval, which are what is looked for."""
        return self.settings.turned(max_batch_size=1, flush_interval="0s")

    def is_like(self, other: Situation) -> bool:
        """Return whether the two differ in batch size and flush interval at most."""
        return self.arrivals is other.arrivals and self.given == other.given


class Details:
    """The figure, and what it shows.

    Attributes:
        figure: A plotly `FigureWidget` of five pictures.
        grid: The settings that were measured for the map.
        recommendation: The latest one, until the traffic changes.
    """

    def __init__(self) -> None:
        """Draw empty pictures; `show` fills them."""
        self.grid = sweep([0], [], progress=False)
        self.recommendation: Recommendation | None = None
        self._lock = threading.Lock()
        self._mapped: Situation | None = None
        self._mapped_at = ""
        self._explanation = Explanation(_NO_QUEUE, _NO_WAITS)
        board = details_board(
            queue=_NO_QUEUE, waits=_NO_WAITS, grid=self.grid, tried=self.grid, front=self.grid,
            remark="press Map settings to fill these",
        )  # fmt: skip
        self.figure = BoardFigure(details_figure(board), board)

    @property
    def cells(self) -> Any:
        """The map's trace, whose clicks can be listened to."""
        return next(trace for trace in self.figure.data if trace.type == "heatmap")

    def show(self, situation: Situation, *, with_map: bool) -> None:
        """Explain a setting, and see to it that the map is of this traffic if asked to."""
        with self._lock:  # the latest caller may come while an earlier one still computes
            began = time.perf_counter()
            self._explanation = explain(situation.arrivals, situation.settings)
            if with_map:
                self._map(situation)
            spent_ms = 1e3 * (time.perf_counter() - began)
            self._draw(situation, f"{len(situation.arrivals):,} events · {spent_ms:,.0f} ms")

    def _map(self, situation: Situation) -> None:
        if self._mapped is None or not situation.is_like(self._mapped):
            self.grid = map_settings(situation.arrivals, situation.settings)
            self._mapped = situation
            self._mapped_at = limits_text(situation.settings)

    def _draw(self, situation: Situation, remark: str) -> None:
        found, goal = self.recommendation, situation.goal
        tried = self.grid if found is None else found.tried
        per_second, limiter = rate_of(situation.settings)
        self.figure.board = details_board(
            queue=self._explanation.queue,
            waits=self._explanation.waits,
            grid=self.grid,
            tried=tried,
            front=pareto_front(tried, latency=goal.column),
            current=situation.row,
            recommended=None if found is None else found.metrics,
            latency=goal.column,
            goal_s=goal.most_s,
            limit_per_second=None if limiter == "none" else per_second,
            mapped_at=self._mapped_at,
            remark=remark,
        )


def cell_of(grid: pl.DataFrame, row: int, column: int) -> tuple[int, int]:
    """Return the batch size and the flush interval (us) of a cell of the map."""
    sizes = grid["max_batch_size"].unique().sort()
    intervals = grid["flush_interval_us"].unique().sort()
    return int(sizes[row]), int(intervals[column])
