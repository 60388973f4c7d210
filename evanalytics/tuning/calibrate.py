"""A service model from measured calls: the fixed time, the time per event, and the scatter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evanalytics.delivery.lane import RequestRecord
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.durations import format_duration
from evanalytics.exceptions import TuningError

Int64Array = NDArray[np.int64]

_FEWEST_CALLS = 20
_PAIRED_CALLS = 1_500
_MOST_KNOTS = 1_025
_SIZE_GROUPS = 4


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """A service model that was fitted to measured calls, and how well it fits them.

    Attributes:
        service: The model, for `DeliveryPolicy(service=...)`.
        calls: How many calls were measured, failed ones included.
        check: Measured beside modelled, for calls of similar size. Columns: events_from, events_to, calls,
            and for p50, p90 and p99 a `..._measured_ns` and a `..._model_ns`.
        notes: What the model cannot say.
    """

    service: ServiceModel
    calls: int
    check: pl.DataFrame
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        model = self.service
        head = f"{format_duration(model.fixed)} + {format_duration(model.per_event)} per event + scatter"
        head += f"; {model.failure_rate:.2%} of {self.calls:,} calls failed"
        return "\n  ".join([head, *self.notes])


def calibrate(calls: Iterable[RequestRecord] | pl.DataFrame, *, seed: int = 0) -> Calibration:
    """Return the service model that measured calls speak for.

    The time per event is the median of the slopes between all pairs of calls (Theil and Sen), which
    a quarter of wild outliers cannot move. The fixed time is the shortest that is left of a call
    without its time per event, and whatever is left beyond is kept as it was measured, quantile by
    quantile: no shape is assumed. Only calls that succeeded are fitted.

    Args:
        calls: What a dispatcher's `on_request` was told, or a frame with the columns events,
            duration_ns and, if any failed, failed (Boolean), in the order of the calls.
        seed: Of the model's draws.

    Raises:
        TuningError: There are fewer than 20 calls that succeeded, or a column is missing.

    Example:
        >>> calls = pl.DataFrame({"events": range(1, 101)}).with_columns(
        ...     duration_ns=20_000_000 + 50_000 * pl.col("events")
        ... )
        >>> calibrate(calls).service.duration_ns(request=0, attempt=0, events=100)
        25000000
    """
    table = _table(calls)
    good = table.filter(~pl.col("failed"))
    if len(good) < _FEWEST_CALLS:
        raise TuningError(f"calibrate: {len(good)} calls succeeded; at least {_FEWEST_CALLS} are needed")
    events, took = good["events"].to_numpy(), good["duration_ns"].to_numpy()
    per_event_us = max(round(_slope(events, took) / 1_000), 0)
    rest = took - per_event_us * 1_000 * events
    fixed_us = max(int(rest.min()) // 1_000, 0)
    scatter = np.sort(np.maximum(rest - fixed_us * 1_000, 0))
    knots = np.quantile(scatter, np.linspace(0, 1, min(len(scatter), _MOST_KNOTS)))
    service = ServiceModel(
        fixed=timedelta(microseconds=fixed_us),
        per_event=timedelta(microseconds=per_event_us),
        distribution="empirical",
        quantiles=[timedelta(microseconds=round(knot / 1_000)) for knot in knots.tolist()],
        failure_rate=(len(table) - len(good)) / len(table),
        seed=seed,
    )
    modelled = fixed_us * 1_000 + per_event_us * 1_000 * events
    notes = tuple(_doubts(table, events, took, took - modelled))
    return Calibration(service, len(table), _check(events, took, modelled, scatter), notes)


def _table(calls: Iterable[RequestRecord] | pl.DataFrame) -> pl.DataFrame:
    """Return events, duration_ns and failed, one row per attempt."""
    if not isinstance(calls, pl.DataFrame):
        calls = pl.DataFrame(_attempts(calls), schema=["events", "duration_ns", "failed"], orient="row")
    if "failed" not in calls.columns:
        calls = calls.with_columns(failed=pl.lit(value=False))
    for name in ("events", "duration_ns"):
        if name not in calls.columns:
            raise TuningError(
                f"calibrate: the calls have no column {name}; they have {', '.join(calls.columns)}"
            )
    return calls.select(
        pl.col("events").cast(pl.Int64),
        pl.col("duration_ns").cast(pl.Int64),
        pl.col("failed").cast(pl.Boolean),
    ).drop_nulls()


def _attempts(records: Iterable[RequestRecord]) -> list[tuple[int, int, bool]]:
    ended = [
        (start, record.events, end - start, number < len(record.ends_ns) or record.outcome != "delivered")
        for record in records
        for number, (start, end) in enumerate(zip(record.starts_ns, record.ends_ns, strict=False), start=1)
    ]
    return [row[1:] for row in sorted(ended)]


def _slope(events: Int64Array, took: Int64Array) -> float:
    """Return the median slope between pairs of calls of different size, in nanoseconds per event."""
    every = -(-len(events) // _PAIRED_CALLS)
    x, y = events[::every], took[::every]
    one, other = np.triu_indices(len(x), k=1)
    differ = x[one] != x[other]
    if not differ.any():
        return 0.0
    one, other = one[differ], other[differ]
    return float(np.median((y[one] - y[other]) / (x[one] - x[other])))


def _check(events: Int64Array, took: Int64Array, modelled: Int64Array, scatter: Int64Array) -> pl.DataFrame:
    """Return measured beside modelled quantiles, for groups of calls of similar size."""
    borders = np.unique(np.quantile(events, np.linspace(0, 1, _SIZE_GROUPS + 1)).astype(np.int64))
    group = np.clip(np.searchsorted(borders, events, side="right") - 1, 0, max(len(borders) - 2, 0))
    likely = np.quantile(scatter, (np.arange(1_000) + 0.5) / 1_000)
    rows = []
    for number in np.unique(group):
        inside = group == number
        model = np.add.outer(np.unique(modelled[inside]), likely).ravel()
        row = {
            "events_from": int(events[inside].min()),
            "events_to": int(events[inside].max()),
            "calls": int(inside.sum()),
        }
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            row[f"{name}_measured_ns"] = round(float(np.quantile(took[inside], share)))
            row[f"{name}_model_ns"] = round(float(np.quantile(model, share)))
        rows.append(row)
    return pl.DataFrame(rows)


def _doubts(table: pl.DataFrame, events: Int64Array, took: Int64Array, rest: Int64Array) -> Iterator[str]:
    """Yield what the model cannot say, as far as the calls themselves show it."""
    if len(np.unique(events)) == 1:
        yield f"every call had {events[0]} events, so what one event costs is not known; vary the batch size"
    if len(events) < 1_000:
        yield f"the slowest hundredth are {max(len(events) // 100, 1)} calls; measure 1,000 or more for a p99"
    runs = _correlation(rest[1:], rest[:-1])
    if runs > 0.2:
        yield f"slow calls come in runs (correlation {runs:.2f}); not so in the model: queues will be longer"
    small = events <= np.median(events)
    if not small.all() and (spread := _spread(rest[~small])) > 2 * max(_spread(rest[small]), 1):
        yield f"larger calls scatter more ({spread / 1e6:.2g} ms) than smaller ones; modelled alike"
    failed = table.filter(pl.col("failed"))["duration_ns"].to_numpy()
    if len(failed) and not 0.5 < (ratio := float(np.median(failed) / np.median(took))) < 2:
        yield f"calls that fail take {ratio:.2g} times as long as others; in the model they take as long"


def _correlation(one: Int64Array, other: Int64Array) -> float:
    """Return the correlation of ranks: -1 to 1; 0 where one side does not vary."""
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    ranks = [np.argsort(np.argsort(side, kind="stable"), kind="stable") for side in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _spread(values: Int64Array) -> float:
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high - low)
