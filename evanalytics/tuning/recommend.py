"""The cheapest settings that keep to what is wanted, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from evanalytics.delivery.arrivals import LONGEST_LOG_NS, Arrivals
from evanalytics.delivery.quantiles import rank_of
from evanalytics.durations import format_duration
from evanalytics.exceptions import TuningError
from evanalytics.logs.log import EventLog
from evanalytics.tuning.constraints import Constraint, format_ns, metric_column, metric_name
from evanalytics.tuning.pareto import pareto_front
from evanalytics.tuning.refine import at_an_edge, finer_grid
from evanalytics.tuning.resample import measure_resampled
from evanalytics.tuning.settings import Grid, Settings, spread_out
from evanalytics.tuning.sweep import arrivals_for, sweep

_ROUNDS = 5
_SHOWN = ("requests", "attempts", "p50_ns", "p99_ns", "max_ns")
_SURE = 0.9


@dataclass(frozen=True, eq=False, repr=False)
class Recommendation:
    """The best settings found, what they do, and how sure that is.

    Attributes:
        settings: The settings; `settings.to_json()` is what the live side loads.
        metrics: What they do to the log: their row of `tried`.
        objective: The column of which they have the least.
        constraints: What they keep to.
        operation: Whose limit held.
        tried: Every setting that was measured, one row each, as from `sweep`, with a column cost.
        front: The rows of `tried` that no other beats in objective and latency.
        resampled: What the settings do to logs made of this log's own blocks, one row each.
        notes: What to know before trusting it.
    """

    settings: Settings
    metrics: dict[str, Any]
    objective: str
    constraints: tuple[Constraint, ...]
    operation: str
    tried: pl.DataFrame
    front: pl.DataFrame
    resampled: pl.DataFrame
    notes: tuple[str, ...]

    def interval(self, metric: str = "p99", share: float = _SURE) -> tuple[int | None, int | None]:
        """Return the least and the most of a metric on the middle share of the resampled logs.

        A log's p99 is one draw; this is how far it would move with other days of the same kind. None
        stands for never: that event was handed back. Latencies are nanoseconds.

        Raises:
            TuningError: There is no such metric, or the log was too short to be resampled.
        """
        values = self.resampled[metric_column(metric)].sort(nulls_last=True)
        if len(values) == 0:
            raise TuningError(f"interval of {metric}: the log is too short to be cut into blocks")
        aside = (1 - share) / 2
        return values[rank_of(aside, len(values)) - 1], values[rank_of(1 - aside, len(values)) - 1]

    def __repr__(self) -> str:
        kept = ", ".join(map(str, self.constraints)) or "no constraint"
        batch, limit = self.settings.batch, self.settings.throttle.limit_of(self.operation)
        knobs = (
            f"max_batch_size {batch.max_batch_size}, flush_interval {format_duration(batch.flush_interval)}"
        )
        knobs += f", {limit!r}" if limit else ""
        knobs += f", max_in_flight {self.settings.delivery.max_in_flight}"
        found = ", ".join(f"{metric_name(name)} {_show(name, self.metrics[name])}" for name in _SHOWN)
        lines = [
            f"Least {metric_name(self.objective)} with {kept}: {knobs}",
            f"on this log: {found}",
            *self.notes,
        ]
        return "\n  ".join(lines)


def recommend(
    log: EventLog | Arrivals | ArrayLike,
    objective: str = "requests",
    constraints: str | Sequence[str] = "p99 <= 2s",
    *,
    grid: Grid | None = None,
    base: Settings | None = None,
    operation: str = "publish",
    cost_per_request: float = 1.0,
    cost_per_event: float = 0.0,
    resamples: int = 40,
    seed: int = 0,
    progress: bool = True,
) -> Recommendation:
    """Return the settings with the least of something that keep to constraints on this log.

    A grid is swept, then finer ones around the best setting so far. (No bisection: the p99 is not
    monotone in the flush interval.) The winner is then measured on logs made of the log's own blocks.

    Args:
        log: A log, arrivals, or arrival times in whole nanoseconds since the start.
        objective: What to have little of: a metric such as "requests" or "p99", or "cost".
        constraints: What to keep to, such as "p99 <= 2s" or ["p99.9 <= 5s", "handed_back <= 0"].
        grid: The settings to begin with; batch sizes and flush intervals over a wide range by default.
        base: The other knobs of the default grid.
        operation: Whose limit holds.
        cost_per_request: What a call costs, retries included; for the column cost.
        cost_per_event: What an event costs, however it is sent; for the column cost.
        resamples: How many resampled logs.
        seed: Of the resampling.
        progress: Whether to show progress bars.

    Raises:
        TuningError: A constraint cannot be read, or none of the settings keeps to all of them; it says
            how near they come.
    """
    limits = tuple(
        Constraint.parse(text) for text in ([constraints] if isinstance(constraints, str) else constraints)
    )
    target = "cost" if objective == "cost" else metric_column(objective)
    first = grid or _wide_grid(base or Settings(), limits, operation)
    arrivals = arrivals_for(log, first)
    search = _Search(arrivals, operation, target, limits, (cost_per_request, cost_per_event), progress)
    search.measure(first)
    for _ in range(_ROUNDS):
        search.measure(finer_grid(search.settings[search.best()["setting"]], search.table, first))
    best = search.best()
    chosen = search.settings[best["setting"]]
    resampled = measure_resampled(
        arrivals, chosen, operation=operation, count=resamples, seed=seed, progress=progress
    )
    notes = [
        *at_an_edge(best, search.table, first, target),
        *_sureness(resampled, limits, best),
        *_coarseness(arrivals, chosen),
    ]
    return Recommendation(
        settings=chosen,
        metrics=best,
        objective=target,
        constraints=limits,
        operation=operation,
        tried=search.table,
        front=search.front(),
        resampled=resampled,
        notes=tuple(notes),
    )


class _Search:
    """What was measured so far."""

    def __init__(
        self, arrivals: Arrivals, operation: str, objective: str, limits: tuple[Constraint, ...],
        costs: tuple[float, float], progress: bool,
    ) -> None:  # fmt: skip
        self.settings: list[Settings] = []
        self.table = pl.DataFrame()
        self.latency = next((limit.column for limit in limits if limit.column.endswith("_ns")), "p99_ns")
        self._arrivals = arrivals
        self._operation = operation
        self._objective = objective
        self._limits = limits
        self._costs = costs
        self._progress = progress

    def measure(self, settings: Sequence[Settings]) -> None:
        """Measure those of the settings that were not measured yet."""
        known = set(self.settings)
        new = [one for one in dict.fromkeys(settings) if one not in known]
        if not new:
            return
        per_request, per_event = self._costs
        cost = pl.col("attempts") * per_request + pl.col("events") * per_event
        rows = sweep(self._arrivals, new, operation=self._operation, progress=self._progress)
        rows = rows.with_columns(pl.col("setting") + len(self.settings), cost=cost.cast(pl.Float64))
        self.table = pl.concat([self.table, rows]) if len(self.table) else rows
        self.settings += new

    def best(self) -> dict[str, Any]:
        """Return the row with the least of the objective, then of the latency, among those that fit.

        Of equals it is the one with the largest batches, which bears more traffic than there was.
        """
        fit = self.table.filter(
            pl.all_horizontal(pl.lit(value=True), *(limit.holds() for limit in self._limits))
        )
        fit = fit.drop_nulls(self._objective).with_columns(pl.col(self.latency).fill_null(LONGEST_LOG_NS))
        order = (self._objective, self.latency, "max_batch_size", "setting")
        fit = fit.sort(order, descending=(False, False, True, False))
        if len(fit) == 0:
            raise TuningError(self._why_none())
        return self.table.row(fit["setting"][0], named=True)

    def front(self) -> pl.DataFrame:
        """Return the settings that no other beats; of equals the one with the largest batches."""
        cost = "requests" if self._objective.endswith("_ns") else self._objective
        ordered = self.table.sort("max_batch_size", descending=True, maintain_order=True)
        return pareto_front(ordered, cost=cost, latency=self.latency)

    def _why_none(self) -> str:
        nearest = ", ".join(
            f"the least {metric_name(limit.column)} is {_show(limit.column, self.table[limit.column].min())}"
            for limit in self._limits
        )
        wanted = " and ".join(map(str, self._limits))
        return (
            f"none of {len(self.table)} settings keeps to {wanted}: {nearest}; widen the grid or the bounds"
        )


def _wide_grid(base: Settings, limits: Sequence[Constraint], operation: str) -> Grid:
    """Return a grid over batch sizes to 1,000 and flush intervals up to what the constraints allow."""
    longest_us = min(
        (limit.most // 1_000 for limit in limits if limit.column.endswith("_ns")), default=60_000_000
    )
    longest_us = max(longest_us, 10_000)
    intervals = [
        timedelta(microseconds=us) for us in spread_out(max(longest_us // 500, 1_000), longest_us, 12)
    ]
    return Grid(base, operation=operation, max_batch_size=spread_out(1, 1_000, 10), flush_interval=intervals)


def _sureness(
    resampled: pl.DataFrame, limits: Sequence[Constraint], best: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what to know before trusting the settings."""
    if len(resampled) == 0:
        yield "the log is too short to be resampled: how far its latencies would move is not known"
    for limit in limits if len(resampled) else ():
        kept = int(resampled.select(limit.holds().sum()).item())
        yield f"{limit} held on {kept} of {len(resampled)} logs resampled from this one" + (
            "" if kept >= _SURE * len(resampled) else ": leave more room"
        )
    if best["handed_back"]:
        yield f"{best['handed_back']:,} of {best['events']:,} events are handed back undelivered"


def _coarseness(arrivals: Arrivals, settings: Settings) -> Iterator[str]:
    """Yield a warning where the log's clock ticks more slowly than batches leave."""
    tick_ns = int(np.gcd.reduce(arrivals.time_ns))
    if settings.batch.flush_interval_ns < tick_ns:
        yield (
            f"all arrivals are multiples of {format_ns(tick_ns)} apart, longer than the flush interval: how "
            "events spread in between is not in the log, so the true latencies may be others"
        )


def _show(column: str, value: Any) -> str:
    return format_ns(value) if column.endswith("_ns") else f"{value:,}"
