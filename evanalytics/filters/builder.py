"""`EventFilterBuilder`: a filter put together step by step, for those who prefer methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from evanalytics.exceptions import FilterError
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.nodes import conjunction
from evanalytics.logs.schema import PAYLOAD

Instant = datetime | str


class EventFilterBuilder:
    """Collects conditions, all of which must hold. Each method returns a new builder.

    Example:
        >>> recent = (EventFilterBuilder()
        ...     .with_types("order.created", "order.updated")
        ...     .since("2026-11-01")
        ...     .with_data_field("customer.country", "DE")
        ...     .build())
        >>> print(recent.to_json())  # doctest: +NORMALIZE_WHITESPACE
        {"type": {"$in": ["order.created", "order.updated"]},
         "time": {"$gte": {"$date": "2026-11-01T00:00:00.000000Z"}},
         "data.customer.country": "DE"}
    """

    def __init__(self, filters: Iterable[Filter] = ()) -> None:
        """Begin with no condition: every event matches."""
        self._filters = tuple(filters)

    def with_types(self, *types: str | Iterable[str]) -> EventFilterBuilder:
        """Ask for events of one of these types."""
        return self._among("type", types)

    def with_sources(self, *sources: str | Iterable[str]) -> EventFilterBuilder:
        """Ask for events from one of these sources."""
        return self._among("source", sources)

    def after(self, instant: Instant) -> EventFilterBuilder:
        """Ask for events later than an instant, that instant excluded."""
        return self.with_filter({"time": {"$gt": instant}})

    def before(self, instant: Instant) -> EventFilterBuilder:
        """Ask for events earlier than an instant, that instant excluded."""
        return self.with_filter({"time": {"$lt": instant}})

    def since(self, instant: Instant) -> EventFilterBuilder:
        """Ask for events from an instant on, that instant included."""
        return self.with_filter({"time": {"$gte": instant}})

    def until(self, instant: Instant) -> EventFilterBuilder:
        """Ask for events up to an instant, that instant included."""
        return self.with_filter({"time": {"$lte": instant}})

    def with_data_field(self, path: str, value: Any) -> EventFilterBuilder:
        """Ask for a value, or for operators such as `{"$gt": 5}`, at a path of the payload.

        Args:
            path: Such as "customer.country"; "data.customer.country" is the same.
            value: What the field must be.
        """
        return self.with_filter({_payload_path(path): value})

    def with_data_field_in(self, path: str, values: Iterable[Any]) -> EventFilterBuilder:
        """Ask for one of several values at a path of the payload."""
        if isinstance(values, str | bytes | Mapping):
            raise FilterError(f"filter at {_payload_path(path)}: needs several values, got {values!r}")
        return self.with_filter({_payload_path(path): {"$in": list(values)}})

    def with_filter(self, condition: Filter | Mapping[str, Any]) -> EventFilterBuilder:
        """Ask for whatever a filter or a filter document says."""
        return EventFilterBuilder((*self._filters, filter(condition)))

    def build(self) -> Filter:
        """Return the filter of all conditions."""
        return Filter(conjunction([condition.node for condition in self._filters]))

    def _among(self, attribute: str, names: tuple[str | Iterable[str], ...]) -> EventFilterBuilder:
        flat = [name for group in names for name in ([group] if isinstance(group, str) else group)]
        if not flat:
            raise FilterError(f"filter at {attribute}: needs at least one name")
        if wrong := [name for name in flat if not isinstance(name, str)]:
            raise FilterError(f"filter at {attribute}: names are text, got {wrong[0]!r}")
        return self.with_filter({attribute: flat[0] if len(flat) == 1 else {"$in": flat}})


def _payload_path(path: str) -> str:
    inside = isinstance(path, str) and path.startswith(f"{PAYLOAD}.")
    return path if inside else f"{PAYLOAD}.{path}"
