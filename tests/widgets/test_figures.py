"""A figure on display: what goes to the browser, and what does not."""

from __future__ import annotations

import re

import plotly.graph_objects as go

from evanalytics.plots.panel import Board, Panel, board_figure
from evanalytics.widgets.figures import BoardFigure


def _board(*values: float) -> Board:
    trace = {"type": "scatter", "x": [1.0, 2.0], "y": list(values)}
    return Board(rows=[[Panel(title="one", traces=[trace], xaxis={}, yaxis={})]], heights=[1])


def test_a_board_turns_into_another_one() -> None:
    figure = BoardFigure(board_figure(_board(1, 2), height=300), _board(1, 2))

    figure.board = _board(3, 4)

    assert list(figure.data[0].y) == [3, 4]


def test_a_redraw_is_one_message() -> None:
    figure = BoardFigure(board_figure(_board(1, 2), height=300), _board(1, 2))
    sent: list[dict[str, dict[str, object]]] = []
    figure._send = lambda message, buffers=None: sent.append(message)

    figure.board = _board(3, 4)
    figure.board = _board(5, 6)

    counters = ["_last_trace_edit_id", "_last_layout_edit_id"]
    assert [sorted(message["state"]) for message in sent] == [sorted(["_py2js_update", *counters])] * 2
    assert [[message["state"][name] for name in counters] for message in sent] == [[1, 1], [2, 2]]
    assert [message["state"]["_py2js_update"]["style_data"]["y"] for message in sent] == [[[3, 4]], [[5, 6]]]


def test_other_changes_of_a_figure_are_sent_as_well() -> None:
    figure = BoardFigure(board_figure(_board(1, 2), height=300), _board(1, 2))
    sent: list[dict[str, dict[str, object]]] = []
    figure._send = lambda message, buffers=None: sent.append(message)

    figure.layout.title.text = "two"
    figure.layout.title.text = "one"

    asked = [message["state"]["_py2js_relayout"] for message in sent]
    texts = [None if message is None else message["relayout_data"]["title.text"] for message in asked]
    assert texts == ["two", None, "one", None]


def test_the_browser_is_not_asked_to_describe_a_figure_after_each_redraw() -> None:
    plotly, ours = str(go.FigureWidget._esm), str(BoardFigure._esm)
    silenced = re.findall(r"(\w+)\.prototype\.(\w+)=\(\)=>\{\};", ours[-len(plotly) // 100 :])

    assert [name for _, name in silenced] == ["_sendTraceDeltas", "_sendLayoutDelta"]
    assert all(f"{name}(" in plotly for _, name in silenced)
    assert {view for view, _ in silenced} == set(re.findall(r"(\w+) as FigureView", plotly))
    assert re.sub(r"\w+\.prototype\._send\w+=\(\)=>\{\};", "", ours) == plotly


def test_what_a_browser_says_of_a_figure_is_not_sent_back_to_it() -> None:
    figure = BoardFigure(board_figure(_board(1, 2), height=300), _board(1, 2))
    sent: list[dict[str, object]] = []
    figure._send = lambda message, buffers=None: sent.append(message)
    said = {"_js2py_traceDeltas": {"trace_deltas": [], "trace_edit_id": 0}, "_last_trace_edit_id": 7}

    figure.set_state(said)

    echoed = [message["state"] for message in sent if message["method"] == "echo_update"]
    assert echoed == [{"_last_trace_edit_id": 7}]


def test_all_that_a_browser_may_say_is_known() -> None:
    figure = BoardFigure(board_figure(_board(1, 2), height=300), _board(1, 2))
    told = [name for name in figure.keys if name.startswith("_js2py_")]

    assert told
    assert [name for name in told if figure.trait_metadata(name, "echo_update", True)] == []
