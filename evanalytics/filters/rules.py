"""The optimizer's rules: each turns a node into one that means the same, or leaves it as it is.

A rule looks at one node, whose parts have been dealt with. What holds only where no array can
be is asked of `is_scalar`: `{"$gt": 1, "$lt": 3}` matches [0, 5].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evanalytics.filters.leaf_tests import value_test
from evanalytics.filters.nodes import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    ElementMatches,
    Everything,
    Exists,
    In,
    Leaf,
    Node,
    Not,
    Nothing,
    Operator,
    Or,
    Size,
    conjunction,
    disjunction,
    negation,
)
from evanalytics.filters.values import NULL, OBJECT, compare, equal, kind_of

IsScalar = Callable[[str], bool]
"""Whether a path never leads to an array or through one."""

Rewrite = Callable[[Node, IsScalar], Node]

_ALWAYS = ("id", "type", "source", "time")
_OPPOSITE: dict[str, Operator] = {"$gt": "$lte", "$gte": "$lt", "$lt": "$gte", "$lte": "$gt"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and its name, as it stands in traces."""

    name: str
    rewrite: Rewrite


def flatten(node: Node, _: IsScalar) -> Node:
    """(a and b) and c: a and b and c."""
    if not isinstance(node, And | Or):
        return node
    kind = And if isinstance(node, And) else Or
    parts = [inner for part in node.parts for inner in (part.parts if isinstance(part, kind) else (part,))]
    return _rebuilt(node, parts)


def dedupe(node: Node, _: IsScalar) -> Node:
    """A and a: a."""
    return _rebuilt(node, list(dict.fromkeys(node.parts))) if isinstance(node, And | Or) else node


def fold_constants(node: Node, _: IsScalar) -> Node:
    """A and nothing: nothing; a and everything: a; nobody is in an empty list."""
    if isinstance(node, Not):
        return negation(node.part)
    if isinstance(node, In) and not node.values:
        return NOTHING
    if isinstance(node, And):
        kept = [part for part in node.parts if not isinstance(part, Everything)]
        return NOTHING if NOTHING in kept else _rebuilt(node, kept)
    if isinstance(node, Or):
        kept = [part for part in node.parts if not isinstance(part, Nothing)]
        return EVERYTHING if EVERYTHING in kept else _rebuilt(node, kept)
    return node


def use_attributes(node: Node, is_scalar: IsScalar) -> Node:
    """What is always there, is text, or holds no array: its impossible conditions are nothing.

    And not below 5 is 5 or above, so that it bounds the time.
    """
    if isinstance(node, Size | ElementMatches) and is_scalar(node.path):
        return NOTHING
    if isinstance(node, Not) and isinstance(node.part, Compare) and node.part.path in _ALWAYS:
        return _turned(node.part) or node
    if not isinstance(node, Leaf) or node.path not in _ALWAYS:
        return node
    if isinstance(node, Exists):
        return EVERYTHING
    if node.path == "time":
        return NOTHING if isinstance(node, Compare) and node.value is None else node
    possible = [v for v in node.values if isinstance(v, str)] if isinstance(node, In) else []
    if isinstance(node, In) and len(possible) < len(node.values):
        return In(node.path, tuple(possible))
    return NOTHING if isinstance(node, Compare) and not isinstance(node.value, str) else node


def push_negation(node: Node, _: IsScalar) -> Node:
    """Not (a or b): not a and not b; not (a and b): not a or not b."""
    if not isinstance(node, Not) or not isinstance(node.part, And | Or):
        return node
    parts = [negation(part) for part in node.part.parts]
    return conjunction(parts) if isinstance(node.part, Or) else disjunction(parts)


def complement(node: Node, _: IsScalar) -> Node:
    """A and not a: nothing; a or not a: everything."""
    if isinstance(node, And | Or):
        there = set(node.parts)
        if any(isinstance(part, Not) and part.part in there for part in node.parts):
            return NOTHING if isinstance(node, And) else EVERYTHING
    return node


def absorb(node: Node, _: IsScalar) -> Node:
    """A and (a or b): a; a or (a and b): a."""
    if not isinstance(node, And | Or):
        return node
    inner = Or if isinstance(node, And) else And
    there = set(node.parts)
    kept = [part for part in node.parts if not (isinstance(part, inner) and there & set(part.parts))]
    return _rebuilt(node, kept)


