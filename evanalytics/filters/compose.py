"""Filters as a list of conditions that a form can show: put together, and taken apart again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.nodes import (
    And,
    Compare,
    Everything,
    Exists,
    In,
    Matches,
    Node,
    Not,
    Or,
    conjunction,
    disjunction,
)
from evanalytics.filters.regex import literal_pattern
from evanalytics.logs.schema import TIME

Joined = Literal["all", "any"]
"""Whether all conditions must hold, or any."""

How = Literal[
    "one of", "between", "above", "below", "is", "contains", "starts with", "ends with", "matches",
    "exists", "missing",
]  # fmt: skip
"""What a condition asks of its path."""

HOWS: dict[str, tuple[How, ...]] = {
    "choice": ("one of", "exists", "missing"),
    "number": ("between", "above", "below", "is", "exists", "missing"),
    "text": ("contains", "starts with", "ends with", "is", "matches", "exists", "missing"),
    "instant": ("between",),
    "json": ("is", "exists", "missing"),
}
"""What can be asked of each kind of facet."""

_LARGEST = sys.float_info.max  # sliders stand at doubles
_FIXED: dict[str, How] = {"is": "is", "starts": "starts with", "ends": "ends with", "has": "contains"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One row of a form.

    Attributes:
        path: Such as "type" or "data.total".
        how: What is asked of it.
        value: For "one of" a tuple; for "between" (lowest, highest), both included, None where
            a side is open (of `time` the end is excluded); for "exists" and "missing" None.
        negated: Whether it must not hold.
    """

    path: str
    how: How
    value: Any = None
    negated: bool = False


def compose(conditions: Sequence[Condition], joined: Joined = "all") -> Filter:
    """Return the filter that some conditions mean; without any, every event matches.

    Raises:
        FilterError: A value is none that a filter can hold, or a pattern cannot be read.

    Example:
        >>> total = Condition(path="data.total", how="between", value=(10, None))
        >>> print(compose([Condition(path="type", how="is", value="paid"), total]))
        {"type": "paid", "data.total": {"$gte": 10}}
    """
    parts = [_node(condition) for condition in conditions]
    return Filter(disjunction(parts) if joined == "any" and parts else conjunction(parts))


def decompose(condition: Filter) -> tuple[list[Condition], Joined] | None:
    """Return the conditions of which `compose` makes this filter; None if it says more than such."""
    node = condition.node
    if isinstance(node, Everything):
        return [], "all"
    if (single := _condition(node)) is not None:
        return [single], "all"
    if not isinstance(node, And | Or):
        return None
    parts = [_condition(part) for part in node.parts]
    known = [part for part in parts if part is not None]
    joined: Joined = "all" if isinstance(node, And) else "any"
    return (known, joined) if len(known) == len(parts) else None


def fitted(condition: Condition, kind: str, dtype: str) -> Condition | None:
    """Return a condition as a row for a kind of facet can show it; None if none can.

    Args:
        condition: What to show.
        kind: Of the facet, from `facets`.
        dtype: Of the facet's column, from `facets`.
    """
    if kind == "choice" and condition.how == "is":
        condition = replace(condition, how="one of", value=(condition.value,))
    if kind in ("text", "number", "json") and condition.how == "one of" and len(condition.value) == 1:
        condition = replace(condition, how="is", value=condition.value[0])
    if condition.how not in HOWS[kind]:
        return None
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    is_open = condition.how in ("between", "exists", "missing")
    fits = all(_fits(value, dtype) or (value is None and is_open) for value in values)
    return condition if fits else None


def _fits(value: Any, dtype: str) -> bool:
    if dtype == "JSON":
        return not isinstance(value, datetime)
    if dtype in ("Int64", "Float64"):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
    wanted = {"String": str, "Boolean": bool, "Datetime": datetime}
    return isinstance(value, wanted[dtype])


def _node(condition: Condition) -> Node:
    positive = filter({condition.path: _operators(condition)})
    return (~positive if condition.negated else positive).node


def _operators(condition: Condition) -> Any:
    value = condition.value
    match condition.how:
        case "one of":
            return {"$in": list(value)} if len(value) != 1 else {"$eq": value[0]}
        case "between":
            return _between(condition.path, *value)
        case "above":
            return {"$gt": value}
        case "below":
            return {"$lt": value}
        case "is":
            return {"$eq": value}
        case "exists" | "missing":
            return {"$exists": condition.how == "exists"}
        case "matches":
            return {"$regex": value}
    text = literal_pattern(value)
    pattern = {"contains": text, "starts with": f"^{text}", "ends with": f"{text}$"}[condition.how]
    return {"$regex": pattern}


def _between(path: str, low: Any, high: Any) -> dict[str, Any]:
    if low is None and high is None:
        return {"$exists": True} if path == TIME else {"$ne": None}
    below = "$lt" if path == TIME else "$lte"
    return {name: value for name, value in (("$gte", low), (below, high)) if value is not None}


def _condition(node: Node) -> Condition | None:
    if isinstance(node, Not):
        return _negated(node.part)
    if isinstance(node, And):
        return _range(node)
    match node:
        case In():
            return Condition(path=node.path, how="one of", value=node.values)
        case Exists(path="time"):
            return Condition(path=TIME, how="between", value=(None, None))
        case Exists():
            return Condition(path=node.path, how="exists")
        case Matches():
            return _match(node)
        case Compare():
            return _comparison(node)
    return None


def _negated(part: Node) -> Condition | None:
    if isinstance(part, Compare) and part.operator == "$eq" and part.value is None:
        return Condition(path=part.path, how="between", value=(None, None))
    found = _condition(part)
    if found is None or isinstance(part, Exists):
        return None if found is None else Condition(path=found.path, how="missing")
    return replace(found, negated=True)


def _comparison(node: Compare) -> Condition | None:
    if node.operator == "$eq":
        return Condition(path=node.path, how="is", value=node.value)
    if node.operator == "$gte":
        return Condition(path=node.path, how="between", value=(node.value, None))
    if node.operator == ("$lt" if node.path == TIME else "$lte"):
        return Condition(path=node.path, how="between", value=(None, node.value))
    if node.path == TIME:
        return None
    return Condition(path=node.path, how="above" if node.operator == "$gt" else "below", value=node.value)


def _range(node: And) -> Condition | None:
    """Return a lowest and a highest value on one path as one condition."""
    low, high, *more = [*node.parts, None]
    if more != [None] or not isinstance(low, Compare) or not isinstance(high, Compare):
        return None
    wanted = ("$gte", "$lt" if low.path == TIME else "$lte")
    if low.path != high.path or (low.operator, high.operator) != wanted:
        return None
    return Condition(path=low.path, how="between", value=(low.value, high.value))


def _match(node: Matches) -> Condition | None:
    if node.regex.options:
        return None
    if node.regex.fixed is None:
        return Condition(path=node.path, how="matches", value=node.regex.pattern)
    how, text = node.regex.fixed
    if how == "is":  # {"$eq": text} would find it, too, but is another filter
        return Condition(path=node.path, how="matches", value=node.regex.pattern)
    return Condition(path=node.path, how=_FIXED[how], value=text)
