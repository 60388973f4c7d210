"""Filters of others read as ours: CloudEvents Subscriptions and Amazon EventBridge patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from evanalytics.exceptions import FilterError
from evanalytics.filters.cidr import cidr_pattern
from evanalytics.filters.filter import Filter
from evanalytics.filters.nodes import (
    ATTRIBUTES,
    EVERYTHING,
    ITSELF,
    NOTHING,
    And,
    Compare,
    ElementMatches,
    Exists,
    In,
    Matches,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
    negation,
)
from evanalytics.filters.regex import Regex, literal_pattern
from evanalytics.filters.values import checked, instant, shown

_DETAIL = {"detail": "data", "detail-type": "type", "id": "id", "source": "source", "time": "time"}
_ORDERS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "=": "$eq"}
_DEEPEST = 40
_SPECVERSION = "1.0"  # of every event: no other is read, and so none keeps it
_OF_CONSTANTS: dict[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
}


def from_cloudevents(filters: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Filter:
    r"""Return the filter that CloudEvents Subscriptions filters mean: `exact prefix suffix all any not`.

    Several filters in a list must all hold. Attributes we have no column for are extensions.
    The dialect `sql` is refused.

    Raises:
        FilterError: It says where, what was found and what would do.

    Example:
        >>> print(from_cloudevents([{"prefix": {"type": "order."}}, {"not": {"exact": {"source": "test"}}}]))
        {"type": {"$regex": "^order\\."}, "source": {"$ne": "test"}}
    """
    if isinstance(filters, Mapping):
        return Filter(_dialect(filters, "filter", 0))
    return Filter(
        conjunction([_dialect(item, f"[{i}]", 0) for i, item in enumerate(_items(filters, "filters"))])
    )


def from_eventbridge(pattern: Mapping[str, Any]) -> Filter:
    """Return the filter that an Amazon EventBridge event pattern means.

    `detail` is our `data`, `detail-type` our `type`; other fields of the envelope (account,
    region) are extensions. Matchers: values, `prefix suffix equals-ignore-case wildcard
    anything-but numeric exists cidr` (IPv4) and `$or`.

    Raises:
        FilterError: It says where, what was found and what would do.

    Example:
        >>> print(from_eventbridge({"detail-type": ["order"], "detail": {"total": [{"numeric": [">", 5]}]}}))
        {"type": "order", "data.total": {"$gt": 5}}
    """
    return Filter(_pattern(pattern, "", "", 0))


def _dialect(item: Any, where: str, depth: int) -> Node:
    if not isinstance(item, Mapping) or len(item) != 1 or depth > _DEEPEST:
        _refuse(where, f"needs an object with one of exact, prefix, suffix, all, any, not; got {shown(item)}")
    ((name, value),) = item.items()
    here = f"{where}.{name}"
    if name in ("all", "any"):
        parts = [_dialect(part, f"{here}[{i}]", depth + 1) for i, part in enumerate(_items(value, here))]
        return conjunction(parts) if name == "all" else disjunction(parts)
    if name == "not":
        return negation(_dialect(value, here, depth + 1))
    if name not in ("exact", "prefix", "suffix"):
        _refuse(where, f"unknown dialect {name!r}; there are exact, prefix, suffix, all, any, not")
    if not isinstance(value, Mapping) or not value:
        _refuse(here, f"needs attributes and their values, got {shown(value)}")
    return conjunction(
        [_attribute(name, attribute, text, f"{here}.{attribute}") for attribute, text in value.items()]
    )


def _attribute(dialect: str, attribute: Any, text: Any, where: str) -> Node:
    if not isinstance(attribute, str) or "." in attribute or not attribute:
        _refuse(where, f"{attribute!r} is no attribute of a CloudEvent")
    if not isinstance(text, str) or not text:
        _refuse(where, f"needs text that is not empty, got {shown(text)}")
    if attribute == "specversion":
        return EVERYTHING if _OF_CONSTANTS[dialect](_SPECVERSION, text) else NOTHING
    path = attribute if attribute in ATTRIBUTES[:5] else f"ext.{attribute}"
    if path == "time":
        if dialect != "exact":
            _refuse(where, "time is an instant; only 'exact' can be asked of it")
        return Compare(path, "$eq", instant(text, where))
    return (
        Compare(path, "$eq", checked(text, where))
        if dialect == "exact"
        else _TEXTS[dialect](path, text, where)
    )


def _pattern(pattern: Any, path: str, where: str, depth: int) -> Node:
    if not isinstance(pattern, Mapping) or not pattern or depth > _DEEPEST:
        _refuse(where or "pattern", f"needs an object of fields, got {shown(pattern)}")
    parts = []
    for key, value in pattern.items():
        here = f"{where}.{key}" if where else str(key)
        if key == "$or":
            branches = [
                _pattern(item, path, f"{here}[{i}]", depth + 1) for i, item in enumerate(_items(value, here))
            ]
            parts.append(disjunction(branches))
        elif isinstance(value, Mapping):
            parts.append(_pattern(value, _field(path, key, here), here, depth + 1))
        else:
            parts.append(_matchers(_field(path, key, here), value, here))
    return conjunction(parts)


def _field(path: str, key: Any, where: str) -> str:
    if not isinstance(key, str) or not key:
        _refuse(where, f"fields are text, got {key!r}")
    if "." in key:
        _refuse(where, f"{key!r}: a field with a dot in its name cannot be told from a path here")
    return f"{path}.{key}" if path else _DETAIL.get(key, f"ext.{key}")


def _matchers(path: str, matchers: Any, where: str) -> Node:
    """Return the node of a list of which one must match."""
    literals: list[Any] = []
    parts: list[Node] = []
    for i, item in enumerate(_items(matchers, where)):
        here = f"{where}[{i}]"
        if isinstance(item, Mapping):
            parts.append(_matcher(path, item, here))
        elif item is None:
            parts.append(And((Compare(path, "$eq", None), Exists(path))))
        elif path == "time":
            literals.append(instant(item, here))
        else:
            literals.append(checked(item, here))
    if literals:
        parts.insert(
            0, Compare(path, "$eq", literals[0]) if len(literals) == 1 else In(path, tuple(literals))
        )
    return disjunction(parts)


def _matcher(path: str, matcher: Mapping[str, Any], where: str) -> Node:
    if len(matcher) != 1:
        _refuse(where, f"needs one matcher, got {shown(dict(matcher))}")
    ((name, value),) = matcher.items()
    here = f"{where}.{name}"
    if path == "time" and name != "exists":
        _refuse(here, "time is an instant; only values and 'exists' can be asked of it")
    if name == "exists":
        if not isinstance(value, bool):
            _refuse(here, f"needs true or false, got {shown(value)}")
        return Exists(path) if value else Not(Exists(path))
    if name == "numeric":
        return _numeric(path, value, here)
    if name == "anything-but":
        return _anything_but(path, value, here)
    if name not in _TEXTS:
        known = ", ".join([*_TEXTS, "numeric", "anything-but", "exists"])
        _refuse(where, f"unknown matcher {name!r}; there are {known}")
    return _text_matcher(name, path, value, here)


def _text_matcher(name: str, path: str, value: Any, where: str) -> Node:
    ignorable = isinstance(value, Mapping) and value.keys() == {"equals-ignore-case"}
    ignoring_case = ignorable and name in ("prefix", "suffix")
    text = value["equals-ignore-case"] if ignoring_case else value
    if not isinstance(text, str):
        _refuse(where, f"needs text, got {shown(value)}")
    node = _TEXTS[name](path, text, where)
    return Matches(path, Regex(node.regex.pattern, "i")) if ignoring_case else node


def _numeric(path: str, value: Any, where: str) -> Node:
    """Return the node of comparisons that one number must meet, also inside an array."""
    if not isinstance(value, list | tuple) or len(value) not in (2, 4):
        _refuse(where, f"needs one or two comparisons such as ['>', 0, '<=', 5], got {shown(value)}")
    parts = []
    for sign, number in zip(value[::2], value[1::2], strict=True):
        if sign not in _ORDERS or isinstance(number, bool) or not isinstance(number, int | float):
            _refuse(where, f"needs {', '.join(_ORDERS)} and a number, got {shown([sign, number])}")
        parts.append((_ORDERS[sign], checked(number, where)))
    if len(parts) == 1:
        return Compare(path, parts[0][0], parts[0][1])  # type: ignore[arg-type]
    return _of_one_value(path, lambda at: conjunction([Compare(at, sign, n) for sign, n in parts]))  # type: ignore[arg-type]


def _anything_but(path: str, value: Any, where: str) -> Node:
    """Return the node of a value that is there and is none of some."""
    if isinstance(value, Mapping):
        if len(value) != 1 or next(iter(value)) not in _TEXTS:
            _refuse(where, f"needs one of {', '.join(_TEXTS)}, got {shown(dict(value))}")
        ((name, inner),) = value.items()
        texts = inner if isinstance(inner, list | tuple) else [inner]
        excluded = [_text_matcher(name, ITSELF, text, f"{where}.{name}") for text in _items(texts, where)]
        return _present(path, lambda at: conjunction([Not(Matches(at, node.regex)) for node in excluded]))  # type: ignore[attr-defined]
    literals = tuple(checked(item, where) for item in (value if isinstance(value, list | tuple) else [value]))
    return _present(path, lambda at: Not(In(at, literals)))


def _present(path: str, condition: Callable[[str], Node]) -> Node:
    """Return the node of a value that is there and meets a condition."""
    return _of_one_value(path, lambda at: condition(at) if at == ITSELF else And((Exists(at), condition(at))))


def _of_one_value(path: str, condition: Callable[[str], Node]) -> Node:
    """Return the node of a condition that one value must meet: the value, or one in an array.

    Where columns say that a path holds no array, the optimizer takes the arrays out again.
    """
    is_array = ElementMatches(path, Exists(ITSELF), of_objects=False)
    alone = condition(path)
    parts = alone.parts if isinstance(alone, And) else (alone,)
    return Or((And((*parts, Not(is_array))), ElementMatches(path, condition(ITSELF), of_objects=False)))


def _found(path: str, pattern: str, where: str, options: str = "") -> Matches:
    try:
        return Matches(path, Regex(checked(pattern, where), options))
    except FilterError as error:
        raise FilterError(f"{where}: {error}") from error


def _wildcard(path: str, text: str, where: str) -> Matches:
    """Return the node of a text with '*' for any characters; a backslash takes '*' and itself literally."""
    parts, position = [], 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and text[position + 1 : position + 2] in ("*", "\\"):
            position += 1
            parts.append(literal_pattern(text[position]))
        else:
            parts.append(".*" if letter == "*" else literal_pattern(letter))
        position += 1
    return _found(path, f"^{''.join(parts)}$", where, "s")


_TEXTS: dict[str, Callable[[str, str, str], Matches]] = {
    "prefix": lambda path, text, where: _found(path, "^" + literal_pattern(text), where),
    "suffix": lambda path, text, where: _found(path, literal_pattern(text) + "$", where),
    "equals-ignore-case": lambda path, text, where: _found(path, f"^{literal_pattern(text)}$", where, "i"),
    "wildcard": _wildcard,
    "cidr": lambda path, text, where: _found(path, cidr_pattern(text, where), where),
}


def _items(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not value:
        _refuse(where, f"needs a list that is not empty, got {shown(value)}")
    return value


def _refuse(where: str, what: str) -> NoReturn:
    raise FilterError(f"{where}: {what}")
