"""The values that filters compare: JSON's, plus instants; their kinds, equality and order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from evanalytics.exceptions import FilterError

MISSING: Final = type("Missing", (), {"__repr__": lambda self: "MISSING", "__slots__": ()})()
"""What a path leads to where there is nothing; compares as null, but does not exist."""

NULL, NUMBER, TEXT, OBJECT, ARRAY, BOOLEAN, INSTANT, OTHER = 5, 10, 15, 20, 25, 40, 45, 99
"""Kinds of values, numbered in MongoDB's order; only values of one kind compare."""

_KINDS: dict[type, int] = {
    type(MISSING): NULL,
    type(None): NULL,
    bool: BOOLEAN,
    int: NUMBER,
    Decimal: NUMBER,
    str: TEXT,
    dict: OBJECT,
    list: ARRAY,
    tuple: ARRAY,
    datetime: INSTANT,
}
_DEEPEST = 50


def kind_of(value: Any) -> int:
    """Return the kind of a value; NaN is null, as in the columns of a log."""
    if value.__class__ is float:
        return NUMBER if value == value else NULL
    kind = _KINDS.get(value.__class__)
    if kind is not None:
        return kind
    if isinstance(value, float):
        return NUMBER if value == value else NULL
    bases = (base for base in _KINDS if isinstance(value, base))
    return OBJECT if isinstance(value, Mapping) else _KINDS.get(next(bases, object), OTHER)


def equal(one: Any, other: Any) -> bool:
    """Return whether two values are the same: kind, numbers exactly, objects in their keys' order."""
    kind = kind_of(one)
    if kind != kind_of(other):
        return False
    if kind == OBJECT:
        return len(one) == len(other) and all(
            key == other_key and equal(value, other_value)
            for (key, value), (other_key, other_value) in zip(one.items(), other.items(), strict=True)
        )
    if kind == ARRAY:
        return len(one) == len(other) and all(map(equal, one, other))
    return kind == NULL or bool(one == other)


def compare(one: Any, other: Any) -> int:
    """Return -1, 0 or 1 as MongoDB sorts two values: by kind, then by value."""
    kind, other_kind = kind_of(one), kind_of(other)
    if kind != other_kind:
        return -1 if kind < other_kind else 1
    if kind == OBJECT:
        return _compare_objects(one, other)
    if kind == ARRAY:
        return _first_difference(one, other)
    if kind in (NULL, OTHER):
        return 0
    return int(one > other) - int(one < other)


def checked(value: Any, where: str, depth: int = 0) -> Any:
    """Return a copy of a value that a filter may hold.

    Raises:
        FilterError: It is NaN, a datetime without zone, text that is no Unicode, nested more
            than 50 deep, or of a type that neither JSON nor filters know.
    """
    if depth > _DEEPEST:
        raise FilterError(f"filter at {where}: a value nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if value != value:
            raise FilterError(f"filter at {where}: NaN is no value of an event (it is null there); use None")
        return value
    if isinstance(value, str):
        return _unicode(value, where)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise FilterError(f"filter at {where}: {value!r} has no time zone; say tzinfo=UTC")
        return _in_utc(value, where)
    if isinstance(value, list | tuple):
        return [checked(item, where, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {_key(k, where): checked(item, where, depth + 1) for k, item in value.items()}
    raise FilterError(
        f"filter at {where}: {value!r} of type {type(value).__name__} is no JSON value; "
        "give text, a number, a boolean, null, a datetime, a list or an object"
    )


def instant(value: Any, where: str) -> datetime:
    """Return an instant given as an aware datetime or as ISO 8601 text (UTC unless it says else).

    Fractions finer than a microsecond are cut off, as in logs.

    Raises:
        FilterError: It is neither.
    """
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError as error:
            raise FilterError(f"filter at {where}: {_not_a_time(value)}") from error
        return _in_utc(time if time.tzinfo else time.replace(tzinfo=UTC), where)
    if isinstance(value, datetime):
        return checked(value, where)  # type: ignore[no-any-return]
    raise FilterError(f"filter at {where}: {_not_a_time(value)}")


def shown(value: Any, most: int = 60) -> str:
    """Return a value as it stands in messages, cut to a length."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _not_a_time(value: Any) -> str:
    return f"needs an instant such as '2026-01-31T10:00:00Z', got {shown(value)}"


def _in_utc(time: datetime, where: str) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        years = "is in none of the years 1 to 9999 in UTC"
        raise FilterError(f"filter at {where}: {time.isoformat()} {years}") from error


def _unicode(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError(f"filter at {where}: {text!a} is no Unicode text ({error.reason})") from error
    return str(text)


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise FilterError(f"filter at {where}: the keys of an object are text, got {key!r}")
    return _unicode(key, where)


def _compare_objects(one: Any, other: Any) -> int:
    for (key, value), (other_key, other_value) in zip(one.items(), other.items(), strict=False):
        kinds = kind_of(value) - kind_of(other_value)
        if kinds:
            return 1 if kinds > 0 else -1
        if key != other_key:
            return 1 if key > other_key else -1
        if order := compare(value, other_value):
            return order
    return (len(one) > len(other)) - (len(one) < len(other))


def _first_difference(one: Any, other: Any) -> int:
    for value, other_value in zip(one, other, strict=False):
        if order := compare(value, other_value):
            return order
    return (len(one) > len(other)) - (len(one) < len(other))
