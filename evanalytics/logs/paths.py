"""Which payload paths become typed columns: what was seen at each path over the whole log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from evanalytics.logs.schema import column_of

MAX_KEYS = 250
"""An object with more different keys than this is taken for a map and stays JSON."""

KIND = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "HUGEINT": "integer",
    "DOUBLE": "number",
    "NULL": "null",
    "ARRAY": "array",
    "OBJECT": "object",
    "JSON": "object",  # how DuckDB names an object without keys
}
_DTYPE: dict[frozenset[str], pl.DataType] = {
    frozenset(): pl.String(),
    frozenset({"string"}): pl.String(),
    frozenset({"boolean"}): pl.Boolean(),
    frozenset({"integer"}): pl.Int64(),
    frozenset({"number"}): pl.Float64(),
    frozenset({"integer", "number"}): pl.Float64(),
}


@dataclass(slots=True)
class PathNode:
    """What was seen at one path: kinds of values, keys of its objects, elements of its arrays."""

    kinds: set[str] = field(default_factory=set)
    keys: dict[str, PathNode] = field(default_factory=dict)
    elements: PathNode | None = None

    def see(self, structure: Any) -> None:
        """Add one row's structure as DuckDB's `json_structure` describes it."""
        if isinstance(structure, dict):
            self.kinds.add("object")
            for key, value in structure.items():
                self.keys.setdefault(key, PathNode()).see(value)
        elif isinstance(structure, list):
            self.kinds.add("array")
            self.elements = self.elements or PathNode()
            for element in structure:
                self.elements.see(element)
        else:
            self.kinds.add(KIND.get(structure, "number"))

    def walk(self, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], PathNode]]:
        """Yield this node and all below it, each with the keys that lead there."""
        yield keys, self
        for key, node in self.keys.items():
            yield from node.walk((*keys, key))

    def child(self, keys: Iterable[str]) -> PathNode | None:
        """Return the node below these keys, or None if no row had it."""
        node: PathNode | None = self
        for key in keys:
            node = node.keys.get(key) if node else None
        return node


@dataclass(frozen=True, slots=True)
class TypedPath:
    """A path that has a column: its dotted name, its column, its keys and its dtype."""

    path: str
    column: str
    keys: tuple[str, ...]
    dtype: pl.DataType

    @property
    def pointer(self) -> str:
        """Return the path as an RFC 6901 JSON pointer into the record."""
        return pointer_of(self.keys)


@dataclass(slots=True)
class PathPlan:
    """The paths that get columns, those that stay JSON and why, those with explicit nulls."""

    typed: list[TypedPath] = field(default_factory=list)
    json: dict[str, str] = field(default_factory=dict)
    nulls: list[str] = field(default_factory=list)

    def add(self, path: TypedPath) -> None:
        """Give a path its column, unless it cannot stand beside those that have one."""
        reason = self._why_not(path)
        if reason is None:
            self.typed.append(path)
        else:
            self.json[path.path] = reason

    def _why_not(self, path: TypedPath) -> str | None:
        folded, below = path.column.casefold(), f"{path.path}."
        above = {path.path[:end] for end, char in enumerate(path.path) if char == "."}
        for typed in self.typed:
            if typed.column.casefold() == folded:
                return f"its column {path.column} collides with that of {typed.path}"
            if typed.path in above or typed.path.startswith(below):
                return f"it and {typed.path} both have values, but one is a part of the other"
        return None

    def leave_json(self, path: str, reason: str) -> None:
        """Take a path's column away again, because its values turned out not to fit."""
        self.typed = [typed for typed in self.typed if typed.path != path]
        self.json[path] = reason


def pointer_of(keys: Iterable[str]) -> str:
    """Return keys as a JSON pointer (RFC 6901).

    Example:
        >>> pointer_of(["data", "a/b"])
        '/data/a~1b'
    """
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def plan_paths(
    node: PathNode, *, path: str, keys: tuple[str, ...], plan: PathPlan, skip: frozenset[tuple[str, ...]]
) -> None:
    """Decide for each path below a node whether it gets a column; adds to `plan`.

    Scalars of one type get one (integers beside fractions are Float64); arrays, mixed types,
    maps, keys with dots and paths whose column's name is taken stay JSON.

    Args:
        node: What was seen at `path`.
        path: The dotted name of the node, such as "data".
        keys: The keys that lead from the record to the node.
        plan: What is added to.
        skip: Keys of envelope fields, which are no payload.
    """
    taken = {typed.column.casefold(): typed.path for typed in plan.typed}
    for leaf_path, leaf_keys, leaf in _leaves(node, path, keys, plan, skip):
        reason = _why_json(leaf, leaf_keys)
        column = column_of(leaf_path)
        if reason is None and column.casefold() in taken:
            reason = f"its column {column} collides with that of {taken[column.casefold()]}"
        if reason is not None:
            plan.json[leaf_path] = reason
            continue
        taken[column.casefold()] = leaf_path
        kinds = frozenset(leaf.kinds - {"null"})
        plan.typed.append(TypedPath(leaf_path, column, leaf_keys, _DTYPE[kinds]))


def _leaves(
    node: PathNode, path: str, keys: tuple[str, ...], plan: PathPlan, skip: frozenset[tuple[str, ...]]
) -> Iterator[tuple[str, tuple[str, ...], PathNode]]:
    if keys in skip:
        return
    if "null" in node.kinds:
        plan.nulls.append(path)
    if node.kinds - {"null"} != {"object"} or not node.keys or _is_map(node):
        yield path, keys, node
        return
    for key, child in node.keys.items():
        yield from _leaves(child, f"{path}.{key}", (*keys, key), plan, skip)


def _is_map(node: PathNode) -> bool:
    return len(node.keys) > MAX_KEYS


def _why_json(leaf: PathNode, keys: tuple[str, ...]) -> str | None:
    kinds = leaf.kinds - {"null"}
    if any("." in key for key in keys):
        return "a key contains a dot"
    if "" in keys:
        return "a key is empty"
    if kinds == {"object"}:
        return f"an object with {len(leaf.keys):,} different keys" if leaf.keys else "objects without keys"
    if kinds == {"array"}:
        return "arrays"
    if frozenset(kinds) not in _DTYPE:
        return "mixed types: " + ", ".join(sorted(kinds))
    return None
