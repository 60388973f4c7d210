"""The waterfall of a filter's conditions."""

import polars as pl

from evanalytics.plots.filters import (
    editor_board,
    selectivity_waterfall,
    waterfall_board,
    waterfall_figure,
)
from evanalytics.plots.panel import update_figure

TABLE = pl.DataFrame(
    {
        "condition": ['"type": "<b>a</b>"', '"data.list": 1'],
        "ran": ["columns", "events"],
        "rows_in": [100, 40],
        "rows_out": [40, 10],
        "ms": [1.5, 20.0],
    }
)


def test_bars_show_what_passed_and_what_did_not() -> None:
    figure = selectivity_waterfall(TABLE, TABLE.head(1))

    assert [list(trace.x) for trace in figure.data] == [[40, 10], [60, 30], [40], [60]]


def test_text_from_a_filter_is_no_markup() -> None:
    ticks = selectivity_waterfall(TABLE, TABLE).layout.yaxis.ticktext

    assert ticks[0] == '1. "type": "&lt;b&gt;a&lt;/b&gt;"'


def test_nothing_to_show_is_a_figure_too() -> None:
    assert len(selectivity_waterfall(TABLE.clear(), TABLE.clear()).data) == 4


def test_a_board_takes_other_tables_of_any_length() -> None:
    before, after = waterfall_board(TABLE.clear(), TABLE.clear()), waterfall_board(TABLE, TABLE.head(1))
    figure = waterfall_figure(before, height=400)

    update_figure(figure, before, after)

    assert [list(trace.x) for trace in figure.data] == [[40, 10], [60, 30], [40], [60]]
    assert list(figure.layout.yaxis.range) == [1.5, -0.5]
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range


def test_the_title_says_where_conditions_ran_and_what_they_took() -> None:
    titles = [text.text for text in selectivity_waterfall(TABLE, TABLE.head(1)).layout.annotations]

    assert "21.5 ms" in titles[0]
    assert "event by event" in titles[0]
    assert "event by event" not in titles[1]


def test_the_editors_board_shows_the_share_of_matches() -> None:
    board = editor_board(TABLE, TABLE, matches=10, total=40, remark="40 events")
    figure = waterfall_figure(board, height=500)

    assert [list(trace.x) for trace in figure.data[:2]] == [[10], [30]]
    assert "10 of 40 events (25.0%)" in figure.layout.annotations[0].text
