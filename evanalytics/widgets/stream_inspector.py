"""A run of a stream graph, looked into: choose a node, see its rows, its columns, what became of them."""

from __future__ import annotations

import html
import threading
from typing import Any

import ipywidgets
import polars as pl

from evanalytics.plots.panel import Board
from evanalytics.plots.stream_graph import graph_board, graph_figure
from evanalytics.plots.theme import shorten
from evanalytics.streams.result import StreamResult
from evanalytics.widgets.arrow_keys import ArrowKeys
from evanalytics.widgets.base import Notice, guarded, on_change
from evanalytics.widgets.figure_box import FigureBox
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.tables import frame_table

_ROWS = 50
_NAME_LENGTH = 60


class StreamInspector(ipywidgets.VBox):  # type: ignore[misc]
    """The picture of a run, and the rows of the node that is chosen in it.

    Click a box, or choose it by name; then choose one of its outputs (pairs, windows, late rows, what
    was unmatched or there twice). An event's id tells its way: where it went, and why not further.

    Attributes:
        node: The choice of the node; set its `value` to a name.
        output: The choice of one of its outputs.
        event_id: The id of an event to follow.
        figure: The picture, a plotly `FigureWidget`.
        rows: The first rows of the output (a polars frame).
        trace: The way of the event (a polars frame; empty while none was asked for).
        notice: What went wrong, if anything did; its `text` is empty while all is well.
    """

    def __init__(self, result: StreamResult) -> None:
        """Draw the graph of a run and show the node with most outputs."""
        self._lock = threading.RLock()  # callbacks may run in another thread while a cell runs
        self._is_setting = False
        self._result = result
        self._picture = result.picture()
        names = self._picture.nodes["node"].to_list()
        outputs = self._picture.nodes["outputs"].list.len()
        first = names[outputs.arg_max() or 0]
        kinds = self._picture.nodes["kind"].to_list()
        self.notice = Notice()
        options = [
            (f"{shorten(name, _NAME_LENGTH)} ({kind})", name) for name, kind in zip(names, kinds, strict=True)
        ]
        self.node = ipywidgets.Dropdown(options=options, value=first, description="node")
        self.output = ipywidgets.Dropdown(options=[""], description="output")
        self.event_id = ipywidgets.Text(
            placeholder="id of an event", description="follow", continuous_update=False
        )
        self._counts, self._table, self._way = (ipywidgets.HTML() for _ in range(3))
        board = self._draw(first)
        self.figure = BoardFigure(graph_figure(board), board)
        self.rows = self.trace = pl.DataFrame()
        self._show_node(first)
        super().__init__(
            [FigureBox(self.figure), self._bar(), self.notice, self._way, self._counts, self._table]
        )
        self.add_class("ev-app")
        self._listen()

    def choose(self, node: str, output: str | None = None) -> None:
        """Show a node and one of its outputs, by default the first; all has followed when it returns."""
        self.node.value = node
        if output is not None:
            self.output.value = output

    def _bar(self) -> ipywidgets.HBox:
        return ipywidgets.HBox([self.node, self.output, self.event_id, ArrowKeys()]).add_class("ev-actions")

    def _listen(self) -> None:
        on_change(self.node, self._change_node, self.notice)
        on_change(self.output, self._change_output, self.notice)
        on_change(self.event_id, self._follow, self.notice)
        boxes = next(trace for trace in self.figure.data if trace.type == "bar")
        click = guarded(self._click, self.notice)
        boxes.on_click(lambda _trace, points, _state: click(points))

    def _click(self, points: Any) -> None:
        """Follow a click on a box; `points` is what plotly tells of it."""
        if points.point_inds:
            self.node.value = self._picture.nodes["node"][points.point_inds[0]]

    def _change_node(self, name: str) -> None:
        with self._lock:
            self.figure.board = self._draw(name)
            self._show_node(name)

    def _show_node(self, name: str) -> None:
        outputs = self._picture.nodes.filter(pl.col("node") == name)["outputs"][0].to_list()
        options = [(shorten(output, _NAME_LENGTH), output) for output in outputs] or [("what it gets", "")]
        self._is_setting = True  # the options' change is no choice
        self.output.options = options
        self.output.disabled = len(options) == 1
        self._is_setting = False
        counts = self._result.counts.filter(pl.col("node") == name).drop("node")
        self._counts.value = _titled("What became of its rows", frame_table(_readable(counts), "Counts"))
        self._show_rows(self.output.value)

    def _change_output(self, output: str | None) -> None:
        with self._lock:
            if not self._is_setting and output is not None:
                self._show_rows(output)

    def _show_rows(self, output: str) -> None:
        name = self.node.value
        self.rows = self._result.results(name, output or None, limit=_ROWS)
        title = f"{shorten(name, _NAME_LENGTH)}{f' · {shorten(output, _NAME_LENGTH)}' if output else ''}"
        said = f"the first {_ROWS} rows" if len(self.rows) == _ROWS else f"all {len(self.rows):,} rows"
        self._table.value = _titled(f"{title}: {said}", frame_table(self.rows, title, with_dtypes=True))

    def _follow(self, event_id: str) -> None:
        wanted = event_id.strip()
        if not wanted:
            self.trace, self._way.value = pl.DataFrame(), ""
            return
        self.trace = self._result.trace(wanted)
        title = f"The way of {shorten(wanted, _NAME_LENGTH)}"
        self._way.value = _titled(title, frame_table(self.trace, title))

    def _draw(self, name: str) -> Board:
        picture = self._picture
        return graph_board(picture.nodes, picture.edges, picture.losses, remark=picture.remark, selected=name)


def _titled(title: str, table: str) -> str:
    return f"<p class='ev-label' style='margin:4px 0'>{html.escape(title)}</p>{table}"


def _readable(counts: pl.DataFrame) -> pl.DataFrame:
    """Return counts as the law reads: a row per part, a column per word."""
    return counts.pivot("what", index="part", values="rows", maintain_order=True)
