"""The nodes of a filter: plain frozen records that say what is meant, and nothing of how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from evanalytics.filters.regex import Regex

Operator = Literal["$eq", "$gt", "$gte", "$lt", "$lte"]
"""How `Compare` compares."""

ATTRIBUTES = ("id", "type", "source", "time", "subject", "data", "ext")
"""What paths begin with; `ext` holds CloudEvents extension attributes."""

ITSELF = ""
"""The path of the array element that `ElementMatches` looks at."""


@dataclass(frozen=True, eq=False)
class Node:
    """A condition on an event. Two nodes are equal if they say the same, 1 and true told apart."""

    @cached_property
    def key(self) -> str:
        """The node as text that tells it from any other."""
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, eq=False)
class Everything(Node):
    """Holds for every event."""


@dataclass(frozen=True, eq=False)
class Nothing(Node):
    """Holds for no event."""


@dataclass(frozen=True, eq=False)
class And(Node):
    """Holds if all parts do."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Or(Node):
    """Holds if any part does."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Not(Node):
    """Holds if its part does not; there is no third."""

    part: Node


@dataclass(frozen=True, eq=False)
class Leaf(Node):
    """A condition on what one path leads to.

    Where the path leads to an array, the condition holds if it does for any element, or for
    the array as a whole. `Size` and `ElementMatches` look at the array only.
    """

    path: str


@dataclass(frozen=True, eq=False)
class Compare(Leaf):
    """The value is of the literal's kind and so compared to it.

    Null equals null and what is missing. Numbers compare exactly, text by code points,
    objects with their keys in order; a boolean is no number.
    """

    operator: Operator
    value: Any


@dataclass(frozen=True, eq=False)
class In(Leaf):
    """The value equals one of several."""

    values: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Exists(Leaf):
    """The path leads to something, be it null."""


@dataclass(frozen=True, eq=False)
class Matches(Leaf):
    """The value is text in which a regular expression is found."""

    regex: Regex


@dataclass(frozen=True, eq=False)
class Size(Leaf):
    """The value is an array of so many elements."""

    size: int


@dataclass(frozen=True, eq=False)
class Mod(Leaf):
    """The value is a number that leaves this remainder; fractions are cut off, the sign is its own."""

    divisor: int
    remainder: int


@dataclass(frozen=True, eq=False)
class ElementMatches(Leaf):
    """The value is an array with one element for which the whole condition holds.

    Attributes:
        condition: Its paths begin at the element: fields of an object, or `ITSELF`.
        of_objects: Whether only elements that are objects (or arrays) count.
    """

    condition: Node
    of_objects: bool


EVERYTHING, NOTHING = Everything(), Nothing()


def conjunction(parts: list[Node]) -> Node:
    """Return the node that holds if all of some nodes do."""
    return parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else EVERYTHING


def disjunction(parts: list[Node]) -> Node:
    """Return the node that holds if any of some nodes does."""
    return parts[0] if len(parts) == 1 else Or(tuple(parts)) if parts else NOTHING


def negation(node: Node) -> Node:
    """Return the node that holds where another does not."""
    if isinstance(node, Everything | Nothing):
        return NOTHING if isinstance(node, Everything) else EVERYTHING
    return node.part if isinstance(node, Not) else Not(node)


def conjuncts(node: Node) -> tuple[Node, ...]:
    """Return the conditions all of which must hold."""
    if isinstance(node, And):
        return node.parts
    return () if isinstance(node, Everything) else (node,)


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves of a node, not those inside `ElementMatches`."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, And | Or):
        for part in node.parts:
            yield from leaves(part)
    elif isinstance(node, Not):
        yield from leaves(node.part)


def paths(node: Node) -> list[str]:
    """Return the paths that a node looks at, each once, in order."""
    return list(dict.fromkeys(leaf.path for leaf in leaves(node)))
