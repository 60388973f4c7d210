"""Filter documents in MongoDB's style, read into nodes; every error says at which key."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from evanalytics.exceptions import FilterError
from evanalytics.filters.nodes import (
    ATTRIBUTES,
    ITSELF,
    NOTHING,
    Compare,
    ElementMatches,
    Exists,
    In,
    Matches,
    Mod,
    Node,
    Size,
    conjunction,
    disjunction,
    negation,
)
from evanalytics.filters.regex import Regex
from evanalytics.filters.values import checked, instant, shown

LOGICAL = ("$and", "$or", "$nor")
_DEEPEST = 40
_TEXT = ("id", "type", "source", "subject")
_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x"}
_LARGEST_INTEGER = 2**63 - 1


def parse(document: Mapping[str, Any], *, within: str | None = None) -> Node:
    """Return the node that a filter document means.

    Args:
        document: Such as `{"type": "order.created", "data.total": {"$gt": 100}}`.
        within: Put before each path: with "data" a document speaks of the payload alone.

    Raises:
        FilterError: It says at which key, what was found and what would do.
    """
    prefix = "" if within is None else f"{within}."
    if within is not None:
        _check_path(within, "within")
    return _Scope(prefix, is_event=True).document(document, "", 0)


class _Scope:
    """Reads documents about one thing: an event, or the element of an array."""

    def __init__(self, prefix: str, *, is_event: bool) -> None:
        self._prefix = prefix
        self._is_event = is_event

    def document(self, document: Any, where: str, depth: int) -> Node:
        """Read a document: all its keys must hold."""
        if not isinstance(document, Mapping):
            _refuse(where, f"a filter is an object of conditions, got {shown(document)}")
        if depth > _DEEPEST:
            _refuse(where, f"nested more than {_DEEPEST} deep")
        return conjunction([self._entry(key, value, where, depth) for key, value in document.items()])

    def condition(self, path: str, value: Any, where: str, depth: int) -> Node:
        """Read what a path must be: a literal, a regular expression, or an object of operators."""
        if _is_regex(value):
            return self._matches(path, value, where)
        if not _has_operators(value, where):
            return Compare(path, "$eq", self._literal(path, value, where))
        if depth > _DEEPEST:
            _refuse(where, f"nested more than {_DEEPEST} deep")
        return conjunction(self._operators(path, value, where, depth))

    def _entry(self, key: Any, value: Any, where: str, depth: int) -> Node:
        if not isinstance(key, str):
            _refuse(where, f"keys are paths or operators, got {key!r}")
        here = _below(where, key)
        if key in LOGICAL:
            parts = self._documents(value, here, depth)
            if key == "$and":
                return conjunction(parts)
            return disjunction(parts) if key == "$or" else negation(disjunction(parts))
        if key.startswith("$"):
            hint = "; at the top use $nor" if key == "$not" else f"; here stand paths, {', '.join(LOGICAL)}"
            _refuse(here, f"unknown operator {key}{hint}")
        path = self._prefix + key
        if self._is_event:
            _check_path(path, here)
        else:
            _check_parts(path, here)
        return self.condition(path, value, here, depth)

    def _documents(self, value: Any, where: str, depth: int) -> list[Node]:
        if not isinstance(value, list | tuple) or not value:
            _refuse(where, f"needs a list of at least one filter, got {shown(value)}")
        return [self.document(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]

    def _operators(self, path: str, operators: Mapping[str, Any], where: str, depth: int) -> list[Node]:
        parts = []
        for name, value in operators.items():
            here = _below(where, name)
            if name == "$options":
                if "$regex" not in operators:
                    _refuse(here, "$options goes with a $regex")
            elif name == "$regex":
                parts.append(self._matches(path, value, here, operators.get("$options")))
            elif name in _NESTING:
                parts.append(_NESTING[name](self, path, value, here, depth + 1))
            elif name in _SIMPLE:
                parts.append(_SIMPLE[name](self, path, value, here))
            else:
                near = difflib.get_close_matches(name, OPERATORS, n=1)
                _refuse(here, f"unknown operator {name}; {_hint(near, OPERATORS)}")
        return parts

    def _literal(self, path: str, value: Any, where: str) -> Any:
        if path == "time" and self._is_event:
            return None if value is None else instant(_undressed(value, where), where)
        return checked(_undressed(value, where), where)

    def _compare(self, path: str, value: Any, where: str) -> Node:
        operator: Any = where.rpartition(".")[2]
        if _is_regex(value):
            _refuse(where, f"{operator} compares with a value; a regular expression goes with $regex")
        return Compare(path, operator, self._literal(path, value, where))

    def _not_equal(self, path: str, value: Any, where: str) -> Node:
        if _is_regex(value):
            _refuse(where, "$ne needs a value; for a regular expression use $not")
        return negation(Compare(path, "$eq", self._literal(path, value, where)))

    def _in(self, path: str, value: Any, where: str) -> Node:
        name = where.rpartition(".")[2]
        if not isinstance(value, list | tuple | set | frozenset):
            _refuse(where, f"{name} needs a list of values, got {shown(value)}")
        items = list(enumerate(sorted(value, key=repr) if isinstance(value, set | frozenset) else value))
        for i, item in items:
            if not _is_regex(item) and _has_operators(item, f"{where}[{i}]"):
                _refuse(f"{where}[{i}]", f"{name} holds values, no operators, got {shown(item)}; use $or")
        values = [self._literal(path, item, f"{where}[{i}]") for i, item in items if not _is_regex(item)]
        found: list[Node] = [
            self._matches(path, item, f"{where}[{i}]") for i, item in items if _is_regex(item)
        ]
        return disjunction([*([In(path, tuple(values))] if values else []), *found]) if items else NOTHING

    def _not_in(self, path: str, value: Any, where: str) -> Node:
        return negation(self._in(path, value, where))

    def _exists(self, path: str, value: Any, where: str) -> Node:
        if value is not None and not isinstance(value, bool | int | float):
            _refuse(where, f"$exists needs true or false, got {shown(value)}")
        return Exists(path) if value else negation(Exists(path))

    def _size(self, path: str, value: Any, where: str) -> Node:
        size = _whole(value)
        if size is None or size < 0 or size != value:
            _refuse(where, f"$size needs a whole number from 0, got {shown(value)}")
        return Size(path, size)

    def _mod(self, path: str, value: Any, where: str) -> Node:
        if not isinstance(value, list | tuple) or len(value) != 2:
            _refuse(where, f"$mod needs [divisor, remainder], got {shown(value)}")
        divisor, remainder = (_whole(number) for number in value)
        if not divisor or remainder is None:
            _refuse(where, f"$mod needs two numbers, the divisor not 0, got {shown(value)}")
        return Mod(path, divisor, remainder)

    def _all(self, path: str, value: Any, where: str, depth: int) -> Node:
        if not isinstance(value, list | tuple):
            _refuse(where, f"$all needs a list of values, got {shown(value)}")
        if not value:
            return NOTHING
        nested = [isinstance(item, Mapping) and "$elemMatch" in item for item in value]
        if any(nested) and not all(nested):
            _refuse(where, "$all needs values, or $elemMatch in every place")
        parts = []
        for i, item in enumerate(value):
            here = f"{where}[{i}]"
            if not any(nested) and not _is_regex(item) and _has_operators(item, here):
                _refuse(here, "$all holds values, no operators but $elemMatch")
            parts.append(self.condition(path, item, here, depth))
        return conjunction(parts)

    def _not(self, path: str, value: Any, where: str, depth: int) -> Node:
        if not _is_regex(value) and not (value and _has_operators(value, where)):
            _refuse(where, f"$not needs operators such as {{'$gt': 5}}, got {shown(value)}; or use $ne")
        return negation(self.condition(path, value, where, depth))

    def _elements(self, path: str, value: Any, where: str, depth: int) -> Node:
        if not isinstance(value, Mapping):
            _refuse(where, f"$elemMatch needs an object of conditions, got {shown(value)}")
        inner = _Scope("", is_event=False)
        first = next(iter(value), "")
        if isinstance(first, str) and first.startswith("$") and first not in LOGICAL:
            return ElementMatches(path, inner.condition(ITSELF, value, where, depth), of_objects=False)
        return ElementMatches(path, inner.document(value, where, depth), of_objects=True)

    def _matches(self, path: str, pattern: Any, where: str, options: Any = None) -> Node:
        if path == "time" and self._is_event:
            _refuse(where, "time is an instant, not text; compare it with $gte and $lt")
        if _is_regex(pattern):
            pattern, own = _undressed_regex(pattern)
            if own and options is not None:
                _refuse(where, f"options stand in the expression, {own!r}, and in $options; give them once")
            options = options or own
        if not isinstance(pattern, str) or not isinstance(options, str | None):
            _refuse(where, f"$regex and $options need text, got {shown(pattern)}, {shown(options)}")
        try:
            return Matches(path, Regex(checked(pattern, where), options or ""))
        except FilterError as error:
            raise FilterError(
                f"filter at {where}: {str(error).removeprefix(f'filter at {where}: ')}"
            ) from error


_SIMPLE: dict[str, Callable[[_Scope, str, Any, str], Node]] = {
    "$eq": _Scope._compare,
    "$gt": _Scope._compare,
    "$gte": _Scope._compare,
    "$lt": _Scope._compare,
    "$lte": _Scope._compare,
    "$ne": _Scope._not_equal,
    "$in": _Scope._in,
    "$nin": _Scope._not_in,
    "$exists": _Scope._exists,
    "$size": _Scope._size,
    "$mod": _Scope._mod,
}
_NESTING: dict[str, Callable[[_Scope, str, Any, str, int], Node]] = {
    "$all": _Scope._all,
    "$not": _Scope._not,
    "$elemMatch": _Scope._elements,
}
OPERATORS = (*_SIMPLE, *_NESTING, "$regex", "$options")
"""What may stand in the place of a value."""


def _is_regex(value: Any) -> bool:
    """Return whether a value is a regular expression: Python's, or one of MongoDB's Extended JSON."""
    if isinstance(value, re.Pattern):
        return True
    extended = isinstance(value, Mapping) and value.keys() == {"$regularExpression"}
    return extended and isinstance(value["$regularExpression"], Mapping)


def _undressed_regex(value: Any) -> tuple[Any, Any]:
    """Return the pattern of a regular expression, and its options."""
    if isinstance(value, re.Pattern):
        return value.pattern, "".join(letter for flag, letter in _FLAGS.items() if value.flags & flag)
    inner = value["$regularExpression"]
    return inner.get("pattern"), inner.get("options")


def _has_operators(value: Any, where: str) -> bool:
    """Return whether a value is an object of operators and no literal."""
    if not isinstance(value, Mapping) or not value:
        return False
    operators = [isinstance(key, str) and key.startswith("$") for key in value]
    if any(operators) and not all(operators):
        _refuse(where, f"an object has either operators or fields, got {shown(dict(value))}")
    return all(operators) and not value.keys() <= {"$date", "$numberDouble"}


def _undressed(value: Any, where: str) -> Any:
    """Return what MongoDB's Extended JSON means by `$date` and `$numberDouble`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((name, inner),) = value.items()
    if name == "$date":
        return inner if isinstance(inner, datetime) else instant(inner, where)
    if name == "$numberDouble":
        if inner not in ("Infinity", "-Infinity"):
            _refuse(where, f"$numberDouble needs 'Infinity' or '-Infinity', got {shown(inner)}")
        return math.copysign(math.inf, -1 if inner.startswith("-") else 1)
    return value


