"""Logs of given payloads, and the three ways to ask them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evanalytics.event import Event
from evanalytics.filters.filter import Filter
from evanalytics.filters.predicate import compile_predicate
from evanalytics.logs.log import EventLog
from evanalytics.logs.reader import read_log

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def events_of_payloads(payloads: Iterable[Any]) -> list[Event]:
    """Return one event a payload."""
    return [Event(id=str(i), type="t", source="s", time=TIME, data=data) for i, data in enumerate(payloads)]


def log_of(events: Sequence[Event], folder: Path) -> EventLog:
    """Return the log of events, read from NDJSON."""
    path = folder / "log.ndjson"
    path.write_text("\n".join(json.dumps(_record(event)) for event in events), encoding="utf-8")
    log = read_log(path, progress=False)
    assert len(log) == len(events), log.report
    return log


def by_predicate(condition: Filter, events: Sequence[Event], *, optimized: bool = True) -> list[int]:
    """Return the positions of the events that match, asked one by one."""
    holds = condition.predicate if optimized else compile_predicate(condition.node)
    return [i for i, event in enumerate(events) if holds(event)]


def by_polars(condition: Filter, log: EventLog) -> list[int]:
    """Return the positions of the events that match, over polars' columns."""
    return sorted(log.where(condition).lazy.select("seq").collect()["seq"].to_list())


def by_duckdb(condition: Filter, log: EventLog, events: Sequence[Event]) -> list[int]:
    """Return the positions of the events that match, over DuckDB's columns and what they leave."""
    split = condition.compile(log.schema)
    frame = log.frame("duckdb")
    left = frame if split.expression is None else frame.filter(split.expression)
    seqs = sorted(left.select("seq").to_native().pl()["seq"].to_list())
    return seqs if split.residual is None else [seq for seq in seqs if split.residual(events[seq])]


def _record(event: Event) -> dict[str, Any]:
    record = {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time": event.time.isoformat(),
        "data": event.data,
    }
    return record if event.subject is None else record | {"subject": event.subject}
