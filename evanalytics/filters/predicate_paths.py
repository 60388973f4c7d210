"""How the source of a predicate gets at the value of a path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from evanalytics.filters.lookup import Several
from evanalytics.filters.nodes import ATTRIBUTES
from evanalytics.filters.values import MISSING
from evanalytics.logs.schema import PAYLOAD

_ROOTS = {name: f"e.{name}" for name in ATTRIBUTES} | {"ext": "e.extensions"}


class Names:
    """The names that a source uses, and what they stand for."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"M": MISSING, "S": Several, "datetime": datetime}
        self._variables = 0

    def bound(self, value: Any) -> str:
        """Return the name by which the source speaks of a value."""
        name = f"c{len(self.values)}"
        self.values[name] = value
        return name

    def variable(self) -> str:
        """Return a new variable's name."""
        self._variables += 1
        return f"v{self._variables}"


class Paths:
    """How the source gets at the value of a path."""

    def __init__(self, names: Names) -> None:
        self._names = names

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
        v, key, rest = self._names.variable(), self._names.bound(keys[0]), self._names.bound(keys)
        inner = self._fields(f"{v}.get({key}, M)", keys[1:], behind)
        return f"({inner} if ({v} := {base}).__class__ is dict else {self._names.bound(behind)}({v}, {rest}))"


class EventPaths(Paths):
    """Paths of an event.

    Attributes:
        payload: The variable that holds a payload which is a dict; None where it can be anything.
    """

    payload: str | None = None

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        """Return the expression of a path that begins with an attribute."""
        root, *keys = path.split(".")
        base = _ROOTS[root]
        if keys and self.payload and root == PAYLOAD:
            key, rest = self._names.bound(keys[0]), tuple(keys[1:])
            return self._fields(f"{self.payload}.get({key}, M)", rest, behind)
        if keys or root == "ext":
            return self._fields(base, tuple(keys), behind)
        return f"(M if {base} is None else {base})" if present else base

    def fixed_type(self, path: str) -> type | None:
        """Return the type of an attribute that every event has."""
        return {"id": str, "type": str, "source": str, "time": datetime}.get(path)


class ObjectPaths(Paths):
    """Paths of an array's element that is an object."""

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        """Return the expression of a path that begins at the element."""
        return self._fields("e", tuple(path.split(".")), behind)


class ElementPath(Paths):
    """The element itself."""

    def value(self, path: str, behind: Callable[..., Any], *, present: bool = False) -> str:
        """Return the element."""
        return "e"
