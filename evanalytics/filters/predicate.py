"""Filters per event: a node becomes one Python function, exact for any JSON value.

The function is written out as source and compiled, so that a filter of three conditions costs
one call and not seven. The source consists of the fixed pieces below and of names that we
count up; every key and literal is bound to such a name, none is ever part of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from evanalytics.event import Event
from evanalytics.filters.leaf_tests import (
    Test,
    any_test,
    each_test,
    elements_test,
    value_test,
)
from evanalytics.filters.lookup import Several, beyond, whole_beyond
from evanalytics.filters.nodes import (
    ATTRIBUTES,
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
)
from evanalytics.filters.values import MISSING
from evanalytics.logs.schema import PAYLOAD

Predicate = Callable[[Event], bool]

_DEEPEST = 40  # Python reads 200 parentheses deep
_SIGNS = {"$eq": "==", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_ROOTS = {name: f"e.{name}" for name in ATTRIBUTES} | {"ext": "e.extensions"}
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
    return _Writer(_EventPaths).function(node)


def compile_element_test(node: Node, *, of_objects: bool) -> Test:
    """Return the function that says whether an array's element meets a condition."""
    return _Writer(_ObjectPaths if of_objects else _ElementPath).function(node)


class _Writer:
    """Writes the source of one function whose argument is `e`."""

    def __init__(self, paths: type[_Paths]) -> None:
        self._names: dict[str, Any] = {"M": MISSING, "S": Several}
        self._paths = paths(self)
        self._variables = 0

    def function(self, node: Node) -> Callable[[Any], bool]:
        """Return the function of a node."""
        source = f"lambda e: {self._write(node, 0)}"
        function: Callable[[Any], bool] = eval(source, self._names)
        return function

    def bound(self, value: Any) -> str:
        """Return the name by which the source speaks of a value."""
        name = f"c{len(self._names)}"
        self._names[name] = value
        return name

    def variable(self) -> str:
        """Return a new variable's name."""
        self._variables += 1
        return f"v{self._variables}"

    def _write(self, node: Node, depth: int) -> str:
        if depth > _DEEPEST:
            return f"{self.bound(_Writer(type(self._paths)).function(node))}(e)"
        if isinstance(node, And | Or):
            word = " and " if isinstance(node, And) else " or "
            return f"({word.join(self._write(part, depth + 1) for part in node.parts)})"
        if isinstance(node, Not):
            return f"(not {self._write(node.part, depth + 1)})"
        return self._leaf(node) if isinstance(node, Leaf) else str(isinstance(node, Everything))

    def _leaf(self, leaf: Leaf) -> str:
        if isinstance(leaf, Size | ElementMatches):
            one = _of_elements(leaf) if isinstance(leaf, ElementMatches) else value_test(leaf)
            return f"{self.bound(each_test(one))}({self._paths.value(leaf.path, whole_beyond)})"
        one = value_test(leaf)
        if fixed := self._paths.fixed_type(leaf.path):
            return self._of_fixed_type(leaf, fixed, one)
        test = one if leaf.path == ITSELF else any_test(one)
        if isinstance(leaf, Exists):
            return self._exists(leaf, self.bound(test))
        return self._guarded(leaf, self._paths.value(leaf.path, beyond), self.bound(test))

    def _exists(self, leaf: Exists, slow: str) -> str:
        v = self.variable()
        root, *keys = leaf.path.split(".")
        if root == PAYLOAD and len(keys) == 1 and isinstance(self._paths, _EventPaths):
            behind = f"{self.bound(beyond)}({v}, {self.bound(tuple(keys))})"
            return (
                f"({self.bound(keys[0])} in {v} if ({v} := e.data).__class__ is dict else {slow}({behind}))"
            )
        value = self._paths.value(leaf.path, beyond, present=True)
        return f"(({v} := {value}) is not M and ({v}.__class__ is not S or {slow}({v})))"

    def _of_fixed_type(self, leaf: Leaf, kind: type, one: Test) -> str:
        """Write the test of an attribute that is always there, and always of one type."""
        attribute = self._paths.value(leaf.path, beyond)
        if kind in self._quick_types(leaf):
            return self._quick(leaf, attribute)
        return (
            str(isinstance(leaf, Exists)) if not isinstance(leaf, In) else f"{self.bound(one)}({attribute})"
        )

    def _guarded(self, leaf: Leaf, value: str, slow: str) -> str:
        """Write a quick test for values of the usual types, the exact one for all others."""
        types = self._quick_types(leaf)
        if not types:
            return f"{slow}({value})"
        v, k = self.variable(), self.variable()
        if len(types) == 1:
            guard = f"({v} := {value}).__class__ is {types[0].__name__}"
        else:
            guard = f"({k} := ({v} := {value}).__class__) is " + f" or {k} is ".join(
                t.__name__ for t in types
            )
        return f"({self._quick(leaf, v)} if {guard} else {slow}({v}))"

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
        self._names.setdefault("datetime", datetime)
        if isinstance(leaf, Compare):
            return f"{value} {_SIGNS[leaf.operator]} {self.bound(leaf.value)}"
        if isinstance(leaf, In):
            usual = frozenset(v for v in leaf.values if v.__class__ in (str, int, float, datetime))
            return f"{value} in {self.bound(usual)}"
        assert isinstance(leaf, Matches)
        if leaf.regex.fixed is None:
            search = leaf.regex.search
            found = leaf.regex.found_in if search is None else search
            return f"{self.bound(found)}({value})" + (" is not None" if search else "")
        how, text = leaf.regex.fixed
        return _FIXED[how].format(v=value, c=self.bound(text))


class _Paths:
    """How the source gets at the value of a path."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        """Return the expression of a path's value.

        Args:
            path: The path.
            behind: What to call where a value on the way is no dict.
            present: Whether attributes that are None count as missing.
        """
        raise NotImplementedError

    def fixed_type(self, path: str) -> type | None:
        """Return the type of an attribute that is always there."""
        return None

    def _fields(self, base: str, keys: tuple[str, ...], behind: Callable[..., Any]) -> str:
        """Return the expression of a field of a field of ...: dicts are entered right here."""
        if not keys:
            return base
        v, key, rest = self._writer.variable(), self._writer.bound(keys[0]), self._writer.bound(keys)
        inner = self._fields(f"{v}.get({key}, M)", keys[1:], behind)
        return (
            f"({inner} if ({v} := {base}).__class__ is dict else {self._writer.bound(behind)}({v}, {rest}))"
        )


class _EventPaths(_Paths):
    """Paths of an event."""

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        root, *keys = path.split(".")
        base = _ROOTS[root]
        if keys or root == "ext":
            return self._fields(base, tuple(keys), behind)
        return f"(M if {base} is None else {base})" if present else base

    def fixed_type(self, path: str) -> type | None:
        return {"id": str, "type": str, "source": str, "time": datetime}.get(path)


class _ObjectPaths(_Paths):
    """Paths of an array's element that is an object."""

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        return self._fields("e", tuple(path.split(".")), behind)


class _ElementPath(_Paths):
    """The element itself."""

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        return "e"


def _of_elements(leaf: ElementMatches) -> Test:
    return elements_test(leaf.of_objects, compile_element_test(leaf.condition, of_objects=leaf.of_objects))


def _types_of_set(leaf: In) -> list[type]:
    """Return the types of values that one look into a set of the literals decides."""
    kinds = {value.__class__ for value in leaf.values}
    types: list[type] = [str] if str in kinds else []
    if kinds & {int, float}:
        types += [int] if type(None) in kinds else [int, float]  # NaN is null
    return types + ([datetime] if datetime in kinds else [])
