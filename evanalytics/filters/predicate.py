"""Filters per event: a node becomes one Python function, exact for any JSON value.

The function is written out as source and compiled, so that a filter of three conditions costs
one call and not seven. The source consists of the fixed pieces below and of names that we
count up; every key and literal is bound to such a name, none is ever part of the text.

What nearly every event has is looked for first and once: a payload that is an object, and at
the end of a path a value of the literal's type, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from evanalytics.event import Event
from evanalytics.filters.leaf_tests import (
    Test,
    any_test,
    each_test,
    elements_test,
    value_test,
)
from evanalytics.filters.lookup import beyond, whole_beyond
from evanalytics.filters.nodes import (
    ITSELF,
    And,
    Compare,
    ElementMatches,
    Everything,
    Exists,
    In,
    Leaf,
    Matches,
    Node,
    Not,
    Or,
    Size,
    conjunction,
    disjunction,
    leaves,
)
from evanalytics.filters.predicate_paths import ElementPath, EventPaths, Names, ObjectPaths, Paths
from evanalytics.filters.values import MISSING
from evanalytics.logs.schema import PAYLOAD

Predicate = Callable[[Event], bool]

_DEEPEST = 40  # Python reads 200 parentheses deep
_SIGNS = {"$eq": "==", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_FIXED = {
    "is": "{v} == {c}",
    "starts": "{v}.startswith({c})",
    "ends": "{v}.endswith({c})",
    "has": "{c} in {v}",
}


def compile_predicate(node: Node) -> Predicate:
    """Return the function that says whether an event meets a condition.

    Example:
        >>> from datetime import UTC
        >>> is_paid = compile_predicate(Compare("data.status", "$eq", "PAID"))
        >>> is_paid(Event(id="1", type="order", source="shop", time=datetime(2026, 1, 1, tzinfo=UTC),
        ...               data={"status": "PAID"}))
        True
    """
    return _Writer(EventPaths).function(node)


def compile_element_test(node: Node, *, of_objects: bool) -> Test:
    """Return the function that says whether an array's element meets a condition."""
    return _Writer(ObjectPaths if of_objects else ElementPath).function(node)


