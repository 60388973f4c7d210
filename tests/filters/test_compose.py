"""Conditions of a form: put together to a filter, and a filter taken apart to conditions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from evanalytics.exceptions import FilterError
from evanalytics.filters.compose import HOWS, Condition, compose, decompose, fitted
from evanalytics.filters.filter import filter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EACH: list[tuple[Condition, dict[str, Any]]] = [
    (Condition(path="type", how="one of", value=("a", "b")), {"type": {"$in": ["a", "b"]}}),
    (Condition(path="data.n", how="between", value=(1, 5)), {"data.n": {"$gte": 1, "$lte": 5}}),
    (Condition(path="data.n", how="between", value=(None, 5)), {"data.n": {"$lte": 5}}),
    (Condition(path="data.n", how="between", value=(1, None)), {"data.n": {"$gte": 1}}),
    (Condition(path="data.n", how="between", value=(None, None)), {"data.n": {"$ne": None}}),
    (Condition(path="time", how="between", value=(None, None)), {"time": {"$exists": True}}),
    (Condition(path="time", how="between", value=(NOON, None)), {"time": {"$gte": NOON}}),
    (Condition(path="time", how="between", value=(None, NOON)), {"time": {"$lt": NOON}}),
    (Condition(path="time", how="between", value=(NOON, NOON)), {"time": {"$gte": NOON, "$lt": NOON}}),
    (Condition(path="data.n", how="above", value=5), {"data.n": {"$gt": 5}}),
    (Condition(path="data.n", how="below", value=5), {"data.n": {"$lt": 5}}),
    (Condition(path="data.s", how="is", value="x"), {"data.s": "x"}),
    (Condition(path="data.s", how="contains", value="1.5 €"), {"data.s": {"$regex": r"1\.5 €"}}),
    (Condition(path="data.s", how="starts with", value="(a"), {"data.s": {"$regex": r"^\(a"}}),
    (Condition(path="data.s", how="ends with", value="$"), {"data.s": {"$regex": r"\$$"}}),
    (Condition(path="data.s", how="matches", value="a+b"), {"data.s": {"$regex": "a+b"}}),
    (Condition(path="data.s", how="exists"), {"data.s": {"$exists": True}}),
    (Condition(path="data.s", how="missing"), {"data.s": {"$exists": False}}),
]
NAMES = [f"{condition.path} {condition.how} {condition.value}" for condition, _ in EACH]


@pytest.mark.parametrize(("condition", "document"), EACH, ids=NAMES)
def test_each_condition_means_its_document_and_comes_back(
    condition: Condition, document: dict[str, Any]
) -> None:
    assert compose([condition]) == filter(document)
    assert decompose(compose([condition])) == ([condition], "all")


@pytest.mark.parametrize(("condition", "document"), EACH, ids=NAMES)
def test_a_negated_condition_is_the_negated_filter(condition: Condition, document: dict[str, Any]) -> None:
    turned = Condition(path=condition.path, how=condition.how, value=condition.value, negated=True)

    again = decompose(compose([turned]))

    assert compose([turned]) == ~filter(document)
    assert again is not None
    assert compose(again[0]) == ~filter(document)


@pytest.mark.parametrize("joined", ["all", "any"])
def test_several_conditions_come_back_with_how_they_are_joined(joined: Any) -> None:
    conditions = [EACH[0][0], EACH[1][0], EACH[-1][0]]

    assert decompose(compose(conditions, joined)) == (conditions, joined)


@pytest.mark.parametrize("joined", ["all", "any"])
def test_no_condition_is_everything(joined: Any) -> None:
    assert compose([], joined) == filter({})
    assert decompose(filter({})) == ([], "all")


@pytest.mark.parametrize(
    "document",
    [
        {"data.l": {"$size": 2}},
        {"data.l": {"$elemMatch": {"$gt": 1}}},
        {"type": "a", "$or": [{"data.n": 1}, {"data.n": {"$gt": 5}}]},
        {"data.s": {"$regex": "a", "$options": "i"}},
        {"data.n": {"$mod": [2, 0]}},
        {"time": {"$gt": NOON}},
    ],
)
def test_what_no_form_can_show_is_said_to_be_so(document: dict[str, Any]) -> None:
    assert decompose(filter(document)) is None


def test_a_single_value_is_a_choice_of_one() -> None:
    single = Condition(path="type", how="is", value="a")

    assert fitted(single, "choice", "String") == Condition(path="type", how="one of", value=("a",))


@pytest.mark.parametrize(
    ("kind", "dtype", "value", "fits"),
    [
        ("number", "Int64", 5, True),
        ("number", "Float64", True, False),
        ("number", "Float64", "5", False),
        ("choice", "Boolean", True, True),
        ("choice", "Boolean", "true", False),
        ("choice", "String", None, False),
        ("json", "JSON", [1], True),
    ],
)
def test_a_row_shows_values_of_its_own_kind_only(kind: str, dtype: str, value: Any, fits: bool) -> None:
    found = fitted(Condition(path="data.x", how="is", value=value), kind, dtype)

    assert (found is not None) == fits


def test_every_kind_begins_with_something_that_can_be_asked() -> None:
    assert all(HOWS[kind] for kind in ("choice", "number", "text", "instant", "json"))


def test_a_pattern_outside_the_subset_is_refused() -> None:
    with pytest.raises(FilterError, match="look-ahead"):
        compose([Condition(path="data.s", how="matches", value="(?=a)")])