def _check_path(path: str, where: str) -> None:
    root, *keys = path.split(".")
    if root not in ATTRIBUTES:
        near = difflib.get_close_matches(root, ATTRIBUTES, n=1, cutoff=0.7)
        hint = f"did you mean {near[0]!r}?" if near else f"for a field of the payload write 'data.{path}'"
        _refuse(where, f"an event has {', '.join(ATTRIBUTES)}, but no {root!r}; {hint}")
    _check_parts(path, where)
    if keys and root in (*_TEXT, "time"):
        _refuse(where, f"{root} has no fields, so there is no {path!r}")


def _check_parts(path: str, where: str) -> None:
    parts = path.split(".")
    if "" in parts:
        _refuse(where, f"the path {path!r} has an empty part")
    if len(parts) > _DEEPEST:
        _refuse(where, f"a path of {len(parts)} parts; at most {_DEEPEST}")
    try:
        path.encode()
    except UnicodeEncodeError:
        _refuse(where, f"the path {path!a} is no Unicode text")


def _whole(value: Any) -> int | None:
    """Return a number with its fraction cut off, if it is one that 64 bits hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER else None


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _hint(near: list[str], known: tuple[str, ...]) -> str:
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _refuse(where: str, what: str) -> NoReturn:
    place = where if where.isprintable() else ascii(where)[1:-1]
    raise FilterError(f"filter at {place}: {what}" if where else f"filter: {what}")
