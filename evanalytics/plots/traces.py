"""What several pictures draw with: a line, a ring where the controls stand, a legend for a title."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evanalytics.plots.numbers import floats
from evanalytics.plots.panel import Properties
from evanalytics.plots.theme import COLORS


def line(x: Any, y: Any, name: str, stroke: Properties) -> dict[str, Any]:
    """Return a line, without markers."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": floats(x),
        "y": floats(y),
        "line": stroke,
        "hovertemplate": "%{y:.4~g}",
    }


def mark(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """Return rings at the points where the controls stand."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "now",
        "x": floats(x),
        "y": floats(y),
        "marker": {"size": 14, "color": COLORS[3], "symbol": "circle-open", "line": {"width": 3}},
        "hoverinfo": "skip",
    }


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Return names with their colours, for a panel's title."""
    return "  ".join(f"<span style='color:{color}'>■</span> {name}" for name, color in entries)
