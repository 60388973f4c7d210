"""What a filter finds in a log, at a glance: how many events, and the first of them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from evanalytics.filters.columns import ByColumns, split
from evanalytics.filters.filter import Filter
from evanalytics.filters.nodes import Everything
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import ID, PAYLOAD, SEQ, SOURCE, TIME, TYPE


@dataclass(frozen=True, slots=True)
class Count:
    """How many events match.

    Attributes:
        events: The number that columns leave.
        is_exact: False if some of these may still be refused by conditions that need the events.
    """

    events: int
    is_exact: bool


def quick_count(condition: Filter, log: EventLog) -> Count:
    """Return what the columns alone tell of the number of matches: milliseconds, also for millions."""
    decided, left = split(condition.optimized(log.schema).node, log.schema)
    return Count(len(log.where(ByColumns(decided))), isinstance(left, Everything))


def first_matches(condition: Filter, log: EventLog, limit: int = 10) -> pl.DataFrame:
    """Return the first matches in order of arrival.

    Returns:
        `seq` (Int64), `time` (Datetime[us, UTC]), `type`, `source`, `id` (String), and `data`
        (String): the payload as JSON text.

    Raises:
        PayloadUnavailableError: The log's file has changed since it was read.
    """
    chosen = log.where(condition).lazy.select(SEQ, TIME, TYPE, SOURCE, ID).head(limit).collect().sort(SEQ)
    if chosen.is_empty():
        return chosen.with_columns(pl.lit(None, pl.String).alias(PAYLOAD))
    return chosen.join(log.payloads(chosen[SEQ]), on=SEQ, how="left", maintain_order="left")
