"""Many settings on one log, on all cores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import TypeVar

import polars as pl
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.simulate import arrivals_of
from evanalytics.exceptions import PolicyError
from evanalytics.logs.log import EventLog
from evanalytics.tuning.metrics import COLUMNS, Grouped
from evanalytics.tuning.settings import Settings, knob_table

T = TypeVar("T")
Row = dict[str, int | str | None]


def sweep(
    log: EventLog | Arrivals | ArrayLike,
    settings: Sequence[Settings],
    *,
    operation: str = "publish",
    progress: bool = True,
) -> pl.DataFrame:
    """Return what each of many settings does to a log: one row per setting, in their order.

    Settings with the same batch policy share its batches. Kernels hold no lock, so threads
    keep all cores busy.

    Args:
        log: A log, arrivals, or arrival times in whole nanoseconds since the start.
        settings: A `Grid`, or any list of settings.
        operation: Whose limit holds.
        progress: Whether to show a progress bar.

    Returns:
        Columns: setting (its place in the list), those of `KNOBS`, those of `Metrics.to_dict`, and
        refused: why a setting contradicts itself on this log (its metrics are null then).

    Raises:
        SimulationError: The arrivals cannot be read, or there are none.

    Example:
        >>> from evanalytics.tuning.settings import Grid
        >>> sweep([0, 1_000_000], Grid(max_batch_size=[1, 2]), progress=False)["requests"].to_list()
        [2, 1]
    """
    arrivals = arrivals_for(log, settings)
    parts = list(_parts(settings))
    found = in_threads(
        [partial(_measure_all, arrivals, [settings[place] for place in part], operation) for part in parts],
        weights=[len(part) for part in parts],
        title="settings",
        progress=progress,
    )
    rows: list[Row] = [{}] * len(settings)
    for part, measured in zip(parts, found, strict=True):
        for place, row in zip(part, measured, strict=True):
            rows[place] = row
    metrics = pl.DataFrame(rows, schema={**dict.fromkeys(COLUMNS, pl.Int64), "refused": pl.String})
    places = pl.DataFrame({"setting": pl.int_range(len(settings), eager=True)})
    return pl.concat([places, knob_table(settings, operation), metrics], how="horizontal")


def arrivals_for(log: EventLog | Arrivals | ArrayLike, settings: Sequence[Settings]) -> Arrivals:
    """Return a log's arrivals, with sizes if one of the settings counts bytes."""
    counting = [one.batch for one in settings if one.batch.max_batch_bytes is not None]
    return arrivals_of(log, counting[0] if counting else BatchPolicy())


def in_threads(
    tasks: Sequence[Callable[[], T]], *, weights: Sequence[int] | None = None, title: str, progress: bool
) -> list[T]:
    """Return what the tasks return, in their order; they run on all cores.

    When one fails or the caller is interrupted, those that have not begun are dropped.
    """
    sizes = weights or [1] * len(tasks)
    with tqdm(total=sum(sizes), desc=title, disable=not progress, delay=0.5) as bar:
        threads = ThreadPoolExecutor(pl.thread_pool_size())
        try:
            running = {threads.submit(task): size for task, size in zip(tasks, sizes, strict=True)}
            for done in as_completed(running):
                done.result()
                bar.update(running[done])
            return [future.result() for future in running]
        finally:
            threads.shutdown(cancel_futures=True)


def _parts(settings: Sequence[Settings]) -> Iterator[list[int]]:
    """Yield settings, by place, that share their batches: few enough at a time to busy every core."""
    by_batch: dict[BatchPolicy, list[int]] = defaultdict(list)
    for place, one in enumerate(settings):
        by_batch[one.batch].append(place)
    most = max(len(settings) // (4 * pl.thread_pool_size()), 1)
    for places in by_batch.values():
        for start in range(0, len(places), most):
            yield places[start : start + most]


def _measure_all(arrivals: Arrivals, settings: Sequence[Settings], operation: str) -> list[Row]:
    grouped = Grouped.of(arrivals, settings[0].batch, threads=1)  # others work on other settings
    rows: list[Row] = []
    for one in settings:
        try:
            rows.append({**grouped.measure(one.throttle, one.delivery, operation).to_dict(), "refused": None})
        except PolicyError as error:
            rows.append({"refused": str(error)})
    return rows
