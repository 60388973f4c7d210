"""How every figure looks: colours, template, and how text and numbers of a log become labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
"""Okabe and Ito's colours, told apart by colour-blind readers; without their yellow and black,
which vanish on one of the two themes."""

OTHER_COLOR = "#8C8C8C"
"""Whatever has no colour of its own."""

INK = "#767676"
"""Text on an unknown background: 4.5 : 1 on white, 4.2 : 1 on JupyterLab's dark #111 (no single
grey reaches 4.5 on both). Inside our widgets a style sheet replaces it by the theme's own colour."""

_CLEAR = "rgba(0,0,0,0)"
_GRID = "rgba(128,128,128,0.25)"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
_AXIS: dict[str, Any] = {
    "gridcolor": _GRID,
    "linecolor": _GRID,
    "zeroline": False,
    "tickangle": 0,
    "ticklabelstandoff": 4,
    "ticklabeloverflow": "allow",  # measuring every label to hide it cost 15 ms a redraw
}

TEMPLATE = "evanalytics"
"""The template's name in plotly's registry; it is there once this module is loaded."""

pio.templates[TEMPLATE] = go.layout.Template(
    layout={
        "colorway": COLORS,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"family": _FONT, "size": 12, "color": INK},
        "autosize": True,
        "margin": {"l": 60, "r": 34, "t": 36, "b": 48},
        "xaxis": _AXIS,
        "yaxis": {**_AXIS, "rangemode": "tozero"},
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": "#1F2430",
            "bordercolor": "#5B6270",
            "font": {"color": "#FFFFFF", "size": 12},
        },
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "modebar": {
            "bgcolor": _CLEAR,
            "color": INK,
            "activecolor": COLORS[0],
            "remove": ["sendChartToCloud"],  # a click would offer a log's figures to a server
        },
        "annotationdefaults": {"font": {"size": 12}, "showarrow": False},
    }
)

_TICKS_S = {
    "1 µs": 1e-6, "10 µs": 1e-5, "100 µs": 1e-4, "1 ms": 1e-3, "10 ms": 1e-2, "100 ms": 0.1,
    "1 s": 1.0, "10 s": 10.0, "1 min": 60.0, "10 min": 600.0, "1 h": 3_600.0, "6 h": 21_600.0,
    "1 d": 86_400.0, "7 d": 604_800.0, "30 d": 2_592_000.0, "1 y": 31_557_600.0, "10 y": 315_576_000.0,
}  # fmt: skip
_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000))


def shorten(text: str, limit: int = 40) -> str:
    """Return text from a log on one line, at most `limit` characters, both ends kept.

    Whatever does not print (line breaks, NUL, marks that turn the writing direction) becomes "·".

    Example:
        >>> shorten("order.created", 9)
        'orde…ated'
    """
    if len(text) > limit:
        head = limit // 2
        text = f"{text[:head]}…{text[len(text) - (limit - head - 1) :]}"
    shown = "".join(character if character.isprintable() else "·" for character in text)
    return shown if shown.strip() else "(blank)"


def label(text: str, limit: int = 40) -> str:
    """Return text from a log as a plotly label that says just that.

    Plotly reads a subset of HTML in labels, and TeX between dollar signs; neither shall come
    from a log.

    Example:
        >>> label("<b>5$</b>")
        '&lt;b&gt;5&#36;&lt;/b&gt;'
    """
    shown = shorten(text, limit)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("$", "&#36;")):
        shown = shown.replace(character, entity)
    return shown


def duration_text(duration: timedelta) -> str:
    """Return a duration as people write it on an axis.

    Example:
        >>> duration_text(timedelta(minutes=90)), duration_text(timedelta(milliseconds=5))
        ('90 min', '5 ms')
    """
    us = duration // timedelta(microseconds=1)
    for unit, size in _UNITS:
        if us and us % size == 0:
            return f"{us // size} {unit}"
    return f"{us} µs"


def duration_axis(shortest_s: float, longest_s: float, *, most_ticks: int = 7) -> dict[str, Any]:
    """Return the properties of a logarithmic axis of durations given in seconds.

    Ticks stand at 1 ms, 1 s, 1 min, 1 h, 1 d and the like, as many as there is room for.
    """
    low, high = shortest_s * 0.8, max(longest_s, shortest_s * 10) * 1.25
    inside = [(text, at) for text, at in _TICKS_S.items() if low <= at <= high]
    coarse = [(text, at) for text, at in inside if text.startswith("1 ") or text == "30 d"]
    ticks = inside if len(inside) <= most_ticks else coarse
    every = math.ceil(len(ticks) / most_ticks) if ticks else 1
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": [at for _, at in ticks[::every]],
        "ticktext": [text for text, _ in ticks[::every]],
    }


def color_of(position: int | None, colors: Sequence[str] = COLORS) -> str:
    """Return the colour of the type at this place among the busiest; None: all further types."""
    return OTHER_COLOR if position is None or position >= len(colors) else colors[position]
