"""A run of a stream graph, looked into: choose a node, see its rows, its columns, what became of them."""

from __future__ import annotations

import html
import threading
from typing import Any

import ipywidgets
import polars as pl

from evanalytics.plots.stream_graph import graph_board, graph_figure, with_frame
from evanalytics.plots.theme import shorten
from evanalytics.streams.result import StreamResult
from evanalytics.widgets.arrow_keys import ArrowKeys
from evanalytics.widgets.base import Notice, guarded, on_change
from evanalytics.widgets.figure_box import FigureBox
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.tables import frame_table

_ROWS = 50
_NAME_LENGTH = 60

Output = tuple[str, str]
"""A node and one of its outputs; "" stands for what a sink gets."""


class StreamInspector(ipywidgets.VBox):  # type: ignore[misc]
    """The picture of a run, and the rows of the node that is chosen in it.

    Click a box, or choose it by name, to see its first output; or choose any output of the graph
    (pairs, windows, late rows, what was unmatched or there twice), which chooses its node as well. An
    event's id tells its way: where it went, and why not further.

    Attributes:
        node: The choice of the node; set its `value` to a name.
        output: The choice of an output; set its `value` to (node, output), of a sink to (node, "").
        event_id: The id of an event to follow.
        figure: The picture, a plotly `FigureWidget`.
        rows: The first rows of the output (a polars frame).
        trace: The way of the event (a polars frame; empty while none was asked for).
        notice: What went wrong, if anything did; its `text` is empty while all is well.
    """

    def __init__(self, result: StreamResult) -> None:
        """Draw the graph of a run and show the node with most outputs."""
        self._lock = threading.RLock()  # callbacks may run in another thread while a cell runs
        self._result = result
        self._counted = result.counts
        self._seen: dict[Output, tuple[pl.DataFrame, str]] = {}
        picture = result.picture()
        self._names = names = picture.nodes["node"].to_list()
        outputs = picture.nodes["outputs"].to_list()
        kinds = picture.nodes["kind"].to_list()
        first = max(range(len(names)), key=lambda place: len(outputs[place]))
        self.notice = Notice()
        options = [
            (f"{shorten(name, _NAME_LENGTH)} ({kind})", name) for name, kind in zip(names, kinds, strict=True)
        ]
        ports = [(name, output) for place, name in enumerate(names) for output in outputs[place] or [""]]
        named = [(_said(port), port) for port in ports]
        self.node = ipywidgets.Dropdown(options=options, value=names[first], description="node")
        self.output = ipywidgets.Dropdown(options=named, description="output")
        self.output.value = self._first_of(names[first])
        self.event_id = ipywidgets.Text(
            placeholder="id of an event", description="follow", continuous_update=False
        )
        self._counts, self._table, self._way = (ipywidgets.HTML() for _ in range(3))
        board = graph_board(
            picture.nodes, picture.edges, picture.losses, remark=picture.remark, selected=names[first]
        )
        self.figure = BoardFigure(graph_figure(board), board)
        self.rows = self.trace = pl.DataFrame()
        self._show_counts(names[first])
        self._show_rows(self.output.value)
        super().__init__(
            [FigureBox(self.figure), self._bar(), self.notice, self._way, self._counts, self._table]
        )
        self.add_class("ev-app").add_class("ev-inspector")
        self._listen()

    def choose(self, node: str, output: str | None = None) -> None:
        """Show a node and one of its outputs, by default the first; all has followed when it returns."""
        self.node.value = node
        self.output.value = self._first_of(node) if output is None else (node, output)

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
            self.node.value = self._names[points.point_inds[0]]

    def _change_node(self, name: str) -> None:
        with self._lock:
            self.figure.board = with_frame(self.figure.board, self._names.index(name))
            self._show_counts(name)
            if self.output.value[0] != name:
                self.output.value = self._first_of(name)

    def _change_output(self, port: Output) -> None:
        with self._lock:
            self.node.value = port[0]
            self._show_rows(port)

    def _first_of(self, node: str) -> Output:
        ports: list[Output] = [port for _, port in self.output.options]
        return next(port for port in ports if port[0] == node)

    def _show_counts(self, name: str) -> None:
        counts = self._counted.filter(pl.col("node") == name).drop("node")
        self._counts.value = _titled("What became of its rows", frame_table(_readable(counts), "Counts"))

    def _show_rows(self, port: Output) -> None:
        if port not in self._seen:
            rows = self._result.results(port[0], port[1] or None, limit=_ROWS)
            title = _said(port)
            said = f"the first {_ROWS} rows" if len(rows) == _ROWS else f"all {len(rows):,} rows"
            table = frame_table(rows, title, with_dtypes=True)
            self._seen[port] = rows, _titled(f"{title}: {said}", table)
        self.rows, self._table.value = self._seen[port]

    def _follow(self, event_id: str) -> None:
        wanted = event_id.strip()
        if not wanted:
            self.trace, self._way.value = pl.DataFrame(), ""
            return
        self.trace = self._result.trace(wanted)
        title = f"The way of {shorten(wanted, _NAME_LENGTH)}"
        self._way.value = _titled(title, frame_table(self.trace, title))


def _said(port: Output) -> str:
    """Return an output as people read it; of a sink, which has none, what it gets."""
    node, output = (shorten(name, _NAME_LENGTH) if name else "" for name in port)
    return f"{node} · {output}" if output else f"{node} · what it gets"


def _titled(title: str, table: str) -> str:
    return f"<p class='ev-label' style='margin:4px 0'>{html.escape(title)}</p>{table}"


def _readable(counts: pl.DataFrame) -> pl.DataFrame:
    """Return counts as the law reads: a row per part, a column per word."""
    return counts.pivot("what", index="part", values="rows", maintain_order=True)
