"""Which settings to take: they, how low their limit may be, and the map of all that was tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.simulate import simulate
from evanalytics.exceptions import EvAnalyticsError, TuningError
from evanalytics.logs.log import EventLog
from evanalytics.tuning.constraints import Constraint
from evanalytics.tuning.explore import LatencyGoal, constraints_of, latency_goal, map_settings
from evanalytics.tuning.pareto import pareto_front
from evanalytics.tuning.recommend import Recommendation, recommend
from evanalytics.tuning.retune import with_rate
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.sweep import sweep

_SECOND_NS = 1_000_000_000
_LIMITS = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Advice:
    """What to set on this log, and what was tried to find it.

    Attributes:
        goal: What was asked for, such as "p99 <= 2 s".
        latency: Its first bound on a latency; p99 without a bound if it has none.
        base: What was taken as given: the service, the slots, a limit.
        settings: What to set; None if nothing keeps to the goal.
        found: How it was found.
        refusal: Why there are no settings, one sentence; empty where there are.
        tried: Every setting that was measured, one row each, as from `sweep`.
        front: Those that no other beats in requests and that latency.
        grid: 120 batch sizes and flush intervals, as from `map_settings`; no rows without events.
        limits: The settings under several limits (max_requests per second), as from `sweep`; no rows
            where a limit was given.
        least_limit: The fewest requests per second that keep to the goal; None where it was not looked for.
    """

    goal: str
    latency: LatencyGoal
    base: Settings
    settings: Settings | None
    found: Recommendation | None
    refusal: str
    tried: pl.DataFrame
    front: pl.DataFrame
    grid: pl.DataFrame
    limits: pl.DataFrame
    least_limit: int | None


def advise(
    log: EventLog | Arrivals, goal: str = "p99 <= 2s", *, base: Settings | None = None, progress: bool = True
) -> Advice:
    """Return which settings keep to a goal on a log with the fewest requests, or why none do.

    Without a limit in `base`, the settings get one that this log never feels: as many requests per second
    as start in its busiest second. `limits` says what lower ones do.

    Args:
        log: A log, or its arrivals.
        goal: Constraints as in `recommend`, several with commas between them.
        base: The service, its slots and its limit, if it has one.
        progress: Whether to show progress bars.

    Raises:
        TuningError: The goal cannot be read.

    Example:
        >>> advice = advise(Arrivals.of_times([0, 10, 20]), "p99 <= 10ms", progress=False)
        >>> advice.settings, advice.refusal[:36]
        (None, 'none of 120 settings keeps to p99 <=')
    """
    wanted, given, latency = constraints_of(goal), base or Settings(), latency_goal(goal)
    goal = " and ".join(str(Constraint.parse(text)) for text in wanted)
    try:
        arrivals = log if isinstance(log, Arrivals) else Arrivals.of_log(log)
        grid = map_settings(arrivals, given, progress=progress)
    except EvAnalyticsError as error:  # no events, or more years than can be simulated
        nothing = sweep([0], [], progress=False)
        return _none(goal, latency, given, str(error), nothing)
    try:
        found = recommend(arrivals, "requests", wanted, base=given, progress=progress)
    except TuningError as error:
        return _none(goal, latency, given, str(error), grid)
    settings, limits, least = found.settings, grid.clear(), None
    if given.throttle.limit_of("publish") is None and given.throttle.tokens_per == "request":
        busiest = busiest_second(arrivals, settings)
        least = least_limit(arrivals, settings, wanted, most=busiest)
        limits = _under_limits(arrivals, settings, least, busiest)
        settings = with_rate(settings, busiest, "sliding_window")
    return Advice(
        goal=goal,
        latency=latency,
        base=given,
        settings=settings,
        found=found,
        refusal="",
        tried=found.tried,
        front=found.front,
        grid=grid,
        limits=limits,
        least_limit=least,
    )


def busiest_second(arrivals: Arrivals, settings: Settings) -> int:
    """Return how many calls start within the busiest second, retries included.

    A limit of so many is never felt.

    Example:
        >>> busiest_second(Arrivals.of_times([0, 10, 20], unit="us", types=["a", "b", "c"]), Settings())
        3
    """
    done = simulate(arrivals, settings.batch, settings.throttle, settings.delivery)
    starts = done.starts_ns.to_numpy()
    within = np.searchsorted(starts, starts + _SECOND_NS) - np.arange(len(starts))
    return int(within.max(initial=1))


def least_limit(
    arrivals: Arrivals, settings: Settings, constraints: list[str], *, most: int, operation: str = "publish"
) -> int:
    """Return the lowest whole number of requests per second with which settings keep to constraints.

    Found by halving: where nothing fails, a higher limit never starts a request later. What is returned
    was measured to keep to them, unless even `most` does not.
    """
    limits = [Constraint.parse(text) for text in constraints]
    keeps = pl.all_horizontal(pl.lit(value=True), *(limit.holds() for limit in limits))
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        row = sweep(
            arrivals,
            [with_rate(settings, middle, "sliding_window")],
            operation=operation,
            progress=False,
        )
        low, high = (low, middle) if row.select(keeps).item() else (middle, high)
    return high


def _under_limits(arrivals: Arrivals, settings: Settings, least: int, busiest: int) -> pl.DataFrame:
    """Return what settings do under limits from half the least to the one that is never felt."""
    steps = np.geomspace(max(least / 2, 1), busiest, _LIMITS).round().astype(int).tolist()
    rates = sorted({*steps, least, busiest})
    turned = [with_rate(settings, rate, "sliding_window") for rate in rates]
    return sweep(arrivals, turned, progress=False)


def _none(goal: str, latency: LatencyGoal, base: Settings, why: str, grid: pl.DataFrame) -> Advice:
    return Advice(
        goal=goal,
        latency=latency,
        base=base,
        settings=None,
        found=None,
        refusal=why,
        tried=grid,
        front=pareto_front(grid, latency=latency.column),
        grid=grid,
        limits=grid.clear(),
        least_limit=None,
    )
