"""How selective conditions are on a log, measured on a few stretches of it."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.filters.columns import expression_of, why_undecided
from evanalytics.filters.nodes import Node
from evanalytics.logs.log import EventLog

_STRETCHES, _ROWS = 4, 5_000


def measured_shares(parts: Sequence[Node], log: EventLog) -> dict[Node, float]:
    """Return the share of events that meet each condition which columns decide.

    Measured on four stretches of 5,000 events, evenly spread over the log: a scan reads no
    more of a file than these.
    """
    decided = [part for part in parts if why_undecided(part, log.schema) is None]
    if not decided or not len(log):
        return {}
    frame = _sample(log)
    counts = {part: _count(part, frame, log) for part in decided}
    return {part: count / max(frame.height, 1) for part, count in counts.items()}


def _sample(log: EventLog) -> pl.DataFrame:
    total = len(log)
    if total <= _STRETCHES * _ROWS:
        return log.lazy.collect()
    starts = [i * (total - _ROWS) // (_STRETCHES - 1) for i in range(_STRETCHES)]
    return pl.concat([log.lazy.slice(start, _ROWS) for start in starts]).collect()


def _count(part: Node, frame: pl.DataFrame, log: EventLog) -> int:
    expression = expression_of(part, log.schema)
    return frame.height if expression is None else len(nw.from_native(frame).filter(expression))
