import plotly.graph_objects as go
import pytest

from evanalytics.plots.panel import Board, Panel, board_figure, figure_of, update_figure


def panel(title: str, values: list[float]) -> Panel:
    return Panel(
        title=title,
        traces=[{"type": "scatter", "x": list(range(len(values))), "y": values}],
        xaxis={"title": {"text": "x"}, "range": [0, len(values)]},
        yaxis={"title": {"text": "y"}, "range": [0, max(values, default=1)]},
    )


def board(first: list[float], second: list[float], third: list[float], **texts: str) -> Board:
    rows = [[panel("one", first)], [panel("two", second), panel("three", third)]]
    return Board(rows=rows, heights=[2, 1], **texts)


def shown(figure: go.Figure) -> list[list[float]]:
    return [list(trace.y) for trace in figure.data]


def test_a_figure_of_one_panel_has_its_axes_and_title() -> None:
    figure = figure_of(panel("one", [1, 2]), height=200)

    assert figure.layout.height == 200
    assert figure.layout.xaxis.title.text == "x"
    assert figure.layout.annotations[0].text == "one"


def test_each_panel_has_axes_of_its_own() -> None:
    figure = board_figure(board([1], [2], [3]), height=400)

    assert [trace.xaxis for trace in figure.data] == ["x", "x2", "x3"]
    assert figure.layout.xaxis3.anchor == "y3"


def test_panels_do_not_overlap() -> None:
    layout = board_figure(board([1], [2], [3]), height=400).layout

    assert layout.yaxis.domain[0] > layout.yaxis2.domain[1]
    assert layout.xaxis2.domain[1] < layout.xaxis3.domain[0]
    assert layout.yaxis2.domain == layout.yaxis3.domain
    assert layout.yaxis2.domain[0] == pytest.approx(0)


@pytest.mark.parametrize("kind", [go.Figure, go.FigureWidget])
def test_an_updated_figure_equals_a_new_one(kind: type[go.Figure]) -> None:
    before = board([1, 2], [], [3], remark="1 ms", message="nothing")
    after = board([5, 6, 7], [8], [], remark="2 ms")
    figure = kind(board_figure(before, height=400))

    update_figure(figure, before, after)

    new = board_figure(after, height=400)
    assert shown(figure) == shown(new) == [[5, 6, 7], [8], []]
    assert figure.layout.xaxis.range == new.layout.xaxis.range
    assert [text.text for text in figure.layout.annotations] == ["one", "two", "three", "2 ms", ""]
    assert [text.visible for text in figure.layout.annotations] == [True, True, True, True, False]
    assert (
        [trace.visible for trace in figure.data]
        == [trace.visible for trace in new.data]
        == [True, True, False]
    )


def test_an_update_is_one_message_of_what_differs() -> None:
    before, after = board([1, 2], [2], [3]), board([1, 9], [2], [3])
    figure = go.FigureWidget(board_figure(before, height=400))
    messages = []
    figure.observe(lambda change: messages.append(change["new"]), names="_py2js_update")

    update_figure(figure, before, after)

    sent = [message for message in messages if message]
    assert len(sent) == 1
    assert set(sent[0]["style_data"]) == {"y"}
    assert set(sent[0]["layout_data"]) == {"yaxis.range"}


def test_a_board_of_another_shape_is_refused() -> None:
    before = board([1], [2], [3])
    figure = board_figure(before, height=400)

    with pytest.raises(ValueError, match="shorter"):
        update_figure(figure, before, Board(rows=before.rows[:1], heights=[1]))
