"""A plotly figure on display that several threads may update."""

from __future__ import annotations

import threading
from typing import Any

import plotly.graph_objects as go
import traitlets
from plotly.serializers import custom_serializers

from evanalytics.plots.panel import Board, update_figure


def _without_echo() -> traitlets.Dict[str, Any]:
    told: traitlets.Dict[str, Any] = traitlets.Dict(allow_none=True)
    return told.tag(sync=True, echo_update=False, **custom_serializers)


class BoardFigure(go.FigureWidget):  # type: ignore[misc]
    """A `FigureWidget` of a board that turns into other boards of the same shape.

    After each redraw the browser tells what it has made of the figure. JupyterLab delivers that in a
    thread of its own while a cell runs, and plotly keeps both directions in the same dictionaries: without
    a lock a busy kernel mixes them up now and then. The kernel does not send it back, as it does by
    default with whatever a browser says: each redraw would be three times as many bytes.
    """

    _js2py_traceDeltas = _without_echo()  # noqa: N815  plotly's names
    _js2py_layoutDelta = _without_echo()  # noqa: N815
    _js2py_restyle = _without_echo()
    _js2py_relayout = _without_echo()
    _js2py_update = _without_echo()
    _js2py_pointsCallback = _without_echo()  # noqa: N815

    def __init__(self, figure: go.Figure, board: Board) -> None:
        """Show a figure of a board, complete: what is added later is lost when the page is loaded again."""
        self._updating = threading.RLock()
        super().__init__(figure)
        self._board = board

    @property
    def board(self) -> Board:
        """What is shown."""
        return self._board

    @board.setter
    def board(self, board: Board) -> None:
        with self._updating:
            before, self._board = self._board, board
            update_figure(self, before, board)

    def set_state(self, sync_data: Any) -> None:
        """Take in what the browser says."""
        with self._updating:
            super().set_state(sync_data)
