"""A figure on display: what goes to the browser, and what does not."""

from __future__ import annotations

from evanalytics.plots.panel import Board, Panel, board_figure
from evanalytics.widgets.figures import BoardFigure


def _board(*values: float) -> Board:
    trace = {"type": "scatter", "x": [1.0, 2.0], "y": list(values)}
    return Board(rows=[[Panel(title="one", traces=[trace], xaxis={}, yaxis={})]], heights=[1])


def test_a_board_turns_into_another_one() -> None:
    figure = BoardFigure(board_figure(_board(1, 2), height=300), _board(1, 2))

    figure.board = _board(3, 4)

    assert list(figure.data[0].y) == [3, 4]


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
