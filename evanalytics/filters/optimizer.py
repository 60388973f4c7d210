"""`FilterOptimizer`: rules to a fixed point, with a trace, and the order in which conditions run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evanalytics.filters.columns import why_undecided
from evanalytics.filters.nodes import (
    And,
    Compare,
    ElementMatches,
    Exists,
    In,
    Matches,
    Mod,
    Node,
    Not,
    Or,
    Size,
)
from evanalytics.filters.rules import RULES, IsScalar, Rule
from evanalytics.filters.schema import is_scalar
from evanalytics.logs.log import LogSchema

_MOST_ROUNDS = 100
_COST: dict[type[Node], float] = {Mod: 2, Size: 3, Matches: 5, ElementMatches: 20}
_SHARE: dict[type[Node], float] = {In: 0.2, Exists: 0.7, Mod: 0.3, Size: 0.3, Matches: 0.2}
_UNDECIDED_COST = 50.0


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that fired: what it found, and what it made of it."""

    rule: str
    before: Node
    after: Node


@dataclass(frozen=True, slots=True)
class Optimized:
    """The result of optimizing: the same meaning, said better.

    Attributes:
        node: What to run.
        original: What was written.
        trace: The rules that fired, in order.
    """

    node: Node
    original: Node
    trace: tuple[Step, ...]


class FilterOptimizer:
    """Rewrites filters: fewer conditions, cheap and selective ones first, time bounds foremost.

    Every rule keeps the meaning for every event. Rules that hold only where no array can be
    ask the log's schema; without one they hold back.
    """

    def __init__(
        self,
        schema: LogSchema | None = None,
        *,
        selectivity: Mapping[Node, float] | None = None,
        rules: tuple[Rule, ...] = RULES,
    ) -> None:
        """Take what is known.

        Args:
            schema: Of the log that is filtered.
            selectivity: The share (0 to 1) of events that meet a condition, where it was
                measured; otherwise it is guessed from the kind of condition.
            rules: The rules, in the order in which they are tried.
        """
        self._schema = schema
        self._selectivity = selectivity or {}
        self._rules = rules
        self._is_scalar: IsScalar = lambda path: is_scalar(path, schema)

    def optimize(self, node: Node) -> Optimized:
        """Return the optimized node, with the trace of what was done."""
        trace: list[Step] = []
        current = node
        for _ in range(_MOST_ROUNDS):
            after = self._rewrite(current, trace)
            if after == current:
                break
            current = after
        ordered = self._ordered(current)
        if ordered != current:
            trace.append(Step("order by cost", current, ordered))
        return Optimized(ordered, node, tuple(trace))

    def _rewrite(self, node: Node, trace: list[Step]) -> Node:
        """Apply the rules once to each node, from the leaves upwards."""
        node = _with_parts(node, lambda part: self._rewrite(part, trace))
        for rule in self._rules:
            after = rule.rewrite(node, self._is_scalar)
            if after != node:
                trace.append(Step(rule.name, node, after))
                node = after
        return node

    def _ordered(self, node: Node) -> Node:
        """Put what decides most for its cost first: in a conjunction by what it refuses."""
        node = _with_parts(node, self._ordered)
        if isinstance(node, And):
            return And(tuple(sorted(node.parts, key=self._rank)))
        if isinstance(node, Or):
            return Or(tuple(sorted(node.parts, key=lambda part: -self.share(part) / self.cost(part))))
        return node

    def _rank(self, part: Node) -> tuple[bool, float]:
        bounds_time = isinstance(part, Compare) and part.path == "time"
        return not bounds_time, (self.share(part) - 1) / self.cost(part)

    def cost(self, node: Node) -> float:
        """Return what deciding a condition costs, in comparisons of a column."""
        if isinstance(node, And | Or):
            return sum(self.cost(part) for part in node.parts)
        if isinstance(node, Not):
            return self.cost(node.part)
        cost = _COST.get(type(node), 1.0)
        if self._schema is not None and why_undecided(node, self._schema) is not None:
            return cost * _UNDECIDED_COST
        return cost + 0.1 * getattr(node, "path", "").count(".")

    def share(self, node: Node) -> float:
        """Return the share of events that meet a condition: measured, or guessed."""
        if node in self._selectivity:
            return self._selectivity[node]
        if isinstance(node, Not):
            return 1 - self.share(node.part)
        if isinstance(node, And | Or):
            is_and, product = isinstance(node, And), 1.0
            for part in node.parts:
                product *= self.share(part) if is_and else 1 - self.share(part)
            return product if is_and else 1 - product
        if isinstance(node, Compare):
            return 0.1 if node.operator == "$eq" else 0.4
        return _SHARE.get(type(node), 0.5)


def _with_parts(node: Node, change: Callable[[Node], Node]) -> Node:
    if isinstance(node, And | Or):
        parts = tuple(map(change, node.parts))
        return node if parts == node.parts else type(node)(parts)
    if isinstance(node, Not):
        part = change(node.part)
        return node if part == node.part else Not(part)
    return node
