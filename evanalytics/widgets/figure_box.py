"""A place for a figure, which is always as wide as its place."""

from __future__ import annotations

import anywidget
import ipywidgets
import plotly.graph_objects as go

from evanalytics.widgets.base import STATIC, STYLE

_CONFIG = {
    "responsive": True,
    "displayModeBar": False,
    "showAxisDragHandles": False,  # eight rectangles a panel, drawn anew each time
    "showAxisRangeEntryBoxes": False,
}


class FigureBox(ipywidgets.VBox):  # type: ignore[misc]
    """A plotly `FigureWidget` that fills its place, in the colours of the notebook's theme.

    Left alone, plotly 7.1 draws a `FigureWidget` 700 pixels wide until something redraws it.
    """

    def __init__(self, figure: go.FigureWidget) -> None:
        """Take a complete figure, before it is shown."""
        figure._config = _CONFIG  # plotly has no public name for it
        super().__init__([figure, _Fit()])
        self.add_class("ev-figure")


class _Fit(anywidget.AnyWidget):  # type: ignore[misc]
    """Something invisible that lies over its place, and says when the place changes its size."""

    _esm = STATIC / "fit.js"
    _css = STYLE
