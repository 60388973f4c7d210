"""Single events: types are told apart, numbers are exact, arrays and depth are no matter."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from evanalytics.event import Event
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.nodes import And, Compare, Not, Or
from evanalytics.filters.predicate import compile_predicate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def holds(condition: Any, value: Any) -> bool:
    event = Event(id="1", type="t", source="s", time=NOON, data={"a": value})
    return filter({"data.a": condition})(event)


def event(**attributes: Any) -> Event:
    return Event(**{"id": "e1", "type": "paid", "source": "shop", "time": NOON, **attributes})


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        (1, True, False),
        (True, 1, False),
        (1, 1.0, True),
        (2**53 + 1, float(2**53), False),
        (2**64, 2**64, True),
        ({"$gt": 2**53}, 2**53 + 1, True),
        ({"$lt": 0.1}, Decimal("0.1"), True),
        ({"$gt": False}, True, True),
        ({"$gt": 0}, True, False),
        ({"$gt": ""}, "a", True),
        ({"$gt": "a"}, 5, False),
        ({"$lt": "\U0001f600"}, "\uffff", True),
        ({"$gte": None}, None, True),
        ({"$gt": None}, None, False),
        (None, float("nan"), True),
        ({"$in": [None, 1]}, float("nan"), True),
        ({"$in": [True]}, 1, False),
        ({"$in": [1]}, True, False),
        ({"$lt": 5}, float("nan"), False),
        ({"$exists": True}, None, True),
        ({"$gt": {"x": [2]}}, {"x": [3]}, True),
        ({"$gt": [2, 3]}, [1, 2], False),
        ({"$lt": {"b": 1}}, {"a": 5, "b": 1}, True),
        ({"b": 1, "c": 2}, OrderedDict(b=1, c=2), True),
        ([1, 2], (1, 2), True),
        ({"$size": 2}, (1, 2), True),
        ({"$gt": 1, "$lt": 3}, [0, 5], True),
        ({"$elemMatch": {"$gt": 1, "$lt": 3}}, [0, 5], False),
        ({"$mod": [3, -1]}, -4.9, True),
        ({"$mod": [3, 0]}, True, False),
        ({"$mod": [2, 0]}, float("inf"), False),
        ({"$elemMatch": {"0": 1}}, [[1]], True),
    ],
)
def test_one_value(condition: Any, value: Any, expected: bool) -> None:
    assert holds(condition, value) is expected


def test_paths_enter_arrays_by_element_and_by_position() -> None:
    nested = event(data={"a": [{"b": [1, 2]}, {"b": 3}, [{"b": 9}]]})

    assert filter({"data.a.b": 2})(nested)
    assert filter({"data.a.0.b": 1})(nested)
    assert filter({"data.a.1.b": 3})(nested)
    assert not filter({"data.a.b": 9})(nested)
    assert filter({"data.a.2.b": 9})(nested)
    assert filter({"data.a.2.0.b": 9})(nested)


def test_a_payload_that_is_no_object_has_no_fields() -> None:
    assert not filter({"data.a": 1})(event(data="a"))
    assert filter({"data.a": None})(event(data=5))
    assert filter({"data.a": 1})(event(data=[{"a": 1}]))


def test_a_payload_of_none_is_missing() -> None:
    assert filter({"data": {"$exists": False}})(event())
    assert filter({"data": None})(event())
    assert filter({"data": {"a": 1}})(event(data={"a": 1}))


def test_attributes_and_extensions() -> None:
    seen = event(subject="order/1", extensions={"traceid": "x", "sampled": True})

    assert filter({"subject": "order/1", "ext.traceid": "x", "ext.sampled": True})(seen)
    assert filter({"subject": {"$exists": False}, "ext.traceid": None})(event())
    assert not filter({"ext.sampled": 1})(seen)


def test_time_compares_to_the_microsecond() -> None:
    late = event(time=NOON + timedelta(microseconds=1))

    assert filter({"time": {"$gt": NOON}})(late)
    assert not filter({"time": {"$gt": NOON}})(event())
    assert filter({"time": {"$in": ["2026-01-01T12:00:00Z"]}})(event())


def test_deep_nodes_are_no_problem() -> None:
    node: Any = Compare("type", "$eq", "paid")
    for depth in range(100):
        node = (
            Not(And((node, Compare("source", "$eq", "shop"))))
            if depth % 2
            else Or((node, Compare("id", "$eq", "x")))
        )

    assert compile_predicate(node)(event()) is True


def test_many_alternatives_are_no_problem() -> None:
    wide = filter({"$or": [{"data.n": n, "type": "paid"} for n in range(5_000)]})

    assert wide(event(data={"n": 4_999}))
    assert not wide(event(data={"n": 5_000}))


def test_code_in_a_path_stays_a_path() -> None:
    path = 'data.x"]) or print("run") or (e["'

    assert not filter({path: 1})(event(data={"x": 1}))
    assert filter({path: 1})(event(data={path.removeprefix("data."): 1}))


def test_filters_combine() -> None:
    paid, shop = filter({"type": "paid"}), filter({"source": "web"})

    assert not (paid & shop)(event())
    assert (paid | shop)(event())
    assert (~shop)(event())
    assert isinstance(paid & shop, Filter)


@pytest.mark.parametrize("data", [None, 5, "x", [], [{"n": 2}, {"n": 9}], (), {"n": [0, 5]}, {}, {"n": None}])
def test_a_payload_that_is_no_object_gets_the_same_answer_as_one_nested_in_another(data: Any) -> None:
    for document in (
        {"n": {"$gt": 1, "$lt": 3}},
        {"n": {"$exists": False}},
        {"$or": [{"n": None}, {"n": {"$gte": 9}}]},
        {"n": {"$not": {"$gt": 1, "$lte": 2}}},
    ):
        payload, nested = filter(document, within="data"), filter(document, within="data.deep")

        assert payload(event(data=data)) == nested(event(data={"deep": data})), document


def test_comparisons_on_one_path_hold_each_on_its_own_for_an_array() -> None:
    between = {"$gt": 1, "$lt": 3}

    assert holds(between, [0, 5])
    assert holds(between, 2)
    assert not holds(between, 5)
    assert not holds(between, "2")
    assert not holds({"$gt": 1, "$lt": "b"}, 2)
