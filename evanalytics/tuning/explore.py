"""What a tuner shows beside its sliders: why events waited, and how other settings do."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.simulate import simulate
from evanalytics.tuning.constraints import Constraint, metric_name
from evanalytics.tuning.metrics import COLUMNS
from evanalytics.tuning.settings import Grid, Settings
from evanalytics.tuning.sweep import sweep

MAP_KNOBS = MappingProxyType(
    {
        "max_batch_size": (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000),
        "flush_interval": (
            "50ms", "100ms", "200ms", "500ms", "1s", "1500ms", "2s", "3s", "5s", "10s", "30s", "2m",
        ),
    }
)  # fmt: skip
"""What a map of the settings spans: 120 of them."""

_INSTANTS, _SPANS = 400, 80
_SHOWN = ("p50_ns", "p99_ns", "max_ns")


@dataclass(frozen=True, slots=True)
class LatencyGoal:
    """Which latency tables and pictures are about, and the most that it may be.

    Attributes:
        column: The metric's column, such as "p99_ns".
        most_ns: The bound, included; None if there is none.
    """

    column: str = "p99_ns"
    most_ns: int | None = None

    @property
    def name(self) -> str:
        """The metric as people write it: "p99.9"."""
        return metric_name(self.column)

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns that tables show: p50, p99, the maximum, and this one, in this order."""
        return tuple(column for column in COLUMNS if column in _SHOWN or column == self.column)

    @property
    def most_s(self) -> float | None:
        """The bound in seconds."""
        return None if self.most_ns is None else self.most_ns / 1e9

    def is_missed_by(self, latency_ns: int | None) -> bool:
        """Return whether a latency is above the bound; None, of events that were lost, is above any."""
        return self.most_ns is not None and (latency_ns is None or latency_ns > self.most_ns)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why events waited under one setting.

    Attributes:
        queue: Events held and tokens spent over time, as `Simulation.queue` has them.
        waits: What the latency went into, as `Simulation.waits` has it.
    """

    queue: pl.DataFrame
    waits: pl.DataFrame


def explain(arrivals: Arrivals, settings: Settings, *, operation: str = "publish") -> Explanation:
    """Return why events waited: 0.1 to 0.5 s for a million of them."""
    found = simulate(arrivals, settings.batch, settings.throttle, settings.delivery, operation=operation)
    return Explanation(found.queue(_INSTANTS), found.waits(_SPANS))


def map_settings(
    arrivals: Arrivals, settings: Settings, *, operation: str = "publish", progress: bool = False
) -> pl.DataFrame:
    """Return how 120 batch sizes and flush intervals do, the other knobs staying: a row each, as `sweep`."""
    knobs: dict[str, Any] = dict(MAP_KNOBS)
    return sweep(
        arrivals, Grid(settings, operation=operation, **knobs), operation=operation, progress=progress
    )


def constraints_of(text: str) -> list[str]:
    """Return the constraints in a text such as "p99 <= 2s, requests <= 5000", each one checked.

    Raises:
        TuningError: One of them cannot be read.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts or [text]:
        Constraint.parse(part)
    return parts


def latency_goal(text: str) -> LatencyGoal:
    """Return the first latency that a text of constraints bounds; p99 without a bound if it bounds none.

    Example:
        >>> latency_goal("requests <= 5000, p99.9 <= 1500ms")
        LatencyGoal(column='p99_9_ns', most_ns=1500000000)
    """
    limits = [Constraint.parse(part) for part in constraints_of(text)]
    goals = (LatencyGoal(limit.column, limit.most) for limit in limits if limit.column.endswith("_ns"))
    return next(goals, LatencyGoal())