def merge_sets(node: Node, is_scalar: IsScalar) -> Node:
    """1 or 2: in [1, 2]; not 1 and not 2: not in [1, 2]; in a and in b: in both."""
    if isinstance(node, Or):
        return _merged(node, _set_of, lambda path, sets: In(path, _union(sets)))
    if isinstance(node, And):
        merged = _merged(node, _excluded_set_of, lambda path, sets: Not(In(path, _union(sets))))
        if not isinstance(merged, And):
            return merged
        return _merged(merged, lambda part: _scalar_set_of(part, is_scalar), _in_all)
    if isinstance(node, In):
        values = _union([node.values])
        if len(values) == 1:
            return Compare(node.path, "$eq", values[0])
        return In(node.path, values) if len(values) < len(node.values) else node
    return node


def merge_ranges(node: Node, _: IsScalar) -> Node:
    """Above 1 and above 3: above 3; above 1 or above 3: above 1. Right for arrays as well."""
    if not isinstance(node, And | Or):
        return node
    kept: dict[Any, Node] = {}
    for part in node.parts:
        direction = _direction(part)
        known = kept.get(direction)
        if direction is None:
            kept[part] = part
        elif known is None or _is_tighter(part, known) == isinstance(node, And):
            kept[direction] = part
    return _rebuilt(node, list(kept.values()))


def imply(node: Node, _: IsScalar) -> Node:
    """5 and above 3: 5; in [1, 2] and existing: in [1, 2]."""
    if not isinstance(node, And):
        return node
    certain = [found for part in node.parts if (found := _set_of(part)) is not None]
    kept = [part for part in node.parts if not any(_follows(part, path, values) for path, values in certain)]
    return _rebuilt(node, kept)


def contradict(node: Node, is_scalar: IsScalar) -> Node:
    """5 and above 7, above 5 and below 3, 5 and 6: nothing; only where there are no arrays."""
    if not isinstance(node, And):
        return node
    by_path: dict[str, list[Leaf]] = {}
    for part in node.parts:
        leaf = part.part if isinstance(part, Not) else part
        if isinstance(leaf, Leaf) and is_scalar(leaf.path):
            by_path.setdefault(leaf.path, []).append(part)  # type: ignore[arg-type]
    return NOTHING if any(_is_impossible(parts) for parts in by_path.values()) else node


RULES = (
    Rule("flatten", flatten),
    Rule("dedupe", dedupe),
    Rule("fold constants", fold_constants),
    Rule("use attributes", use_attributes),
    Rule("push negation", push_negation),
    Rule("complement", complement),
    Rule("absorb", absorb),
    Rule("merge sets", merge_sets),
    Rule("merge ranges", merge_ranges),
    Rule("imply", imply),
    Rule("contradict", contradict),
)


def _turned(leaf: Compare) -> Node | None:
    """Return the range that holds where another does not, at a path that always has a value of its kind."""
    wanted = datetime if leaf.path == "time" else str
    if leaf.operator == "$eq" or not isinstance(leaf.value, wanted):
        return None
    return Compare(leaf.path, _OPPOSITE[leaf.operator], leaf.value)


def _rebuilt(node: And | Or, parts: list[Node]) -> Node:
    if len(parts) == len(node.parts) and len(parts) > 1:
        return node
    return conjunction(parts) if isinstance(node, And) else disjunction(parts)


