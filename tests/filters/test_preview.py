"""A filter's preview: a count that columns give, and the first matches with their payloads."""

import json
from pathlib import Path

import polars as pl
import pytest

from evanalytics.filters.export import to_python
from evanalytics.filters.filter import filter
from evanalytics.filters.parser import parse
from evanalytics.filters.preview import Count, first_matches, quick_count
from evanalytics.filters.tree import tree_text
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import events_of_payloads, log_of


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return log_of(events_of_payloads([{"n": n, "list": [n % 3]} for n in range(30)]), tmp_path)


def test_columns_count_exactly(log: EventLog) -> None:
    assert quick_count(filter({"data.n": {"$lt": 7}}), log) == Count(7, True)
    assert quick_count(filter({}), log) == Count(30, True)


def test_what_needs_the_events_is_counted_from_above(log: EventLog) -> None:
    condition = filter({"data.n": {"$lt": 7}, "data.list": 1})

    assert quick_count(condition, log) == Count(7, False)
    assert len(log.where(condition)) == 2


def test_the_first_matches_come_in_order_with_their_payload(log: EventLog) -> None:
    found = first_matches(filter({"data.list": 1}), log, limit=3)

    assert found.columns == ["seq", "time", "type", "source", "id", "data"]
    assert found["seq"].to_list() == [1, 4, 7]
    assert json.loads(found["data"][0]) == {"n": 1, "list": [1]}


def test_no_match_is_a_frame_without_rows(log: EventLog) -> None:
    found = first_matches(filter({"data.n": 99}), log)

    assert found.is_empty()
    assert found.schema["data"] == pl.String


def test_a_tree_has_a_line_for_each_node() -> None:
    node = parse(
        {"$or": [{"data.l": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"data.s": {"$not": {"$size": 2}}}]}
    )

    assert tree_text(node).splitlines() == [
        "Or",
        "├─ ElementMatches  data.l",
        "│  └─ And",
        "│     ├─ Compare  (the element) > 1",
        "│     └─ Compare  (the element) < 3",
        "└─ Not",
        "   └─ Size  data.s $size 2",
    ]


@pytest.mark.parametrize(
    "document", [{}, {"data.s": {"$eq": {"a": [None, True]}}}, {"data.s": 'it\'s "x"\n'}]
)
def test_the_program_holds_the_same_filter(document: dict[str, object]) -> None:
    program = to_python(filter(document))
    assignment = program[program.index("chosen") : program.index("log =")]
    names: dict[str, object] = {"ev": __import__("evanalytics")}

    exec(assignment, names)

    assert names["chosen"] == filter(document)
