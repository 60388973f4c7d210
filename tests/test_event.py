"""Events: validated, and in and out as CloudEvents JSON."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.event import Event, event_from_dict, events_from_json, events_to_json
from evanalytics.exceptions import EventError

TIME = datetime(2026, 1, 1, tzinfo=UTC)
DOCUMENT = {"specversion": "1.0", "id": "1", "type": "t", "source": "/s", "time": "2026-01-01T00:00:00Z"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.builds(
        Event,
        id=st.text(min_size=1),
        type=st.text(min_size=1),
        source=st.text(min_size=1),
        time=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),
        data=JSON,
        subject=st.none() | st.text(),
    )
)
def test_an_event_survives_json(event: Event) -> None:
    assert Event.from_json(event.to_json()) == event


def test_time_is_kept_in_utc() -> None:
    local = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert Event(id="1", type="t", source="s", time=local).time.isoformat() == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("name", ["id", "type", "source"])
@pytest.mark.parametrize("value", ["", None, 7])
def test_attributes_need_text(name: str, value: object) -> None:
    with pytest.raises(EventError, match=f"{name} needs text that is not empty, got {value!r}"):
        Event(**{"id": "1", "type": "t", "source": "s", "time": TIME, name: value})


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(EventError, match="needs a datetime with a time zone"):
        Event(id="1", type="t", source="s", time=TIME.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "id needs text"),
        ({"specversion": "0.3"}, r"specversion must be '1\.0', got '0\.3'"),
        ({"time": "yesterday"}, "time needs RFC 3339 text"),
        ({"time": "2026-01-01T00:00:00"}, "has no time zone"),
        ({"time": "0001-01-01T00:00:00+05:00"}, "is in none of the years 1 to 9999 in UTC"),
        ({"subject": 3}, "subject needs text, got a number"),
        ({"traceparent": [1]}, "attribute traceparent needs text, an integer or a boolean, got an array"),
        ({"data_base64": "aGk="}, "data_base64"),
    ],
)
def test_wrong_attributes_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(EventError, match=message):
        event_from_dict({**DOCUMENT, **change})


def test_missing_attribute_is_named() -> None:
    with pytest.raises(EventError, match="event '1': type is missing"):
        event_from_dict({k: v for k, v in DOCUMENT.items() if k != "type"})


def test_missing_time_takes_the_time_of_arrival() -> None:
    document = {k: v for k, v in DOCUMENT.items() if k != "time"}

    assert event_from_dict(document, received=TIME).time == TIME


def test_batch_goes_out_and_in() -> None:
    events = [Event(id=str(i), type="t", source="s", time=TIME, data={"i": i}) for i in range(3)]

    assert events_from_json(events_to_json(events)) == events


def test_error_in_a_batch_says_where() -> None:
    text = msgspec.json.encode([DOCUMENT, {**DOCUMENT, "id": ""}])

    with pytest.raises(EventError, match="batch item 1: event '': id needs text"):
        events_from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[1]", "nonsense", b"\xff"])
def test_what_is_no_event_is_refused(text: str | bytes) -> None:
    with pytest.raises(EventError):
        events_from_json(text)


def test_extensions_are_kept() -> None:
    event = event_from_dict({**DOCUMENT, "datacontenttype": "application/json"})

    assert event.to_dict()["datacontenttype"] == "application/json"