def _merged(
    node: And | Or,
    set_of: Callable[[Node], tuple[str, tuple[Any, ...]] | None],
    join: Callable[[str, list[tuple[Any, ...]]], Node],
) -> Node:
    """Put the parts that are sets on one path together, each where its first one stood."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    order: list[Node | str] = []
    for part in node.parts:
        entry = set_of(part)
        if entry is None:
            order.append(part)
        elif entry[0] in found:
            found[entry[0]].append(entry[1])
        else:
            found[entry[0]] = [entry[1]]
            order.append(entry[0])
    if len(order) == len(node.parts):
        return node
    firsts = {entry[0]: part for part in reversed(node.parts) if (entry := set_of(part)) is not None}
    parts: list[Node] = []
    for item in order:
        if isinstance(item, Node):
            parts.append(item)
        else:
            parts.append(join(item, found[item]) if len(found[item]) > 1 else firsts[item])
    return _rebuilt(node, parts)


def _set_of(node: Node) -> tuple[str, tuple[Any, ...]] | None:
    values = _literals(node)
    return (node.path, values) if isinstance(node, Leaf) and values is not None else None


def _scalar_set_of(node: Node, is_scalar: IsScalar) -> tuple[str, tuple[Any, ...]] | None:
    found = _set_of(node)
    return found if found is not None and is_scalar(found[0]) else None


def _excluded_set_of(node: Node) -> tuple[str, tuple[Any, ...]] | None:
    return _set_of(node.part) if isinstance(node, Not) else None


def _literals(node: Node) -> tuple[Any, ...] | None:
    """Return the values of which a leaf wants one; None if it wants something else."""
    if isinstance(node, In):
        return node.values
    return (node.value,) if isinstance(node, Compare) and node.operator == "$eq" else None


def _union(sets: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    known: dict[Any, Any] = {}
    for value in (value for values in sets for value in values):
        known.setdefault(_identity(value), value)
    return tuple(known.values())


def _identity(value: Any) -> Any:
    """Return what two values have in common exactly if they are equal, and can be a key."""
    scalar = not isinstance(value, list | dict)
    return (kind_of(value), value) if scalar else repr(_numbers_alike(value))


def _numbers_alike(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers_alike(item) for item in value]
    if isinstance(value, dict):
        return {key: _numbers_alike(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _in_all(path: str, sets: list[tuple[Any, ...]]) -> Node:
    first, *others = sets
    return In(path, tuple(v for v in first if all(any(equal(v, w) for w in values) for values in others)))


def _direction(node: Node) -> tuple[str, bool, int] | None:
    """Return path, direction and kind of a range; only ranges that agree in these can be merged."""
    if not isinstance(node, Compare) or node.operator == "$eq" or kind_of(node.value) in (NULL, OBJECT):
        return None
    return node.path, node.operator in ("$gt", "$gte"), kind_of(node.value)


def _is_tighter(node: Node, other: Node) -> bool:
    assert isinstance(node, Compare)
    assert isinstance(other, Compare)
    order = compare(node.value, other.value)
    if order == 0:
        return len(node.operator) < len(other.operator)  # $gt is tighter than $gte
    return (order > 0) == (node.operator in ("$gt", "$gte"))


def _follows(part: Node, path: str, values: tuple[Any, ...]) -> bool:
    """Return whether a condition holds for sure where a path has one of some values.

    Null may stand for nothing at all, so nothing follows from it.
    """
    if not isinstance(part, Leaf) or part.path != path or _literals(part) is not None or not values:
        return False
    if isinstance(part, Size | ElementMatches):
        return False
    test = value_test(part)
    return all(not isinstance(value, list | dict) and value is not None and test(value) for value in values)


def _is_impossible(parts: list[Any]) -> bool:
    """Return whether no scalar can meet all of some leaves and negated leaves on one path."""
    wanted = [values for part in parts if (values := _literals(part)) is not None]
    if wanted:
        return not any(all(_may_be(value, part) for part in parts) for value in wanted[0])
    ranges = [part for part in parts if _direction(part) is not None]
    if len({kind_of(part.value) for part in ranges}) > 1:
        return True
    lows = [part for part in ranges if part.operator in ("$gt", "$gte")]
    highs = [part for part in ranges if part.operator in ("$lt", "$lte")]
    return any(_is_empty(low, high) for low in lows for high in highs)


def _may_be(value: Any, part: Any) -> bool:
    """Return whether a path that has (or, for null, may lack) this value can meet a condition."""
    wanted = not isinstance(part, Not)
    leaf: Any = part if wanted else part.part
    if isinstance(leaf, Exists) and value is None:
        return True
    return bool(value_test(leaf)(value)) == wanted


def _is_empty(low: Compare, high: Compare) -> bool:
    order = compare(low.value, high.value)
    return order > 0 or (order == 0 and not (low.operator == "$gte" and high.operator == "$lte"))
