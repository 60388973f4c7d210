"""Many settings on a log whose sources each batch and throttle for themselves: here, or on Spark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import PolicyError, SimulationError
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import SEQ, SOURCE, TS, TYPE
from evanalytics.tuning.histogram import Histogram
from evanalytics.tuning.metrics import COLUMNS, Grouped, Metrics
from evanalytics.tuning.settings import Settings, knob_table
from evanalytics.tuning.sweep import in_threads

if TYPE_CHECKING:
    import pyarrow as pa

_BATCHES, _REQUESTS, _ATTEMPTS, _LOST = -1, -2, -3, -4
"""What a negative bin counts; from 0 on, bins are those of `Histogram`."""

_COUNTS = {"setting": pl.Int64(), "bin": pl.Int64(), "count": pl.Int64(), "refused": pl.String()}
_ON_SPARK = "setting bigint, bin bigint, count bigint, refused string"


def sweep_by_source(
    log: EventLog,
    settings: Sequence[Settings],
    *,
    operation: str = "publish",
    spark: Any = None,
    progress: bool = True,
) -> pl.DataFrame:
    """Return what each setting does to a log whose sources publish each for itself.

    Every source is simulated alone, with its own batches, limit and slots; their latencies are counted
    together. That is exact where each source really has a publisher and a limit of its own. Where
    all share one, it is an approximation that knows nothing of their waiting for one another: ask `sweep`,
    which wants the whole log in one place. Simulated instants are counted from the log's start for
    all; drawn service times are drawn for each source's requests anew.

    Args:
        log: The log.
        settings: A `Grid`, or any list of settings; none may count bytes.
        operation: Whose limit holds.
        spark: A SparkSession, or a Spark Connect address: the sources are simulated by its executors.
            None: on this machine's cores.
        progress: Whether to show a progress bar; there is none on Spark.

    Returns:
        As `sweep` does.

    Raises:
        PolicyError: A setting counts bytes.
        SimulationError: There are no events.
        EngineError: There is no PySpark, or no session.

    Example:
        >>> from evanalytics.logs.synthetic import sample_frame
        >>> from evanalytics.tuning.settings import Grid
        >>> log = EventLog.from_frame(sample_frame(events=1000)[0])
        >>> sweep_by_source(log, Grid(max_batch_size=[1, 2]), progress=False)["events"].to_list()
        [1000, 1000]
    """
    if any(one.batch.max_batch_bytes is not None for one in settings):
        raise PolicyError("sweep_by_source: BatchPolicy.max_batch_bytes is not known by source; use sweep")
    start_us = log.lazy.select(pl.col(TS).min()).collect().item()
    if start_us is None:
        raise SimulationError("sweep_by_source: the log has no events")
    simulate = partial(_counted, settings=tuple(settings), operation=operation, start_us=start_us)
    counts = _here(log, simulate, progress) if spark is None else _on_spark(log, simulate, spark)
    return _table(counts, settings, operation)


def _here(log: EventLog, simulate: Callable[[pl.DataFrame], pl.DataFrame], progress: bool) -> pl.DataFrame:
    rows = log.lazy.select(SEQ, TS, TYPE, SOURCE).collect()
    tasks = [partial(simulate, part) for part in rows.partition_by(SOURCE)]
    found = in_threads(tasks, weights=None, title="sources", progress=progress)
    return _together(pl.concat(found))


def _on_spark(log: EventLog, simulate: Callable[[pl.DataFrame], pl.DataFrame], spark: Any) -> pl.DataFrame:
    from evanalytics.logs.spark import SparkEngine

    def run(table: pa.Table) -> pa.Table:
        import pyarrow as pa

        found = simulate(pl.DataFrame(table)).to_arrow(compat_level=pl.CompatLevel.oldest())
        return found.cast(pa.schema([*list(found.schema)[:3], ("refused", pa.string())]))

    engine = SparkEngine(spark)
    native = engine.scan(log.lazy, log.plain).select(SEQ, TS, TYPE, SOURCE).to_native()
    parts = native.groupBy(SOURCE).applyInArrow(run, _ON_SPARK)
    sums = parts.groupBy("setting", "bin").agg({"count": "sum", "refused": "min"})
    found = pl.DataFrame(sums.toDF("setting", "bin", *_names(sums)).toArrow())
    engine.close()
    return found.select(pl.col(name).cast(dtype) for name, dtype in _COUNTS.items())


def _names(sums: Any) -> list[str]:
    """Return our names of the two figures, in whichever order Spark has them."""
    return ["count" if "count" in name else "refused" for name in sums.columns[2:]]


def _counted(
    rows: pl.DataFrame, *, settings: Sequence[Settings], operation: str, start_us: int
) -> pl.DataFrame:
    """Return what every setting does to the events of one source: `setting`, `bin`, `count`, `refused`."""
    arrivals = Arrivals.of_rows(rows.sort(SEQ), start_us=start_us)
    grouped: dict[Any, Grouped] = {}
    parts = []
    for place, one in enumerate(settings):
        if one.batch not in grouped:
            grouped[one.batch] = Grouped.of(arrivals, one.batch, threads=1)
        try:
            found = _bins(grouped[one.batch].measure(one.throttle, one.delivery, operation))
        except PolicyError as error:
            found = pl.DataFrame({"bin": [_LOST], "count": [0], "refused": [str(error)]})
        parts.append(found.select(pl.lit(place, pl.Int64).alias("setting"), pl.all()))
    return pl.concat(parts).cast(_COUNTS)  # type: ignore[arg-type]


def _bins(metrics: Metrics) -> pl.DataFrame:
    latency = metrics.latency
    held = np.flatnonzero(latency.counts)
    names = [_BATCHES, _REQUESTS, _ATTEMPTS, _LOST]
    numbers = [metrics.batches, metrics.requests, metrics.attempts, latency.lost]
    return pl.DataFrame(
        {"bin": [*names, *held.tolist()], "count": [*numbers, *latency.counts[held].tolist()]}
    ).with_columns(pl.lit(None, pl.String).alias("refused"))


def _together(parts: pl.DataFrame) -> pl.DataFrame:
    return parts.group_by("setting", "bin").agg(pl.col("count").sum(), pl.col("refused").min())


def _table(counts: pl.DataFrame, settings: Sequence[Settings], operation: str) -> pl.DataFrame:
    rows: list[dict[str, int | str | None]] = []
    for place in range(len(settings)):
        found = counts.filter(pl.col("setting") == place)
        refused = found["refused"].drop_nulls()
        rows.append(
            {"refused": refused[0]} if len(refused) else {**_metrics(found).to_dict(), "refused": None}
        )
    metrics = pl.DataFrame(rows, schema={**dict.fromkeys(COLUMNS, pl.Int64), "refused": pl.String})
    places = pl.DataFrame({"setting": pl.int_range(len(settings), eager=True)})
    return pl.concat([places, knob_table(settings, operation), metrics], how="horizontal")


def _metrics(found: pl.DataFrame) -> Metrics:
    named = dict(found.filter(pl.col("bin") < 0).select("bin", "count").iter_rows())
    bins = found.filter(pl.col("bin") >= 0)
    histogram = Histogram.empty(lost=named[_LOST])
    histogram.counts[bins["bin"].to_numpy()] = bins["count"].to_numpy()
    return Metrics(named[_BATCHES], named[_REQUESTS], named[_ATTEMPTS], histogram)
