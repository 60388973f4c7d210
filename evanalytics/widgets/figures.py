"""A plotly figure on display that several threads may update."""

from __future__ import annotations

import re
import threading
from typing import Any

import plotly.graph_objects as go
import traitlets
from plotly.serializers import custom_serializers

from evanalytics.plots.panel import Board, update_figure

_COUNTERS = ("_last_trace_edit_id", "_last_layout_edit_id")


def _without_echo() -> traitlets.Dict[str, Any]:
    told: traitlets.Dict[str, Any] = traitlets.Dict(allow_none=True)
    return told.tag(sync=True, echo_update=False, **custom_serializers)


def _script() -> str:
    """Return plotly's script for the browser, which does not describe to the kernel what each redraw made."""
    silence = "".join(rf"\1.prototype.{name}=()=>{{}};" for name in ("_sendTraceDeltas", "_sendLayoutDelta"))
    view = r"export\{\w+ as FigureModel,(\w+) as FigureView,"
    return re.sub(view, silence + r"\g<0>", str(go.FigureWidget._esm))


class BoardFigure(go.FigureWidget):  # type: ignore[misc]
    """A `FigureWidget` of a board that turns into other boards of the same shape.

    A redraw is one message to the browser, and none back. Plotly makes it four and two: two counters, the
    update, and that there is no more to update; then all that the browser has made of the figure, which
    takes a tenth of a slider's step and is read by nobody here.

    What the user does to a figure is told, in JupyterLab to a thread of its own while a cell runs, and plotly
    keeps both directions in the same dictionaries: without a lock a busy kernel mixes them up now and
    then. The kernel does not send it back, as it does by default with whatever a browser says.
    """

    _esm = _script()
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

    def _should_send_property(self, key: str, value: Any) -> bool:
        """Return whether a property is sent now that it has changed; ipywidgets asks."""
        if not self._holding_sync:
            if key in _COUNTERS or (key == "_py2js_update" and value is None):
                return False  # with the next update; and no two of these are the same
            if key.startswith("_py2js_") and value is not None:
                self.send_state([key, *_COUNTERS])
                return False
        return bool(super()._should_send_property(key, value))

    def set_state(self, sync_data: Any) -> None:
        """Take in what the browser says."""
        with self._updating:
            super().set_state(sync_data)
