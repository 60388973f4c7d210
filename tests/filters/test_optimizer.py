"""What each rule makes of a filter, and that the trace says so; `tests/agreement` proves the meaning."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from evanalytics.filters.filter import filter
from evanalytics.filters.optimizer import FilterOptimizer
from evanalytics.logs.log import EventLog

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOG = EventLog.from_frame(
    pl.DataFrame(
        {"id": ["1"], "type": ["t"], "source": ["s"], "time": [NOON], "data__n": [1], "data__s": ["a"]}
    )
)
NOTHING: dict[str, Any] = {"$nor": [{}]}


def optimized(document: dict[str, Any], *, typed: bool = True) -> dict[str, Any]:
    return filter(document).optimized(LOG.schema if typed else None).to_dict()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"$and": [{"$and": [{"type": "a"}, {"source": "s"}]}, {"id": "1"}]},
            {"type": "a", "source": "s", "id": "1"},
        ),
        ({"$or": [{"type": "a"}, {"type": "a"}]}, {"type": "a"}),
        ({"$and": [{"type": "a"}, {}]}, {"type": "a"}),
        ({"$or": [{"type": "a"}, {}]}, {}),
        ({"$and": [{"type": "a"}, NOTHING]}, NOTHING),
        ({"$or": [{"type": "a"}, {"data.n": {"$in": []}}]}, {"type": "a"}),
        ({"$nor": [{"$nor": [{"type": "a"}]}]}, {"type": "a"}),
        ({"$nor": [{"data.x": 1}, {"data.y": 2}]}, {"data.x": {"$ne": 1}, "data.y": {"$ne": 2}}),
        ({"$and": [{"data.x": 1}, {"data.x": {"$ne": 1}}]}, NOTHING),
        ({"$or": [{"data.x": 1}, {"data.x": {"$ne": 1}}]}, {}),
        ({"$and": [{"data.x": 1}, {"$or": [{"data.x": 1}, {"data.y": 2}]}]}, {"data.x": 1}),
        ({"$or": [{"data.x": 1}, {"data.x": 1, "data.y": 2}]}, {"data.x": 1}),
        ({"$or": [{"data.x": 1}, {"data.x": {"$in": [2, 1.0]}}]}, {"data.x": {"$in": [1, 2]}}),
        ({"$and": [{"data.x": {"$ne": 1}}, {"data.x": {"$nin": [2]}}]}, {"data.x": {"$nin": [1, 2]}}),
        ({"$and": [{"data.x": {"$gt": 1}}, {"data.x": {"$gt": 3}}]}, {"data.x": {"$gt": 3}}),
        ({"$and": [{"data.x": {"$gt": 3}}, {"data.x": {"$gte": 3}}]}, {"data.x": {"$gt": 3}}),
        ({"$or": [{"data.x": {"$lt": 1}}, {"data.x": {"$lt": 3}}]}, {"data.x": {"$lt": 3}}),
        ({"data.x": {"$eq": 5, "$gt": 3}}, {"data.x": 5}),
        ({"data.n": {"$gt": 5, "$lt": 3}}, NOTHING),
        ({"data.n": {"$in": [1, 2]}, "$and": [{"data.n": {"$in": [2, 3]}}]}, {"data.n": 2}),
        ({"data.n": {"$eq": 1, "$gt": 3}}, NOTHING),
        ({"data.n": {"$gt": 3, "$gte": "a"}}, NOTHING),
        ({"data.n": {"$elemMatch": {"$gt": 1}}}, NOTHING),
        ({"type": {"$exists": True}}, {}),
        ({"type": None}, NOTHING),
        ({"type": {"$in": ["a", 5, None]}}, {"type": "a"}),
        ({"data.x": {"$in": [3]}}, {"data.x": 3}),
    ],
)
def test_rewritten(document: dict[str, Any], expected: dict[str, Any]) -> None:
    assert optimized(document) == expected


@pytest.mark.parametrize(
    "document",
    [{"data.n": {"$gt": 5, "$lt": 3}}, {"data.n": {"$gt": 1, "$lt": 3}}, {"data.n": {"$all": [1, 2]}}],
)
def test_where_arrays_can_be_nothing_is_contradicted(document: dict[str, Any]) -> None:
    assert optimized(document, typed=False) == filter(document).to_dict()


def test_true_and_one_are_not_the_same_condition() -> None:
    assert optimized({"$or": [{"data.x": 1}, {"data.x": True}]}) == {"data.x": {"$in": [1, True]}}


def test_null_implies_nothing() -> None:
    document = {"data.x": {"$in": [None, 1], "$exists": True}}

    assert optimized(document) == document


def test_time_first_then_what_decides_most_for_its_cost() -> None:
    document = {
        "data.list": {"$elemMatch": {"$gt": 1}},
        "data.s": {"$regex": "a.c"},
        "type": "a",
        "time": {"$gte": NOON},
    }

    assert filter(document).optimized().paths == ["time", "type", "data.s", "data.list"]


def test_measured_shares_beat_guesses() -> None:
    common, rare = filter({"type": "a"}).node, filter({"source": "s"}).node
    node = (filter({"type": "a"}) & filter({"source": "s"})).node

    result = FilterOptimizer(selectivity={common: 0.9, rare: 0.01}).optimize(node)

    assert result.node.parts == (rare, common)  # type: ignore[attr-defined]


def test_the_trace_names_the_rules_that_fired() -> None:
    node = filter({"$nor": [{"$or": [{"data.x": 1}, {"data.x": 2}]}]}).node
    result = FilterOptimizer().optimize(node)

    assert [step.rule for step in result.trace] == ["merge sets"]
    assert result.original == node


def test_a_filter_that_is_fine_is_left_alone() -> None:
    node = filter({"type": "a"}).node
    result = FilterOptimizer(LOG.schema).optimize(node)

    assert result.node is node
    assert result.trace == ()


def test_a_negated_bound_of_the_time_is_a_bound() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert filter({"time": {"$not": {"$lt": noon}}}).optimized() == filter({"time": {"$gte": noon}})
    assert filter({"type": {"$not": {"$gte": "b"}}}).optimized() == filter({"type": {"$lt": "b"}})


def test_a_negated_bound_of_what_may_be_missing_stays() -> None:
    condition = filter({"data.n": {"$not": {"$lt": 5}}})

    assert condition.optimized() == condition


def test_one_value_and_a_set_are_what_they_share() -> None:
    both = filter({"$and": [{"type": "a"}, {"type": {"$in": ["a", "b"]}}]})

    assert both.optimized() == filter({"type": "a"})
    assert filter({"$and": [{"type": "c"}, {"type": {"$in": ["a", "b"]}}]}).optimized() == filter(
        {"$nor": [{}]}
    )
