"""One filter, four executors: every event gets the same answer from each, and the laws hold."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.event import Event
from evanalytics.filters.documents import document_of
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.optimizer import FilterOptimizer
from evanalytics.filters.parser import parse
from evanalytics.filters.predicate import compile_predicate
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import by_duckdb, by_polars, by_predicate, log_of
from tests.filters.random_filters import START, Randoms

EVENTS, FILTERS = 100, 25
SEEDS = range(8)


@pytest.fixture(scope="module", params=SEEDS)
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Event], EventLog, list[Filter]]:
    """Random events, their log, and filters; every other seed with arrays, mixed types, NaN and objects."""
    randoms = Randoms(request.param, wild=request.param % 2 == 0)
    events = [randoms.event(number) for number in range(EVENTS)]
    log = log_of(events, tmp_path_factory.mktemp("log"))
    return events, log, [filter(randoms.filter()) for _ in range(FILTERS)]


Drawn = tuple[list[Event], EventLog, list[Filter]]


def test_columns_of_polars_say_what_the_predicate_says(drawn: Drawn) -> None:
    events, log, filters = drawn

    for condition in filters:
        assert by_polars(condition, log) == by_predicate(condition, events, optimized=False), condition


def test_columns_of_duckdb_say_what_the_predicate_says(drawn: Drawn) -> None:
    events, log, filters = drawn

    for condition in filters:
        assert by_duckdb(condition, log, events) == by_predicate(condition, events, optimized=False), (
            condition
        )


def test_optimizing_changes_nothing(drawn: Drawn) -> None:
    events, log, filters = drawn

    for condition in filters:
        plain = by_predicate(condition, events, optimized=False)
        assert by_predicate(condition.optimized(), events, optimized=False) == plain, condition
        assert by_predicate(condition.optimized(log.schema), events, optimized=False) == plain, condition


def test_a_filter_and_its_negation_part_the_log(drawn: Drawn) -> None:
    events, log, filters = drawn

    for condition in filters:
        assert sorted(by_polars(condition, log) + by_polars(~condition, log)) == list(range(len(events))), (
            condition
        )


def test_and_or_are_intersection_and_union(drawn: Drawn) -> None:
    events, _, filters = drawn
    sets = [set(by_predicate(condition, events)) for condition in filters]

    for (one, found), (other, also_found) in zip(
        zip(filters, sets, strict=True), zip(filters[1:], sets[1:], strict=True), strict=False
    ):
        assert set(by_predicate(one & other, events)) == found & also_found
        assert set(by_predicate(one | other, events)) == found | also_found


def test_json_reads_back_as_the_same_filter(drawn: Drawn) -> None:
    _, log, filters = drawn

    for condition in filters:
        for version in (condition, condition.optimized(), condition.optimized(log.schema)):
            assert Filter.from_json(version.to_json()).to_dict() == version.to_dict()
        assert Filter.from_json(condition.to_json()) == condition


def test_every_rule_by_itself_changes_nothing(drawn: Drawn) -> None:
    events, log, filters = drawn

    for condition in filters:
        for step in FilterOptimizer(log.schema).optimize(condition.node).trace:
            before, after = compile_predicate(step.before), compile_predicate(step.after)
            assert [before(e) for e in events] == [after(e) for e in events], step


def test_a_filter_made_from_an_event_matches_it(drawn: Drawn) -> None:
    events, log, _ = drawn

    for position, event in enumerate(events[:40]):
        document: dict[str, Any] = {"id": event.id, "type": event.type, "time": event.time}
        document |= {f"data.{key}": value for key, value in event.data.items() if value == value}
        assert by_polars(filter(document), log) == [position]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_every_json_value_equals_itself(value: Any) -> None:
    event = Event(id="1", type="t", source="s", time=START, data={"a": value})

    assert filter({"data.a": {"$eq": value}})(event)
    assert not filter({"data.a": {"$ne": value}})(event)


@settings(max_examples=150, deadline=None)
@given(JSON, JSON)
def test_of_two_values_exactly_one_order_holds_or_none(one: Any, other: Any) -> None:
    event = Event(id="1", type="t", source="s", time=START, data={"a": {"v": one}})
    orders = [filter({"data.a": {name: {"v": other}}})(event) for name in ("$lt", "$eq", "$gt")]

    assert sum(orders) == 1  # objects are all of one kind, so one of them holds


@settings(max_examples=25, deadline=None)
@given(
    st.lists(JSON, min_size=1, max_size=8),
    JSON,
    st.sampled_from(["$eq", "$gt", "$lte", "$in", "$nin", "$ne"]),
)
def test_any_values_at_one_path(values: list[Any], literal: Any, operator: str) -> None:
    events = [
        Event(id=str(i), type="t", source="s", time=START, data={"a": value})
        for i, value in enumerate(values)
    ]
    condition = filter({"data.a": {operator: [literal, None] if operator in ("$in", "$nin") else literal}})
    with tempfile.TemporaryDirectory() as folder:
        log = log_of(events, Path(folder))
        expected = by_predicate(condition, events, optimized=False)
        assert by_polars(condition, log) == expected
        assert by_duckdb(condition, log, events) == expected


def test_documents_are_plain_json(drawn: Drawn) -> None:
    _, _, filters = drawn

    for condition in filters:
        assert parse(json.loads(json.dumps(document_of(condition.node), allow_nan=False))) == condition.node
