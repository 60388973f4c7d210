"""What a filter says about type, source and time: enough for a store to leave most events alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evanalytics.filters.nodes import Compare, In, Node, conjuncts

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits that every matching event keeps; None: no limit. Not every event within them matches.

    Attributes:
        types: The types that can match.
        sources: The sources that can match.
        start: No event before this instant matches.
        end: No event at or after this instant matches.
    """

    types: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    start: datetime | None = None
    end: datetime | None = None


def bounds_of(node: Node) -> Bounds:
    """Return the limits that follow from the conditions of a filter, all of which must hold."""
    names: dict[str, frozenset[Any]] = {}
    starts, ends = list[datetime](), list[datetime]()
    for part in conjuncts(node):
        values = _values(part)
        if values is not None and isinstance(part, Compare | In) and part.path in ("type", "source"):
            names[part.path] = names.get(part.path, values) & values
        elif isinstance(part, Compare) and part.path == "time" and part.value is not None:
            starts += _start(part)
            ends += _end(part)
    return Bounds(
        types=names.get("type"),
        sources=names.get("source"),
        start=max(starts, default=None),
        end=min(ends, default=None),
    )


def _values(part: Node) -> frozenset[Any] | None:
    """Return the texts of which a condition wants one."""
    if isinstance(part, In):
        return frozenset(value for value in part.values if isinstance(value, str))
    if isinstance(part, Compare) and part.operator == "$eq":
        return frozenset([part.value] if isinstance(part.value, str) else [])
    return None


def _start(part: Compare) -> list[datetime]:
    if part.operator in ("$eq", "$gte"):
        return [part.value]
    return _later(part.value) if part.operator == "$gt" else []


def _end(part: Compare) -> list[datetime]:
    if part.operator == "$lt":
        return [part.value]
    return _later(part.value) if part.operator in ("$eq", "$lte") else []


def _later(instant: datetime) -> list[datetime]:
    """Return the next instant, if the calendar has one."""
    try:
        return [instant + _MICROSECOND]
    except OverflowError:
        return []
