"""Nasty text as value, type, field name and pattern: no engine stumbles, no wrong row."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from evanalytics.event import Event
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.imports import from_cloudevents
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import TIME, by_duckdb, by_polars, by_predicate, log_of
from tests.filters.naughty import naughty_strings

TEXTS = naughty_strings()
AT_ONCE = 100


def _is_readable(name: str) -> bool:
    """Return whether the reader can take a field's name: polars takes `*` and `^...$` for patterns."""
    return bool(name) and name != "*" and not (name.startswith("^") and name.endswith("$"))


NAMES = [t for t in TEXTS if _is_readable(t) and not t.startswith("$") and not set(".\x00") & set(t)][::2]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Each string as a value and, where events allow it, as type and source."""
    return [
        Event(id=f"e{i}", type=text or "x", source=text or "x", time=TIME, data={"text": text, "n": i})
        for i, text in enumerate(TEXTS)
    ]


@pytest.fixture(scope="module")
def log(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    return log_of(events, tmp_path_factory.mktemp("naughty"))


def agree(condition: Filter, log: EventLog, events: list[Event]) -> list[int]:
    found = by_predicate(condition, events, optimized=False)
    assert by_polars(condition, log) == found, condition
    assert by_duckdb(condition, log, events) == found, condition
    return found


def found_by_all(conditions: Sequence[Filter], log: EventLog, events: list[Event]) -> list[list[int]]:
    """Return what each condition finds, of which all engines say the same; many to a query, for speed."""
    found = [by_predicate(condition, events) for condition in conditions]
    for first in range(0, len(conditions), AT_ONCE):
        some = range(first, min(first + AT_ONCE, len(conditions)))
        splits = [conditions[i].compile(log.schema) for i in some]
        columns = [
            split.expression.alias(f"c{i}")
            for i, split in zip(some, splits, strict=True)
            if split.expression is not None
        ]
        assert len(columns) == len(some)
        assert all(split.residual is None for split in splits)
        for answer in (
            log.frame("polars").select("seq", *columns).to_native().collect(),
            log.frame("duckdb").select("seq", *columns).to_native().pl(),
        ):
            for i in some:
                assert sorted(answer.filter(f"c{i}")["seq"].to_list()) == found[i], conditions[i]
    return found


def test_there_are_as_many_as_in_the_well_known_list() -> None:
    assert len(TEXTS) >= 515
    assert len(NAMES) >= 515


def test_each_as_a_value_finds_itself_alone(log: EventLog, events: list[Event]) -> None:
    conditions = [filter({"data.text": text}) for text in TEXTS]

    assert found_by_all(conditions, log, events) == [[i] for i in range(len(TEXTS))]
    assert [Filter.from_json(condition.to_json()) for condition in conditions] == conditions


def test_each_as_type_and_source_finds_itself_alone(log: EventLog, events: list[Event]) -> None:
    numbers = [i for i, text in enumerate(TEXTS) if text not in ("", "x")]
    conditions = [filter({"type": TEXTS[i], "source": {"$in": [TEXTS[i], "none"]}}) for i in numbers]

    assert found_by_all(conditions, log, events) == [[i] for i in numbers]


def test_each_in_ranges_and_negations_parts_the_log(log: EventLog, events: list[Event]) -> None:
    some = TEXTS[::3]
    below = found_by_all([filter({"data.text": {"$lt": text}}) for text in some], log, events)
    above = found_by_all([filter({"data.text": {"$gte": text}}) for text in some], log, events)
    others = found_by_all([filter({"data.text": {"$ne": text}}) for text in some], log, events)

    for number, text in enumerate(some):
        assert below[number] == [i for i, other in enumerate(TEXTS) if other.encode() < text.encode()]
        assert sorted(below[number] + above[number]) == list(range(len(TEXTS)))
        assert others[number] == [i for i, other in enumerate(TEXTS) if other != text]


def test_each_as_a_prefix_finds_what_begins_with_it(log: EventLog, events: list[Event]) -> None:
    some = [text for text in TEXTS if text][::2]
    found = found_by_all([from_cloudevents({"prefix": {"type": text}}) for text in some], log, events)

    assert found == [[i for i, other in enumerate(TEXTS) if (other or "x").startswith(text)] for text in some]


def test_some_through_the_whole_of_a_log(log: EventLog, events: list[Event]) -> None:
    for i, text in list(enumerate(TEXTS))[::40]:
        assert agree(filter({"data.text": text, "data.n": {"$gte": 0}}), log, events) == [i]
        assert len(agree(filter({"data.text": {"$nin": TEXTS[i : i + 20]}}), log, events)) == len(
            TEXTS
        ) - len(TEXTS[i : i + 20])


def test_each_as_the_name_of_a_field(tmp_path: Path) -> None:
    events = [
        Event(id=f"e{i}", type="t", source="s", time=TIME, data={name: i, "other": 1})
        for i, name in enumerate(NAMES)
    ]
    log = log_of(events, tmp_path)

    for i, name in enumerate(NAMES):
        assert by_predicate(filter({f"data.{name}": i}), events) == [i], name
    for name in NAMES[::40]:
        agree(filter({f"data.{name}": {"$gte": 0}}), log, events)


@pytest.mark.parametrize("block", range(3))
def test_a_hundred_as_names_of_columns(tmp_path: Path, block: int) -> None:
    names = NAMES[block :: len(NAMES) // 100][:100]
    events = [
        Event(id=f"e{i}", type="t", source="s", time=TIME, data={name: i}) for i, name in enumerate(names)
    ]
    log = log_of(events, tmp_path)

    assert {f"data__{name}" for name in names} <= dict(log.schema.columns).keys()
    conditions = [filter({f"data.{name}": i}) for i, name in enumerate(names)]
    assert found_by_all(conditions, log, events) == [[i] for i in range(len(names))]
