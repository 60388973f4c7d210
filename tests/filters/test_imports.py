"""CloudEvents Subscriptions filters and EventBridge patterns mean what their documentation says."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from evanalytics.event import Event
from evanalytics.exceptions import FilterError
from evanalytics.filters import filter, from_cloudevents, from_eventbridge
from evanalytics.logs.log import EventLog

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(data: Any = None, **attributes: Any) -> Event:
    return Event(
        **{"id": "1", "type": "com.shop.order.created", "source": "/shop/eu", "time": NOON, "data": data}
        | attributes
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"exact": {"type": "com.shop.order.created"}}, True),
        ({"exact": {"type": "com.shop.order.created", "source": "/shop"}}, False),
        ({"prefix": {"type": "com.shop.", "source": "/shop"}}, True),
        ({"prefix": {"type": "com_shop"}}, False),
        ({"suffix": {"type": ".created"}}, True),
        ({"suffix": {"type": "xcreated"}}, False),
        ({"all": [{"prefix": {"type": "com."}}, {"suffix": {"type": ".paid"}}]}, False),
        ({"any": [{"prefix": {"type": "com."}}, {"suffix": {"type": ".paid"}}]}, True),
        ({"not": {"exact": {"source": "/shop/eu"}}}, False),
        ([{"exact": {"region": "eu"}}, {"exact": {"time": "2026-01-01T12:00:00Z"}}], True),
        ({"exact": {"subject": "x"}}, False),
        ({"exact": {"specversion": "1.0"}}, True),
        ({"exact": {"specversion": "0.3"}}, False),
        ({"prefix": {"specversion": "1."}}, True),
        ({"not": {"suffix": {"specversion": ".0"}}}, False),
    ],
)
def test_cloudevents(filters: Any, expected: bool) -> None:
    assert from_cloudevents(filters)(event(extensions={"region": "eu"})) is expected


@pytest.mark.parametrize(
    ("matchers", "value", "expected"),
    [
        (["a", 5], "a", True),
        (["a", 5], 5, True),
        (["a"], ["x", "a"], True),
        ([None], None, True),
        ([""], "", True),
        ([{"prefix": "a.b"}], "a.bc", True),
        ([{"prefix": "a.b"}], "axbc", False),
        ([{"prefix": {"equals-ignore-case": "AB"}}], "abc", True),
        ([{"suffix": ".png"}], "x.png", True),
        ([{"equals-ignore-case": "Alice"}], "ALICE", True),
        ([{"equals-ignore-case": "Alice"}], "ALICES", False),
        ([{"wildcard": "dir/*.png"}], "dir/a/b.png", True),
        ([{"wildcard": "dir/*.png"}], "dir/a/b.jpg", False),
        ([{"wildcard": "a\\*b"}], "a*b", True),
        ([{"wildcard": "a\\*b"}], "axb", False),
        ([{"anything-but": "a"}], "b", True),
        ([{"anything-but": ["a", "b"]}], "b", False),
        ([{"anything-but": [1, 2]}], 3, True),
        ([{"anything-but": {"prefix": "in"}}], "out", True),
        ([{"anything-but": {"prefix": ["in", "out"]}}], "outer", False),
        ([{"anything-but": {"suffix": ".png"}}], "a.png", False),
        ([{"anything-but": {"equals-ignore-case": "A"}}], "a", False),
        ([{"anything-but": {"wildcard": "*x*"}}], "axb", False),
        ([{"anything-but": ["a"]}], ["a", "b"], True),
        ([{"numeric": ["=", 5]}], 5.0, True),
        ([{"numeric": [">", 0, "<=", 5]}], 5, True),
        ([{"numeric": [">", 0, "<=", 5]}], [0, 6], False),
        ([{"numeric": [">", 0, "<=", 5]}], [9, 3], True),
        ([{"numeric": ["<", 10]}], "5", False),
        ([{"exists": True}], 1, True),
        ([{"exists": False}], 1, False),
        ([{"cidr": "10.0.0.0/24"}], "10.0.0.255", True),
        ([{"cidr": "10.0.0.0/24"}], "10.0.1.0", False),
        ([{"cidr": "10.1.128.0/17"}], "10.1.200.7", True),
        ([{"cidr": "0.0.0.0/0"}], "256.1.1.1", False),
        (["x", {"prefix": "a"}], "ab", True),
    ],
)
def test_eventbridge_matchers(matchers: Any, value: Any, expected: bool) -> None:
    assert from_eventbridge({"detail": {"v": matchers}})(event({"v": value})) is expected


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([None], False),
        ([{"exists": False}], True),
        ([{"anything-but": "a"}], False),
        ([{"exists": True}], False),
    ],
)
def test_eventbridge_on_a_field_that_is_not_there(matchers: Any, expected: bool) -> None:
    assert from_eventbridge({"detail": {"v": matchers}})(event({})) is expected


def test_a_dot_in_the_name_of_a_field_is_refused() -> None:
    with pytest.raises(FilterError, match=r"detail\.a\.b: 'a\.b': a field with a dot in its name"):
        from_eventbridge({"detail": {"a.b": [1]}})


def test_eventbridge_envelope_and_or() -> None:
    pattern = {
        "source": [{"prefix": "/shop"}],
        "detail-type": [{"suffix": ".created"}],
        "region": ["eu"],
        "detail": {"$or": [{"total": [{"numeric": [">", 100]}]}, {"customer": {"kind": ["vip"]}}]},
    }
    condition = from_eventbridge(pattern)

    assert condition(event({"total": 5, "customer": {"kind": "vip"}}, extensions={"region": "eu"}))
    assert condition(event({"total": 101}, extensions={"region": "eu"}))
    assert not condition(event({"total": 101}, extensions={"region": "us"}))
    assert not condition(event({"total": 5}, extensions={"region": "eu"}))


def test_an_import_is_a_filter_like_any_other() -> None:
    for imported in (
        from_eventbridge({"detail": {"v": [{"anything-but": ["a"]}, {"numeric": [">", 0, "<", 5]}]}}),
        from_cloudevents({"not": {"prefix": {"type": "a."}}}),
    ):
        assert filter(imported.to_dict()) == imported


def test_over_columns_that_hold_no_arrays_it_needs_no_events() -> None:
    frame = pl.DataFrame(
        {
            "id": ["1", "2", "3"],
            "type": ["t"] * 3,
            "source": ["s"] * 3,
            "time": [NOON] * 3,
            "data__v": ["a", "b", None],
        }
    )
    log = EventLog.from_frame(frame)
    condition = from_eventbridge({"detail": {"v": [{"anything-but": ["a"]}]}})

    assert condition.compile(log.schema).residual is None
    assert log.where(condition).lazy.collect()["id"].to_list() == ["2"]


@pytest.mark.parametrize(
    ("read", "document", "message"),
    [
        (from_cloudevents, {"sql": "type = 'a'"}, "unknown dialect 'sql'"),
        (from_cloudevents, {"exact": {}}, r"filter\.exact: needs attributes"),
        (from_cloudevents, {"exact": {"type": ""}}, "not empty"),
        (from_cloudevents, {"exact": {"type": "a"}, "prefix": {"type": "b"}}, "with one of"),
        (from_cloudevents, {"all": []}, "not empty"),
        (from_cloudevents, [], "not empty"),
        (from_cloudevents, {"prefix": {"time": "2026"}}, "time is an instant"),
        (from_eventbridge, {}, "object of fields"),
        (from_eventbridge, {"source": "a"}, "list that is not empty"),
        (from_eventbridge, {"detail": {"a": [{"nope": 1}]}}, r"detail\.a\[0\]: unknown matcher 'nope'"),
        (from_eventbridge, {"detail": {"a": [{"numeric": [">"]}]}}, "one or two comparisons"),
        (from_eventbridge, {"detail": {"a": [{"numeric": ["~", 1]}]}}, "and a number"),
        (from_eventbridge, {"detail": {"a": [{"cidr": "nope"}]}}, "block such as"),
        (from_eventbridge, {"detail": {"a": [{"cidr": "2001:db8::/32"}]}}, "IPv6"),
        (from_eventbridge, {"detail": {"a": [{"exists": 1}]}}, "true or false"),
        (from_eventbridge, {"detail": {"a": [{"prefix": 5}]}}, "needs text"),
        (from_eventbridge, {"time": [{"prefix": "2026"}]}, "time is an instant"),
    ],
)
def test_refused_at_its_place(read: Any, document: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        read(document)
