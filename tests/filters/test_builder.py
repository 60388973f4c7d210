"""The builder says with methods what a document says with keys."""

from datetime import UTC, datetime
from typing import Any

import pytest

from evanalytics.exceptions import FilterError
from evanalytics.filters import EventFilterBuilder, filter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def document(builder: EventFilterBuilder) -> dict[str, Any]:
    return builder.build().to_dict()


def test_nothing_asked_is_everything() -> None:
    assert document(EventFilterBuilder()) == {}


def test_names_come_one_by_one_or_as_a_list() -> None:
    expected = {"type": {"$in": ["a", "b"]}}

    assert document(EventFilterBuilder().with_types("a", "b")) == expected
    assert document(EventFilterBuilder().with_types(["a", "b"])) == expected
    assert document(EventFilterBuilder().with_sources("web")) == {"source": "web"}


@pytest.mark.parametrize(
    ("method", "operator"), [("after", "$gt"), ("before", "$lt"), ("since", "$gte"), ("until", "$lte")]
)
def test_after_and_before_exclude_since_and_until_include(method: str, operator: str) -> None:
    built = getattr(EventFilterBuilder(), method)(NOON).build()

    assert built == filter({"time": {operator: NOON}})


def test_fields_of_the_payload() -> None:
    built = (
        EventFilterBuilder()
        .with_data_field("customer.id", 5)
        .with_data_field("data.total", {"$gt": 1})
        .with_data_field_in("n", (1, 2))
        .build()
    )

    assert built == filter({"data.customer.id": 5, "data.total": {"$gt": 1}, "data.n": {"$in": [1, 2]}})


def test_any_filter_can_be_added() -> None:
    built = EventFilterBuilder().with_filter({"type": "a"}).with_filter(filter({"source": "s"})).build()

    assert built == filter({"type": "a", "source": "s"})


def test_a_builder_can_be_built_upon_twice() -> None:
    base = EventFilterBuilder().with_types("a")
    base.with_sources("web")

    assert base.build() == filter({"type": "a"})


def test_wrong_arguments_are_refused() -> None:
    builder = EventFilterBuilder()

    with pytest.raises(FilterError, match="at least one name"):
        builder.with_types()
    with pytest.raises(FilterError, match="names are text, got 5"):
        builder.with_types(["a", 5])  # type: ignore[list-item]
    with pytest.raises(FilterError, match="several values, got 'abc'"):
        builder.with_data_field_in("n", "abc")
    with pytest.raises(FilterError, match="needs an instant"):
        builder.after("soon")
