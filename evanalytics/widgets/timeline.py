"""A log's events over time, with a brush to pick a stretch of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import anywidget
import traitlets

from evanalytics.widgets.base import STATIC

Stretch = tuple[int, int]
"""A beginning and an end (exclusive), in microseconds since 1970 (UTC)."""

_STEPS = 1_000  # as in timeline.js


class Timeline(anywidget.AnyWidget):  # type: ignore[misc]
    """Events over time as an area; drag over it, or move its two ends by keyboard, to pick a stretch.

    All times are microseconds since 1970 (UTC).

    Attributes:
        value: (start, end) of the stretch, end exclusive; kept within the bounds and in order.
        counts: How many events each of some equal parts of the whole time holds.
    """

    _esm = STATIC / "timeline.js"
    _css = STATIC / "timeline.css"
    label = traitlets.Unicode().tag(sync=True)
    start_us = traitlets.Int().tag(sync=True)
    end_us = traitlets.Int().tag(sync=True)
    value = traitlets.Tuple(traitlets.Int(), traitlets.Int()).tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, label: str, *, start_us: int, end_us: int, counts: Iterable[int]) -> None:
        """Cover everything from `start_us` up to `end_us`."""
        bounds = {"start_us": start_us, "end_us": end_us, "value": (start_us, end_us)}
        super().__init__(label=label, counts=[int(count) for count in counts], **bounds)

    @traitlets.validate("value")
    def _within_bounds(self, proposal: Any) -> Stretch:
        low, high = (min(max(us, self.start_us), self.end_us) for us in sorted(proposal["value"]))
        return low, high

    def steps_since(self, before: Stretch) -> list[Stretch]:
        """Return where the next step by keyboard leads, if just one end has moved since `before`."""
        moved = [end for end in (0, 1) if self.value[end] != before[end]]
        if len(moved) != 1:
            return []
        here = round((self.value[moved[0]] - self.start_us) / (self.end_us - self.start_us) * _STEPS)
        ends = [self._instant(place / _STEPS) for place in (here - 1, here + 1)]
        return [(end, self.value[1]) if moved == [0] else (self.value[0], end) for end in ends]

    def _instant(self, part: float) -> int:
        """Return the instant at a part of the whole time, as the browser reckons."""
        length: int = self.end_us - self.start_us
        from_start = length if part >= 1 else math.floor(length * max(part, 0.0) + 0.5)
        return int(self.start_us + from_start)

    def reset(self) -> None:
        """Cover everything again."""
        self.value = (self.start_us, self.end_us)
