"""Other logs that might as well have happened: the log's own blocks, drawn again at random."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.tuning.metrics import COLUMNS, measure
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.sweep import in_threads

Int64Array = NDArray[np.int64]

_DAY_NS = 86_400_000_000_000
_FEWEST_DAYS = 7
_PARTS = 24


def measure_resampled(
    arrivals: Arrivals, settings: Settings, *, operation: str, count: int, seed: int, progress: bool
) -> pl.DataFrame:
    """Return what settings do to so many resampled logs: one row each, columns as in `COLUMNS`.

    There are no rows if the log is shorter than two blocks, and none for a draw without events.
    """
    schema, length = dict.fromkeys(COLUMNS, pl.Int64), block_ns(arrivals)
    if arrivals.time_ns[-1] < length:
        return pl.DataFrame(schema=schema)
    draws = [np.random.default_rng([seed, number]) for number in range(count)]
    tasks = [partial(_measure_one, arrivals, settings, operation, length, draw) for draw in draws]
    rows = in_threads(tasks, title="resampled logs", progress=progress)
    return pl.DataFrame([row for row in rows if row is not None], schema=schema)


def block_ns(arrivals: Arrivals) -> int:
    """Return how long a block should be: a day if the log has a week of them, else a 24th of the log."""
    span = int(arrivals.time_ns[-1]) + 1 if len(arrivals) else 1
    return _DAY_NS if span >= _FEWEST_DAYS * _DAY_NS else max(-(-span // _PARTS), 1)


def resample_blocks(arrivals: Arrivals, length_ns: int, random: np.random.Generator) -> Arrivals:
    """Return a log of the same span, made of blocks of this one drawn with replacement.

    Inside a block everything stays as it was, bursts included; the order of the blocks is random.

    Raises:
        TuningError: The log is shorter than two blocks.
    """
    count = int(arrivals.time_ns[-1]) // length_ns + 1 if len(arrivals) else 0
    if count < 2:
        raise TuningError(
            f"resampling: the log is shorter than two blocks of {length_ns} ns; use shorter ones"
        )
    borders = np.searchsorted(arrivals.time_ns, np.arange(count + 1) * length_ns)
    drawn = random.integers(count, size=count)
    sizes = np.diff(borders)[drawn]
    events = np.repeat(borders[drawn] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    moved_by = np.repeat((np.arange(count) - drawn) * length_ns, sizes)
    return arrivals.moved(arrivals.time_ns[events] + moved_by, events)


def _measure_one(
    arrivals: Arrivals, settings: Settings, operation: str, length_ns: int, random: np.random.Generator
) -> dict[str, int | None] | None:
    log = resample_blocks(arrivals, length_ns, random)
    return measure(log, settings, operation=operation).to_dict() if len(log) else None
