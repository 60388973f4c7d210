"""An explanation says where each condition ran, what it left over, and draws it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from evanalytics.filters.filter import filter
from evanalytics.filters.statistics import measured_shares
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import events_of_payloads, log_of

CONDITION = filter(
    {
        "data.list": 1,
        "$and": [{"data.n": {"$lt": 10}}, {"data.s": "x"}],
        "time": {"$gte": datetime(2025, 1, 1, tzinfo=UTC)},
    }
)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return log_of(
        events_of_payloads([{"n": n, "list": [n % 3], "s": "x" if n % 2 else "y"} for n in range(30)]),
        tmp_path,
    )


def test_the_optimized_table_is_what_where_runs(log: EventLog) -> None:
    explained = CONDITION.explain(log)

    assert explained.optimized.select("ran", "rows_in", "rows_out").rows() == [
        ("columns", 30, 30),
        ("columns", 30, 10),
        ("columns", 10, 5),
        ("events", 5, 5),
        ("events", 5, 2),
    ]
    assert explained.matches == len(log.where(CONDITION)) == 2


def test_the_original_keeps_the_order_in_which_it_was_written(log: EventLog) -> None:
    table = CONDITION.explain(log).original

    assert table["ran"].to_list() == ["events"] * 4
    assert table["rows_out"].to_list() == [30, 10, 2, 2]


def test_it_says_why_a_condition_needs_the_events(log: EventLog) -> None:
    assert "data.list stayed JSON: arrays" in CONDITION.explain(log).optimized["why"].to_list()


def test_it_prints_and_names_its_rules(log: EventLog) -> None:
    explained = CONDITION.explain(log)

    assert "rules: flatten, order by cost" in str(explained)
    assert explained.rules.columns == ["rule", "before", "after"]
    assert "<script" not in filter({"data.s": "<script>"}).explain(log)._repr_html_()


def test_the_sql_runs_over_a_table_named_log(log: EventLog) -> None:
    assert 'FROM "log" WHERE' in CONDITION.explain(log).sql
    assert CONDITION.sql(log) == CONDITION.explain(log).sql or "data__n" in CONDITION.sql(log)


def test_quotes_in_values_stay_values(log: EventLog) -> None:
    assert "'it''s \"x\"'" in filter({"data.s": 'it\'s "x"'}).sql(log)


def test_a_filter_without_conditions_has_no_rows(log: EventLog) -> None:
    explained = filter({}).explain(log)

    assert explained.matches is None
    assert explained.figure().data


def test_shares_are_measured_on_the_log(log: EventLog) -> None:
    parts = [filter({"data.n": {"$lt": 15}}).node, filter({"data.list": 1}).node]

    assert measured_shares(parts, log) == {parts[0]: 0.5}


def test_the_figure_has_a_bar_for_every_condition(log: EventLog) -> None:
    figure = CONDITION.explain(log).figure()

    assert [len(trace.x) for trace in figure.data] == [4, 4, 5, 5]
    assert list(figure.data[2].x) == [30, 10, 5, 5, 2]
    assert list(figure.data[3].x) == [0, 20, 5, 0, 3]
