"""What every policy record shares: fields checked at the door, JSON out and in again."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from inspect import signature
from typing import Any, ClassVar, Self, SupportsIndex

from evanalytics.durations import Duration, duration_ns, format_duration, parse_duration
from evanalytics.exceptions import DurationError, PolicyError


class Record:
    """A frozen record that goes to JSON and comes back equal.

    Subclasses are frozen dataclasses whose `__init__` checks each value and hands it to
    `_fill`. Durations leave as text ("5s"), nested records as objects. Pickling and copying
    go the same way, so that a record from elsewhere is checked like any other. The `repr` is
    the Python that makes the record again, without what is default.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    def to_json(self) -> str:
        """Return the fields as an indented JSON object."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the record that `to_dict` described; fields left out take their defaults.

        Raises:
            PolicyError: A field is unknown or its value makes no sense; the message names it.
        """
        if not isinstance(document, Mapping):
            raise PolicyError(f"{cls.__name__}: needs an object with its fields, got {document!r}")
        known = [field.name for field in fields(cls)]
        for name in document:
            if name not in known:
                raise PolicyError(f"{cls.__name__}: unknown field {name!r}; it has {', '.join(known)}")
        values = {name: cls._read_field(name, value) for name, value in document.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise PolicyError(f"{cls.__name__}: {error}") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the record that `to_json` described.

        Raises:
            PolicyError: The text is no JSON object, or a field is unknown or wrong.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise PolicyError(f"{cls.__name__}: not JSON: {error}") from error
        return cls.from_dict(document)

    @classmethod
    def _read_field(cls, name: str, value: Any) -> Any:
        """Return a JSON value as the constructor wants it; records with records inside override it."""
        return value

    def _fill(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        defaults = {name: p.default for name, p in signature(type(self)).parameters.items()}
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        shown = [f"{n}={_source(v)}" for n, v in values if _plain(v) != _plain(defaults[n])]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)


def whole_number(value: int, name: str, *, least: int = 1, most: int = 2**53) -> int:
    """Return a whole number after checking it; `name` says which field it is.

    Raises:
        PolicyError: It is no int (a bool is none), or outside `least` to `most`.
    """
    whole = isinstance(value, SupportsIndex) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        bounds = f"of at least {least}" if most >= 2**53 else f"from {least} to {most}"
        raise PolicyError(f"{name}: needs a whole number {bounds}, got {value!r}")
    return operator.index(value)


def number(value: float, name: str, *, least: float, most: float) -> float:
    """Return a number as a float after checking it; `name` says which field it is.

    Raises:
        PolicyError: It is no number, or outside `least` to `most` (both included).
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PolicyError(f"{name}: needs a number from {least:g} to {most:g}, got {value!r}")
    return float(value)


def duration(value: Duration, name: str, *, allow_zero: bool = True, most: str = "366d") -> timedelta:
    """Return a duration, given as text or timedelta, after checking it.

    Raises:
        PolicyError: It cannot be read, is negative or not allowed to be zero, or is longer than `most`.
    """
    try:
        parsed = parse_duration(value, name=name, allow_zero=allow_zero)
    except DurationError as error:
        raise PolicyError(str(error)) from error
    if duration_ns(parsed) > duration_ns(parse_duration(most)):
        raise PolicyError(f"{name}: needs at most {most}, got {value!r}")
    return parsed


def one_of(value: str, name: str, choices: tuple[str, ...]) -> Any:
    """Return a text after checking that it is one of the choices.

    Raises:
        PolicyError: It is none of them.
    """
    if value not in choices:
        raise PolicyError(f"{name}: needs one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _source(value: Any) -> str:
    """Return the Python that stands for a value of a record."""
    if isinstance(value, timedelta):
        return repr(format_duration(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_source, value))}]"
    return repr(value)
