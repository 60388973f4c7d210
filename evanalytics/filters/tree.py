"""A filter's nodes as an indented tree of text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evanalytics.filters.documents import document_of
from evanalytics.filters.nodes import And, ElementMatches, Leaf, Node, Not, Or


def tree_text(node: Node) -> str:
    """Return a node as a tree: a line for each node, its parts below it.

    Example:
        >>> from evanalytics.filters.parser import parse
        >>> print(tree_text(parse({"type": "paid", "data.n": {"$nin": [1, 2]}})))
        And
        ├─ Compare  type = "paid"
        └─ Not
           └─ In  data.n in [1, 2]
    """
    return "\n".join(_lines(node))


def _lines(node: Node) -> Iterator[str]:
    yield f"{type(node).__name__}{_said(node)}"
    parts = _parts(node)
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        for place, line in enumerate(_lines(part)):
            lead = ("└─ " if is_last else "├─ ") if place == 0 else ("   " if is_last else "│  ")
            yield lead + line


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, And | Or):
        return node.parts
    if isinstance(node, ElementMatches):
        return (node.condition,)
    return (node.part,) if isinstance(node, Not) else ()


def _said(node: Node) -> str:
    """Return what a leaf asks of its path."""
    if not isinstance(node, Leaf):
        return ""
    path = node.path or "(the element)"
    if isinstance(node, ElementMatches):
        return f"  {path}"
    ((_, asked),) = document_of(type(node)(**{**_fields(node), "path": "data"})).items()
    operators = asked if isinstance(asked, dict) else {"$eq": asked}
    return f"  {path} {', '.join(f'{_WORDS.get(name, name)} {_json(v)}' for name, v in operators.items())}"


def _fields(node: Leaf) -> dict[str, Any]:
    return {name: getattr(node, name) for name in node.__dataclass_fields__}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_WORDS = {"$eq": "=", "$gt": ">", "$gte": "≥", "$lt": "<", "$lte": "≤", "$in": "in", "$exists": "exists"}
