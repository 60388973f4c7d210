"""Which events are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from evanalytics.exceptions import QueryError
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
    ) -> Self:
        """Return the selection that arguments of a service mean.

        Raises:
            QueryError: A bound has no time zone.
        """
        for name, bound in (("start", start), ("end", end)):
            if bound is not None and bound.tzinfo is None:
                raise QueryError(f"{name}: needs a datetime with a time zone, got {bound!r}; say tzinfo=UTC")
        return cls(types=_listed(types), sources=_listed(sources), start=start, end=end)


def _listed(names: Names) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)
