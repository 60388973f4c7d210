"""Which events are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from evanalytics.exceptions import QueryError
from evanalytics.filters.bounds import Bounds
from evanalytics.service.client import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events are meant: of these types and sources, with start <= time < end."""

    types: list[str] | None = None
    sources: list[str] | None = None
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of(
        cls,
        types: Names = None,
        sources: Names = None,
        start: datetime | None = None,
        end: datetime | None = None,
        within: Bounds | None = None,
    ) -> Self:
        """Return the selection that arguments of a service mean.

        Args:
            types: Only events of these types.
            sources: Only events of these sources.
            start: Only events whose time is this or later.
            end: Only events whose time is before this.
            within: What a filter says besides.

        Raises:
            QueryError: A bound has no time zone.
        """
        for name, bound in (("start", start), ("end", end)):
            if bound is not None and bound.tzinfo is None:
                raise QueryError(f"{name}: needs a datetime with a time zone, got {bound!r}; say tzinfo=UTC")
        bounds = within or Bounds()
        return cls(
            types=_both(listed(types), bounds.types),
            sources=_both(listed(sources), bounds.sources),
            start=max(filter(None, (start, bounds.start)), default=None),
            end=min(filter(None, (end, bounds.end)), default=None),
        )


def _both(names: list[str] | None, others: frozenset[str] | None) -> list[str] | None:
    if others is None:
        return names
    return sorted(others) if names is None else [name for name in names if name in others]


def listed(names: Names) -> list[str] | None:
    """Return names as a list; None where there is no choice of them."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)
