"""What a dedupe filter costs: new events that are dropped by mistake, or lookups that make sure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from evanalytics.bloom.sizing import SPLIT_BLOCK_LEAST, Classic, Shape, SplitBlock, blocks_for, shape_for
from evanalytics.exceptions import BloomError

_DAY_S = 86_400.0
_LEAST_BYTES = 32
_MOST_HASHES = 40  # an error rate of 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTraffic:
    """How many ids come, and how many of them come again.

    Attributes:
        events: How many events.
        ids: How many different ids they have.
        span_s: From the first event to the last, in seconds; if that is nothing, a day is taken.
    """

    events: int
    ids: int
    span_s: float

    @classmethod
    def of(cls, ids: pl.Series, ts: pl.Series | None = None) -> IdTraffic:
        """Count a column of ids that came at these instants (microseconds); without them, within a day.

        Raises:
            BloomError: There is no id, or there is not an instant for each.

        Example:
            >>> hours = pl.Series([0, 6, 12]) * 3_600_000_000
            >>> IdTraffic.of(pl.Series(["a", "b", "a"]), hours)
            IdTraffic(events=3, ids=2, span_s=43200.0)
        """
        if len(ids) == 0:
            raise BloomError("ids: there are none to count")
        if ts is not None and len(ts) != len(ids):
            raise BloomError(f"ts: needs one for each of {len(ids):,} ids, got {len(ts):,}")
        span_us = 0 if ts is None else int(ts.max()) - int(ts.min())  # type: ignore[arg-type]
        return cls(events=len(ids), ids=ids.n_unique(), span_s=span_us / 1e6 or _DAY_S)

    @property
    def duplicates(self) -> int:
        """How many events have an id that came before."""
        return self.events - self.ids

    def per_day(self, count: float) -> float:
        """Return a count over the whole span as a rate per day."""
        return count * _DAY_S / self.span_s

    def days_of(self, ids: float) -> float:
        """Return in how many days so many different ids come."""
        return ids / self.per_day(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupeCost:
    """What a filter in front of a day's events costs; two ways to use it.

    Attributes:
        error_rate: Share of new ids that the filter takes for known ones.
        false_drops: New events per day that are lost when the filter is trusted.
        lookups: Questions per day to an exact store when each "perhaps" is checked: the
            duplicates, which must be looked up too, and the false drops, which are then saved.
    """

    error_rate: float
    false_drops: float
    lookups: float


def dedupe_cost(traffic: IdTraffic, error_rate: float) -> DedupeCost:
    """Return what a filter of this error rate costs per day of this traffic.

    Example:
        >>> dedupe_cost(IdTraffic(events=1_100, ids=1_000, span_s=86_400), 0.01)
        DedupeCost(error_rate=0.01, false_drops=10.0, lookups=110.0)
    """
    false_drops = error_rate * traffic.per_day(traffic.ids)
    lookups = false_drops + traffic.per_day(traffic.duplicates)
    return DedupeCost(error_rate=error_rate, false_drops=false_drops, lookups=lookups)


def dedupe_costs(
    traffic: IdTraffic, *, capacity: int, sizes: Iterable[int], held: int | None = None
) -> pl.DataFrame:
    """Return what filters of several sizes cost per day.

    Args:
        traffic: The events in front of which the filter stands.
        capacity: How many different ids each is made for.
        sizes: Sizes in bytes.
        held: How many it remembers; as many as it is made for if left out.

    Returns:
        One row per size: `bytes` (Int64), `error_rate`, `false_drops`, `lookups` (Float64; per day).

    Raises:
        BloomError: A size is below that of the smallest filter, 32 bytes, or above the largest.
    """
    rows = []
    for size in sizes:
        shape = shape_within(size, capacity)
        cost = dedupe_cost(traffic, shape.error_rate(capacity if held is None else held))
        rows.append((shape.bytes, cost.error_rate, cost.false_drops, cost.lookups))
    schema = {"bytes": pl.Int64, "error_rate": pl.Float64, "false_drops": pl.Float64, "lookups": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def filter_sizes(
    traffic: IdTraffic, *, error_rates: Iterable[float] = (0.01, 0.001, 0.0001), days: float | None = None
) -> pl.DataFrame:
    """Return how large a filter of the traffic's ids must be at several error rates, and what it costs.

    Args:
        traffic: The events in front of which the filter stands.
        error_rates: What filters may promise.
        days: For how many days of ids; for the ids of the traffic itself if left out.

    Returns:
        One row per error rate: `error_rate` (Float64), `capacity` (Int64, ids), `layout` (String), `bytes`
        (Int64), `bits_per_id`, `false_drops`, `lookups` (Float64; the last two per day). Layout, bytes and
        bits are null where one filter cannot hold so many ids.

    Raises:
        BloomError: A rate makes no sense.

    Example:
        >>> filter_sizes(IdTraffic(events=1_100, ids=1_000, span_s=86_400))["bytes"].to_list()
        [1344, 2112, 2400]
    """
    capacity = traffic.ids if days is None else max(math.ceil(days * traffic.per_day(traffic.ids)), 1)
    rows = [_size_row(traffic, rate, capacity) for rate in error_rates]
    names = ("error_rate", "capacity", "layout", "bytes", "bits_per_id", "false_drops", "lookups")
    kinds = (pl.Float64, pl.Int64, pl.String, pl.Int64, pl.Float64, pl.Float64, pl.Float64)
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def shape_within(size: int, capacity: int) -> Shape:
    """Return the shape of at most so many bytes that errs least when it holds so many ids.

    It follows the rule of `shape_for`: split blocks, unless they would promise less than 0.1 %.

    Raises:
        BloomError: The size is below 32 bytes, or above what the format allows.

    Example:
        >>> shape_within(1_316_160, 1_000_000)
        SplitBlock(blocks=41130)
    """
    if size < _LEAST_BYTES:
        raise BloomError(f"size: the smallest filter has {_LEAST_BYTES} bytes, got {size:,}")
    blocks = size // _LEAST_BYTES
    if blocks <= blocks_for(SPLIT_BLOCK_LEAST, capacity):
        return SplitBlock(blocks)
    bits = 8 * (size - size % 4)
    best = math.log(2) * bits / capacity
    hashes = {min(max(whole(best), 1), _MOST_HASHES) for whole in (math.floor, math.ceil)}
    return min((Classic(bits, k) for k in sorted(hashes)), key=lambda shape: shape.error_rate(capacity))


def _size_row(traffic: IdTraffic, error_rate: float, capacity: int) -> tuple[object, ...]:
    shape_for(error_rate, 1)  # refuses a rate that makes no sense
    cost = dedupe_cost(traffic, error_rate)
    try:
        shape = shape_for(error_rate, capacity)
    except BloomError:  # the rate makes sense: it is too many ids
        return error_rate, capacity, None, None, None, cost.false_drops, cost.lookups
    layout = "split block" if isinstance(shape, SplitBlock) else "classic"
    bits = 8 * shape.bytes / capacity
    return error_rate, capacity, layout, shape.bytes, bits, cost.false_drops, cost.lookups
