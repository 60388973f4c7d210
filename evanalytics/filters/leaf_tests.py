"""What each leaf asks of one value: slow, exact, for any value that an event may hold."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from evanalytics.filters.lookup import Several, as_object
from evanalytics.filters.nodes import Compare, Exists, In, Leaf, Matches, Mod, Size
from evanalytics.filters.values import ARRAY, MISSING, NULL, NUMBER, OBJECT, compare, equal, kind_of

Test = Callable[[Any], bool]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_LARGEST = 2**63


def value_test(leaf: Leaf) -> Test:
    """Return the test that a leaf makes of a single value; MISSING is a value here."""
    match leaf:
        case Compare(operator="$eq"):
            return lambda value: equal(value, leaf.value)
        case Compare():
            return _in_order(leaf)
        case In():
            return lambda value: any(equal(value, wanted) for wanted in leaf.values)
        case Exists():
            return lambda value: value is not MISSING
        case Matches():
            return lambda value: isinstance(value, str) and leaf.regex.found_in(value)
        case Size():
            return lambda value: kind_of(value) == ARRAY and len(value) == leaf.size
        case Mod():
            return lambda value: _leaves_remainder(value, leaf)
    raise AssertionError(leaf)


def elements_test(of_objects: bool, condition: Test) -> Test:
    """Return the test whether a value is an array with an element that meets a condition."""

    def found(value: Any) -> bool:
        if kind_of(value) != ARRAY:
            return False
        if not of_objects:
            return any(map(condition, value))
        return any(condition(as_object(item)) for item in value if kind_of(item) in (OBJECT, ARRAY))

    return found


def any_test(one: Test) -> Test:
    """Return the test of what a path leads to: one value, the elements of an array, or several."""

    def found(value: Any) -> bool:
        if value.__class__ is Several:
            return any(map(one, value))
        if isinstance(value, list | tuple):
            return any(map(one, value)) or one(value)
        return one(value)

    return found


def each_test(one: Test) -> Test:
    """Return the same for leaves that look at arrays as a whole."""

    def found(value: Any) -> bool:
        return any(map(one, value)) if value.__class__ is Several else one(value)

    return found


def _in_order(leaf: Compare) -> Test:
    literal, kind = leaf.value, kind_of(leaf.value)
    holds = _ORDERS[leaf.operator]
    if kind == NULL:  # null is neither less nor greater than null
        return lambda value: holds(0, 0) and kind_of(value) == NULL
    if kind in (OBJECT, ARRAY):
        return lambda value: kind_of(value) == kind and holds(compare(value, literal), 0)
    return lambda value: kind_of(value) == kind and holds(value, literal)


def _leaves_remainder(value: Any, leaf: Mod) -> bool:
    if kind_of(value) != NUMBER or not -_LARGEST <= value < _LARGEST:
        return False
    whole = int(value)
    remainder = abs(whole) % abs(leaf.divisor)
    return (remainder if whole >= 0 else -remainder) == leaf.remainder
