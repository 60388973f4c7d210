"""Nodes as filter documents again: what `parse` reads back as the same node."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from evanalytics.event import format_time
from evanalytics.filters.nodes import (
    And,
    Compare,
    ElementMatches,
    Everything,
    Exists,
    In,
    Leaf,
    Matches,
    Mod,
    Node,
    Not,
    Nothing,
    Or,
    Size,
    negation,
)

_ITEMS = (Compare, Matches, ElementMatches)
"""What `$all` can hold; of comparisons only `$eq`, and it has one key otherwise."""


def document_of(node: Node) -> dict[str, Any]:
    """Return the document of a node, made of JSON values only.

    Example:
        >>> document_of(And((Compare("type", "$eq", "paid"), Not(In("data.n", (1, 2))))))
        {'type': 'paid', 'data.n': {'$nin': [1, 2]}}
    """
    if isinstance(node, Everything):
        return {}
    if isinstance(node, Nothing):
        return {"$nor": [{}]}
    if isinstance(node, And):
        parts = [document_of(part) for part in node.parts]
        return _on_one_path(node) or _merged(parts) or {"$and": parts}
    if isinstance(node, Or):
        return {"$or": [document_of(part) for part in node.parts]}
    if isinstance(node, Not) and not isinstance(node.part, Leaf):
        inner = node.part
        return {"$nor": [document_of(part) for part in (inner.parts if isinstance(inner, Or) else (inner,))]}
    leaf = node.part if isinstance(node, Not) else node
    assert isinstance(leaf, Leaf)
    operators = _negated(leaf) if isinstance(node, Not) else _operators(leaf)
    return {leaf.path: _short(operators)}


def _on_one_path(node: And) -> dict[str, Any] | None:
    """Return `{path: {operator: value, ...}}` where all parts are operators on one path."""
    merged: dict[str, Any] = {}
    paths = set()
    for part in node.parts:
        leaf = part.part if isinstance(part, Not) else part
        if not isinstance(leaf, Leaf):
            return None
        operators = _negated(leaf) if isinstance(part, Not) else _operators(leaf)
        if merged.keys() & operators.keys():
            return None
        merged |= operators
        paths.add(leaf.path)
    return {paths.pop(): merged} if len(paths) == 1 else None


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return one document that says what several say, unless two have a key in common."""
    merged: dict[str, Any] = {}
    for part in parts:
        if not part or merged.keys() & part.keys() or len(part) > 1:
            return None
        merged |= part
    return merged


def _operators(leaf: Leaf) -> dict[str, Any]:
    match leaf:
        case Compare():
            return {leaf.operator: _plain(leaf.value)}
        case In():
            return {"$in": _plain(leaf.values)}
        case Exists():
            return {"$exists": True}
        case Matches():
            options = {"$options": leaf.regex.options} if leaf.regex.options else {}
            return {"$regex": leaf.regex.pattern, **options}
        case Size():
            return {"$size": leaf.size}
        case Mod():
            return {"$mod": [leaf.divisor, leaf.remainder]}
        case ElementMatches(of_objects=True):
            return {"$elemMatch": document_of(leaf.condition)}
        case ElementMatches():
            return {"$elemMatch": _of_element(leaf.condition)}
    raise AssertionError(leaf)


def _negated(leaf: Leaf) -> dict[str, Any]:
    match leaf:
        case Compare(operator="$eq"):
            return {"$ne": _plain(leaf.value)}
        case In():
            return {"$nin": _plain(leaf.values)}
        case Exists():
            return {"$exists": False}
    return {"$not": _operators(leaf)}


def _of_element(condition: Node) -> dict[str, Any]:
    """Return the operators of a condition on an element itself."""
    if isinstance(condition, And) and all(isinstance(part, _ITEMS) for part in condition.parts):
        keys = [key for part in condition.parts for key in _element_operators(part)]
        if len(set(keys)) < len(keys):
            return _element_operators(condition)
    merged: dict[str, Any] = {}
    for part in condition.parts if isinstance(condition, And) else (condition,):
        operators = _element_operators(part)
        if merged.keys() & operators.keys():
            operators = {"$not": _of_element(negation(part))}
        merged |= operators
    return merged


def _element_operators(part: Node) -> dict[str, Any]:
    match part:
        case Everything() | Nothing():
            return {"$nin" if isinstance(part, Everything) else "$in": []}
        case Leaf():
            return _operators(part)
        case Not(part=Leaf() as leaf):
            return _negated(leaf)
        case Or():
            return {"$in": _choices(part)}
        case Not(part=Or() as choice):
            return {"$nin": _choices(choice)}
        case Not():
            return {"$not": _of_element(part.part)}
        case And():
            return {"$all": [_item(leaf) for leaf in part.parts]}
    raise AssertionError(part)


def _choices(choice: Or) -> list[Any]:
    parts = ([_plain(v) for v in p.values] if isinstance(p, In) else [_item(p)] for p in choice.parts)
    return [item for part in parts for item in part]


def _item(leaf: Node) -> Any:
    """Return a leaf as it stands among the values of `$in` and `$all`."""
    if isinstance(leaf, Matches):
        return {"$regularExpression": {"pattern": leaf.regex.pattern, "options": leaf.regex.options}}
    assert isinstance(leaf, Compare | ElementMatches)
    return _plain(leaf.value) if isinstance(leaf, Compare) else _operators(leaf)


def _short(operators: dict[str, Any]) -> Any:
    """Return `{"$eq": 5}` as 5, where no literal could be taken for operators."""
    value = operators.get("$eq", operators)
    return operators if isinstance(value, dict) else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$date": format_time(value)}
    if isinstance(value, float) and math.isinf(value):
        return {"$numberDouble": "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