class _Writer:
    """Writes the source of one function whose argument is `e`."""

    def __init__(self, paths: type[Paths]) -> None:
        self._names = Names()
        self._paths = paths(self._names)

    def function(self, node: Node, *, payload_first: bool = True) -> Callable[[Any], bool]:
        """Return the function of a node.

        Args:
            node: What it tests.
            payload_first: Whether to look first if the payload is a dict, where an event's is asked for.
        """
        if payload_first and isinstance(self._paths, EventPaths) and _has_fields(node):
            source = self._payload_first(node, self._paths)
        else:
            source = self._write(node, 0)
        function: Callable[[Any], bool] = eval(f"lambda e: {source}", self._names.values)
        return function

    def _payload_first(self, node: Node, paths: EventPaths) -> str:
        """Write a node so that the payload is looked at once, behind what needs none of it."""
        word, parts = _parts(node)
        before = next(i for i, part in enumerate(parts) if _has_fields(part))
        rest = _rejoined(node, parts[before:])
        for_any = self._names.bound(_made_when_called(lambda: _plain(rest)))
        payload = paths.payload = self._names.variable()
        quick = self._joined(word, parts[before:], 1)
        paths.payload = None
        source = f"({quick} if ({payload} := e.data).__class__ is dict else {for_any}(e))"
        return f"({self._joined(word, parts[:before], 1)} {word} {source})" if before else source

    def _joined(self, word: str, parts: tuple[Node, ...], depth: int) -> str:
        """Return the source of some parts behind one another, comparisons on one path as one."""
        written = []
        for _, group in groupby(parts, _path_compared if word == "and" else _nothing_shared):
            first, *others = group
            comparisons = [part for part in (first, *others) if isinstance(part, Compare)]
            written.append(self._guarded(comparisons) if others else self._write(first, depth))
        return f"({f' {word} '.join(written)})"

    def _write(self, node: Node, depth: int) -> str:
        if depth > _DEEPEST:
            return f"{self._names.bound(_Writer(type(self._paths)).function(node))}(e)"
        if isinstance(node, And | Or):
            return self._joined("and" if isinstance(node, And) else "or", node.parts, depth + 1)
        if isinstance(node, Not):
            return f"(not {self._write(node.part, depth + 1)})"
        return self._leaf(node) if isinstance(node, Leaf) else str(isinstance(node, Everything))

    def _leaf(self, leaf: Leaf) -> str:
        if isinstance(leaf, Size | ElementMatches):
            one = _of_elements(leaf) if isinstance(leaf, ElementMatches) else value_test(leaf)
            return f"{self._names.bound(each_test(one))}({self._paths.value(leaf.path, whole_beyond)})"
        one = value_test(leaf)
        if fixed := self._paths.fixed_type(leaf.path):
            return self._of_fixed_type(leaf, fixed, one)
        test = one if leaf.path == ITSELF else any_test(one)
        if isinstance(leaf, Exists):
            return self._exists(leaf, self._names.bound(test))
        return self._guarded([leaf])

    def _exists(self, leaf: Exists, slow: str) -> str:
        v = self._names.variable()
        root, *keys = leaf.path.split(".")
        if root == PAYLOAD and len(keys) == 1 and isinstance(self._paths, EventPaths):
            key = self._names.bound(keys[0])
            if payload := self._paths.payload:
                return f"({key} in {payload})"
            behind = f"{self._names.bound(beyond)}({v}, {self._names.bound(tuple(keys))})"
            return f"({key} in {v} if ({v} := e.data).__class__ is dict else {slow}({behind}))"
        value = self._paths.value(leaf.path, beyond, present=True)
        return f"(({v} := {value}) is not M and ({v}.__class__ is not S or {slow}({v})))"

    def _of_fixed_type(self, leaf: Leaf, kind: type, one: Test) -> str:
        """Write the test of an attribute that is always there, and always of one type."""
        attribute = self._paths.value(leaf.path, beyond)
        if kind in self._quick_types(leaf):
            return self._quick(leaf, attribute)
        is_set = isinstance(leaf, In)
        return f"{self._names.bound(one)}({attribute})" if is_set else str(isinstance(leaf, Exists))

    def _guarded(self, tested: Sequence[Leaf]) -> str:
        """Write a quick test for values of the usual types and for none, the exact one for all others.

        Args:
            tested: One, or several comparisons with literals of one type, all of which must hold.
        """
        path, types = tested[0].path, self._quick_types(tested[0])
        tests = [value_test(leaf) if path == ITSELF else any_test(value_test(leaf)) for leaf in tested]
        value, slow = self._paths.value(path, beyond), self._names.bound(_all_of(tests))
        if not types:
            return f"{slow}({value})"
        v, k = self._names.variable(), self._names.variable()
        guard = f"({v} := {value}).__class__ is {types[0].__name__}"
        if len(types) > 1:
            guard = f"({k} := ({v} := {value}).__class__) is {types[0].__name__}"
            guard += "".join(f" or {k} is {kind.__name__}" for kind in types[1:])
        quick = " and ".join(self._quick(leaf, v) for leaf in tested)
        absent = _all_of(tests)(MISSING)
        return f"({quick} if {guard} else {absent} if {v} is M else {slow}({v}))"

    def _quick_types(self, leaf: Leaf) -> list[type]:
        """Return the types of values for which `_quick` says the truth."""
        if isinstance(leaf, Matches):
            return [str]
        if isinstance(leaf, In):
            return _types_of_set(leaf)
        if not isinstance(leaf, Compare):
            return []
        kind = leaf.value.__class__
        if kind in (int, float):
            return [float, int]
        return [kind] if kind is str or kind is bool or kind is datetime else []

    def _quick(self, leaf: Leaf, value: str) -> str:
        if isinstance(leaf, Compare):
            return f"{value} {_SIGNS[leaf.operator]} {self._names.bound(leaf.value)}"
        if isinstance(leaf, In):
            usual = frozenset(v for v in leaf.values if v.__class__ in (str, int, float, datetime))
            return f"{value} in {self._names.bound(usual)}"
        assert isinstance(leaf, Matches)
        if leaf.regex.fixed is None:
            search = leaf.regex.search
            found = leaf.regex.found_in if search is None else search
            return f"{self._names.bound(found)}({value})" + (" is not None" if search else "")
        how, text = leaf.regex.fixed
        return _FIXED[how].format(v=value, c=self._names.bound(text))


def _parts(node: Node) -> tuple[str, tuple[Node, ...]]:
    if isinstance(node, And | Or):
        return ("and" if isinstance(node, And) else "or"), node.parts
    return "and", (node,)


def _rejoined(node: Node, parts: tuple[Node, ...]) -> Node:
    return disjunction(list(parts)) if isinstance(node, Or) else conjunction(list(parts))


def _has_fields(node: Node) -> bool:
    """Return whether a node looks at a field of the payload."""
    return any(leaf.path.startswith(f"{PAYLOAD}.") for leaf in leaves(node))


def _path_compared(node: Node) -> object:
    """Return what is equal for comparisons that can be made as one: path and type of the literal."""
    if not isinstance(node, Compare) or "." not in node.path:
        return _nothing_shared(node)
    kind = node.value.__class__
    return node.path, (float if kind is int else kind)


def _nothing_shared(node: Node) -> object:
    """Return what is equal for no two nodes."""
    return object()


def _all_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _made_when_called(make: Callable[[], Predicate]) -> Predicate:
    """Return a function that is made at its first call: few logs have payloads that are no objects."""
    made: list[Predicate] = []

    def call(event: Event) -> bool:
        if not made:
            made.append(make())
        return made[0](event)

    return call


def _plain(node: Node) -> Predicate:
    """Return the function of a node that leaves open what a payload is."""
    return _Writer(EventPaths).function(node, payload_first=False)


def _of_elements(leaf: ElementMatches) -> Test:
    return elements_test(leaf.of_objects, compile_element_test(leaf.condition, of_objects=leaf.of_objects))


def _types_of_set(leaf: In) -> list[type]:
    """Return the types of values that one look into a set of the literals decides."""
    kinds = {value.__class__ for value in leaf.values}
    types: list[type] = [str] if str in kinds else []
    if kinds & {int, float}:
        types += [int] if type(None) in kinds else [int, float]  # NaN is null
    return types + ([datetime] if datetime in kinds else [])
