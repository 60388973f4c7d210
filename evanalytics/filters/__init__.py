"""Filters: one meaning, decided per event and over columns alike."""

from evanalytics.filters.builder import EventFilterBuilder
from evanalytics.filters.explain import Explanation
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.imports import from_cloudevents, from_eventbridge
from evanalytics.filters.optimizer import FilterOptimizer, Optimized

__all__ = [
    "EventFilterBuilder",
    "Explanation",
    "Filter",
    "FilterOptimizer",
    "Optimized",
    "filter",
    "from_cloudevents",
    "from_eventbridge",
]
