"""Where the boxes of a small directed graph go: in layers from left to right, lines around boxes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

_SWEEPS = 4

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in layers (x, from 0) and lanes (y, downwards, around 0).

    Attributes:
        places: The place of each node.
        ways: For each edge its points from node to node, one in every layer that it crosses.
        layers: How many layers there are.
        lanes: How many boxes the fullest layer has, lines that pass included.
    """

    places: Mapping[str, Point]
    ways: Sequence[Sequence[Point]]
    layers: int
    lanes: int


def layered(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Return a layout: every edge goes to the right, and boxes stand beside those that feed them.

    Args:
        nodes: Names, each after those that feed it.
        edges: From and to.

    Example:
        >>> layered(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")]).places["c"][0]
        2.0
    """
    layer = _layers(nodes, edges)
    chains = [_chain(number, edge, layer) for number, edge in enumerate(edges)]
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name in nodes:
        columns[layer[name]].append(name)
    for edge, chain in zip(edges, chains, strict=True):
        for step, name in enumerate(chain[1:-1], start=layer[edge[0]] + 1):
            columns[step].append(name)
    links = [link for chain in chains for link in itertools.pairwise(chain)]
    _order(columns, links)
    at = {
        name: (float(x), place - (len(column) - 1) / 2)
        for x, column in enumerate(columns)
        for place, name in enumerate(column)
    }
    ways = [[at[name] for name in chain] for chain in chains]
    return Layout({name: at[name] for name in nodes}, ways, len(columns), max(map(len, columns)))


def with_ports(layout: Layout, edges: Sequence[tuple[str, str]], *, apart: float = 0.36) -> Layout:
    """Return a layout whose edges leave and enter the boxes one below the other, not all in the middle.

    Args:
        layout: From `layered`.
        edges: The same ones.
        apart: How far the outermost ends on one side of a box lie apart at most, in lanes.
    """
    ways = [list(way) for way in layout.ways]
    for end, neighbour in ((0, 1), (-1, -2)):
        for name in layout.places:
            here = [number for number, edge in enumerate(edges) if edge[end] == name]
            here.sort(key=lambda number: ways[number][neighbour][1])
            for place, number in enumerate(here):
                x, y = ways[number][end]
                ways[number][end] = (x, y + apart * (place / (len(here) - 1) - 0.5 if len(here) > 1 else 0))
    return replace(layout, ways=ways)


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    layer: dict[str, int] = {}
    for name in nodes:
        layer[name] = max((layer[begin] + 1 for begin, end in edges if end == name), default=0)
    return layer


def _chain(number: int, edge: tuple[str, str], layer: Mapping[str, int]) -> list[str]:
    """Return the ends of an edge with a place of its own in each layer between them."""
    begin, end = edge
    between = range(layer[begin] + 1, layer[end])
    return [begin, *(f"\0{number}:{step}" for step in between), end]


def _order(columns: list[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Sort each layer so that lines cross seldom: by the mean place of what is linked on one side."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for begin, end in links:
        before.setdefault(end, []).append(begin)
        after.setdefault(begin, []).append(end)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        pairs = list(itertools.pairwise(columns))
        for left, right in pairs if forward else reversed(pairs):
            fixed, moved, near = (left, right, before) if forward else (right, left, after)
            place = {name: float(number) - len(fixed) / 2 for number, name in enumerate(fixed)}
            own = {name: float(number) - len(moved) / 2 for number, name in enumerate(moved)}
            moved.sort(key=lambda name: _mean([place[n] for n in near.get(name, [])], own[name]))


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
