from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.event import Event
from evanalytics.exceptions import EventError
from evanalytics.service.rows import Row, events_of_rows, frame_of_events, frame_of_log, gathered, same_event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)
EVENTS = st.builds(
    Event,
    id=TEXTS.filter(bool),
    type=TEXTS.filter(bool),
    source=TEXTS.filter(bool),
    time=st.datetimes(timezones=st.just(UTC)),
    data=VALUES,
    subject=st.none() | TEXTS,
    extensions=st.dictionaries(st.text("abc", min_size=1), TEXTS | st.booleans() | st.integers(0, 9)),
)


def event(**attributes: Any) -> Event:
    return Event(**{"id": "1", "type": "order", "source": "shop", "time": NOON} | attributes)


def row(**attributes: Any) -> Row:
    return frame_of_events([event(**attributes)]).row(0)


@given(st.lists(EVENTS, max_size=5))
def test_events_come_back_as_they_went_in(events: list[Event]) -> None:
    assert events_of_rows(frame_of_events(events).iter_rows()) == events


def test_nan_becomes_null() -> None:
    (back,) = events_of_rows([row(data={"x": float("nan")})])

    assert back.data == {"x": None}


def test_a_payload_that_is_no_json_is_refused_by_id() -> None:
    with pytest.raises(EventError, match="event '1': data is not JSON"):
        frame_of_events([event(data={"x": object()})])


def test_a_payload_with_half_a_character_is_refused() -> None:
    with pytest.raises(EventError, match="event '1': data is not JSON"):
        frame_of_events([event(data="\ud800")])


def test_an_id_with_half_a_character_is_refused() -> None:
    with pytest.raises(EventError, match="cannot be written in UTF-8"):
        frame_of_events([event(id="\ud800")])


def test_a_log_batch_keeps_its_text_its_subject_and_its_extensions() -> None:
    batch = pl.DataFrame(
        {
            "seq": [0, 1],
            "id": ["1", "2"],
            "type": ["order", "order"],
            "source": ["shop", "shop"],
            "time": [NOON, NOON],
            "ts": [0, 1],
            "subject": ["s", None],
            "ext__trace": ["t", None],
            "ext__hops": [1, None],
            "data": ['{ "x": 1 }', None],
        }
    )

    assert frame_of_log(batch)["data"].to_list() == ['{ "x": 1 }', None]
    assert events_of_rows(frame_of_log(batch).iter_rows()) == [
        event(
            time=datetime(1970, 1, 1, tzinfo=UTC),
            subject="s",
            extensions={"trace": "t", "hops": 1},
            data={"x": 1},
        ),
        event(id="2", time=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)),
    ]


def test_spelling_makes_no_other_event() -> None:
    one = (*row(data=None)[:5], '{"a": 1, "b": [true]}', None)
    other = (*row(data=None)[:5], '{"b":[true],"a":1}', None)

    assert same_event(one, other)


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "payment"},
        {"source": "till"},
        {"time": NOON + timedelta(microseconds=1)},
        {"subject": "s"},
        {"data": {"x": True}},
        {"data": None},
        {"extensions": {"trace": "t"}},
    ],
    ids=str,
)
def test_another_value_makes_another_event(changed: dict[str, Any]) -> None:
    assert not same_event(row(data={"x": 1}), row(**{"data": {"x": 1}} | changed))


def test_small_frames_are_gathered_up_to_two_row_groups() -> None:
    frames = [pl.DataFrame({"seq": range(61_440)})] * 9

    assert [frame.height for frame in gathered(frames)] == [245_760, 245_760, 61_440]


def test_frames_of_long_payloads_are_gathered_up_to_a_size() -> None:
    frames = [pl.DataFrame({"data": ["x" * 2**20] * 50})] * 4

    assert [frame.height for frame in gathered(frames)] == [150, 50]
