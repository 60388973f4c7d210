"""Documents are read as MongoDB reads them; what is wrong is refused at its key."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from evanalytics.event import Event
from evanalytics.exceptions import FilterError
from evanalytics.filters.filter import filter
from evanalytics.filters.nodes import EVERYTHING, NOTHING, And, Compare, ElementMatches, Exists, In, Not, Or
from evanalytics.filters.parser import parse

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def holds(document: dict[str, Any], data: Any) -> bool:
    return filter(document, within="data")(Event(id="1", type="t", source="s", time=NOON, data=data))


def test_a_value_stands_for_equality() -> None:
    assert parse({"type": "paid"}) == Compare("type", "$eq", "paid")


def test_all_keys_must_hold() -> None:
    assert parse({"type": "a", "source": "b"}) == And(
        (Compare("type", "$eq", "a"), Compare("source", "$eq", "b"))
    )


def test_the_empty_document_holds_for_everything() -> None:
    assert parse({}) == EVERYTHING


def test_negations_are_written_with_not() -> None:
    assert parse({"data.a": {"$ne": 1}}) == Not(Compare("data.a", "$eq", 1))
    assert parse({"data.a": {"$nin": [1]}}) == Not(In("data.a", (1,)))
    assert parse({"data.a": {"$exists": False}}) == Not(Exists("data.a"))
    assert parse({"$nor": [{"type": "a"}, {"type": "b"}]}) == Not(
        Or((Compare("type", "$eq", "a"), Compare("type", "$eq", "b")))
    )


def test_one_and_true_are_different_literals() -> None:
    assert parse({"data.a": 1}) != parse({"data.a": True})


def test_time_is_read_as_an_instant() -> None:
    expected = Compare("time", "$gte", NOON)

    assert parse({"time": {"$gte": "2026-01-01T12:00:00Z"}}) == expected
    assert parse({"time": {"$gte": "2026-01-01T14:00:00+02:00"}}) == expected
    assert parse({"time": {"$gte": "2026-01-01T12:00:00"}}) == expected
    assert parse({"time": {"$gte": NOON.astimezone(timezone(timedelta(hours=5)))}}) == expected
    assert parse({"time": {"$gte": {"$date": "2026-01-01T12:00:00Z"}}}) == expected


def test_within_puts_a_path_before_every_path() -> None:
    assert parse({"$or": [{"a.b": 1}, {"c": 2}]}, within="data") == parse(
        {"$or": [{"data.a.b": 1}, {"data.c": 2}]}
    )


def test_paths_inside_an_element_begin_at_the_element() -> None:
    node = parse({"data.list": {"$elemMatch": {"time": "noon"}}})

    assert node == ElementMatches("data.list", Compare("time", "$eq", "noon"), of_objects=True)


def test_a_compiled_pattern_is_a_regular_expression() -> None:
    assert holds({"a": re.compile("^B", re.IGNORECASE)}, {"a": "bc"})
    assert holds({"a": {"$in": [1, re.compile("c$")]}}, {"a": ["x", "bc"]})
    assert not holds({"a": {"$not": re.compile("c")}}, {"a": "bc"})


def test_nobody_is_in_an_empty_list() -> None:
    assert parse({"data.a": {"$in": []}}) == NOTHING
    assert parse({"data.a": {"$all": []}}) == NOTHING
    assert parse({"data.a": {"$nin": []}}) == EVERYTHING


REFUSED = {
    "$nope": ({"$nope": 1}, r"filter at \$nope: unknown operator"),
    "top $not": ({"$not": {"type": "a"}}, r"at the top use \$nor"),
    "operator": ({"data.a": {"$gte ": 1}}, r"filter at data\.a\.\$gte : unknown operator \$gte ; did you mean \$gte\?"),
    "where": ({"$where": "1"}, r"unknown operator \$where"),
    "mixed": ({"data.a": {"$gt": 1, "b": 2}}, "either operators or fields"),
    "root": ({"total": 1}, r"no 'total'; for a field of the payload write 'data\.total'"),
    "near root": ({"typ": 1}, "did you mean 'type'"),
    "empty part": ({"data..a": 1}, "empty part"),
    "field of text": ({"type.x": 1}, "type has no fields"),
    "empty and": ({"$and": []}, r"filter at \$and: needs a list of at least one filter"),
    "empty or": ({"$or": []}, "at least one"),
    "empty nor": ({"$nor": []}, "at least one"),
    "deep": ({"$or": [{"type": "a"}, {"$and": [{"data.x": {"$in": 5}}]}]}, r"filter at \$or\[1\]\.\$and\[0\]\.data\.x\.\$in: .*list of values, got 5"),
    "and of text": ({"$and": ["x"]}, r"filter at \$and\[0\]: a filter is an object"),
    "no object": ([1], "a filter is an object"),
    "key": ({5: 1}, "keys are paths or operators, got 5"),
    "size": ({"data.a": {"$size": -1}}, "whole number"),
    "size fraction": ({"data.a": {"$size": 1.5}}, "whole number"),
    "size boolean": ({"data.a": {"$size": True}}, "whole number"),
    "mod": ({"data.a": {"$mod": [0, 1]}}, "divisor not 0"),
    "mod length": ({"data.a": {"$mod": [1]}}, r"\[divisor, remainder\]"),
    "exists": ({"data.a": {"$exists": "yes"}}, "true or false"),
    "not": ({"data.a": {"$not": 5}}, r"or use \$ne"),
    "empty not": ({"data.a": {"$not": {}}}, "needs operators"),
    "all": ({"data.a": {"$all": 5}}, "list of values"),
    "in operators": ({"data.a": {"$in": [1, {"$gt": 4}]}}, r"\$in\[1\]: \$in holds values, no operators"),
    "nin operators": ({"data.a": {"$nin": [{"$gt": 4}]}}, r"use \$or"),
    "all operators": ({"data.a": {"$all": [{"$gt": 4}]}}, r"no operators but \$elemMatch"),
    "all mixed": ({"data.a": {"$all": [{"$elemMatch": {"b": 1}}, 5]}}, "every place"),
    "elemMatch": ({"data.a": {"$elemMatch": 5}}, "object of conditions"),
    "options": ({"data.a": {"$options": "i"}}, r"goes with a \$regex"),
    "options twice": ({"data.a": {"$regex": re.compile("a", re.I), "$options": "s"}}, "give them once"),
    "regex": ({"data.a": {"$regex": "(?=a)"}}, r"filter at data\.a\.\$regex: regular expression .* look-ahead"),
    "regex type": ({"data.a": {"$regex": 5}}, "need text"),
    "ne regex": ({"data.a": {"$ne": re.compile("a")}}, r"use \$not"),
    "gt regex": ({"data.a": {"$gt": re.compile("a")}}, r"goes with \$regex"),
    "NaN": ({"data.a": float("nan")}, "NaN is no value"),
    "bytes": ({"data.a": b"x"}, "no JSON value"),
    "naive": ({"data.a": datetime(2026, 1, 1)}, "no time zone"),
    "no instant": ({"time": {"$gt": "soon"}}, r"filter at time\.\$gt: needs an instant such as .* got 'soon'"),
    "number as time": ({"time": 5}, "needs an instant"),
    "regex of time": ({"time": {"$regex": "2026"}}, "time is an instant"),
    "surrogate": ({"data.a": "\ud800"}, "no Unicode"),
    "surrogate path": ({"data.\ud800": 1}, "no Unicode"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_at_its_key(name: str) -> None:
    document, message = REFUSED[name]

    with pytest.raises(FilterError, match=message):
        parse(document)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "deeper",
    [
        lambda document: {"$and": [document]},
        lambda document: {"data.a": {"$elemMatch": {"$all": [{"$elemMatch": document}]}}},
        lambda document: {"data.a": {"$not": document.get("data.a", {"$gt": 5})}},
        lambda document: {"data.a": {"$elemMatch": document.get("data.a", {"$gt": 5})}},
    ],
    ids=["$and", "$all", "$not", "$elemMatch"],
)
def test_depth_is_bounded(deeper: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    document: dict[str, Any] = {"type": "a"}
    for _ in range(300):
        document = deeper(document)

    with pytest.raises(FilterError, match="more than 40 deep"):
        parse(document)


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+05:00", datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5)))]
)
def test_an_instant_beyond_the_calendar_is_refused(value: object) -> None:
    with pytest.raises(
        FilterError, match=r"filter at time\.\$gt: .* is in none of the years 1 to 9999 in UTC"
    ):
        parse({"time": {"$gt": value}})


def test_a_value_that_goes_round_in_circles_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(FilterError, match="more than 50 deep"):
        parse({"data.a": value})


def test_altering_the_document_later_changes_nothing() -> None:
    document = {"data.a": {"$in": [1, [2]]}}
    node = parse(document)
    document["data.a"]["$in"].append(3)

    assert node == In("data.a", (1, [2]))
