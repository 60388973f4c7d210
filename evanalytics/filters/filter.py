"""`filter(...)`: a condition on events, said once, decided per event and over columns alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from evanalytics.event import Event
from evanalytics.exceptions import FilterError
from evanalytics.filters.bounds import Bounds, bounds_of
from evanalytics.filters.columns import expression_of, split
from evanalytics.filters.documents import document_of
from evanalytics.filters.nodes import And, Everything, Node, Or, negation, paths
from evanalytics.filters.optimizer import FilterOptimizer
from evanalytics.filters.parser import parse
from evanalytics.filters.predicate import Predicate, compile_predicate
from evanalytics.logs.log import EventLog, LogSchema, Split

if TYPE_CHECKING:
    from evanalytics.filters.explain import Explanation


def filter(document: Mapping[str, Any] | Filter, *, within: str | None = None) -> Filter:
    """Return the filter that a document in MongoDB's style means.

    Paths begin with `id`, `type`, `source`, `time`, `subject`, `data.` or `ext.` (extensions).
    Operators: `$eq $ne $gt $gte $lt $lte $in $nin $exists $and $or $nor $not $regex $size $all
    $elemMatch $mod`; what they mean is what they mean to MongoDB. `time` is compared with
    instants: aware datetimes or ISO 8601 text. Filters combine with `&`, `|` and `~`.

    Args:
        document: The conditions, all of which must hold.
        within: Put before each path: `within="data"` for a document about the payload alone.

    Raises:
        FilterError: It says at which key, what was found and what would do.

    Example:
        >>> big = filter({"type": "order.created", "data.total": {"$gte": 100}})
        >>> print(big | filter({"data.coupon": {"$exists": False}}))
        {"$or": [{"type": "order.created", "data.total": {"$gte": 100}}, {"data.coupon": {"$exists": false}}]}
    """
    return document if isinstance(document, Filter) else Filter(parse(document, within=within))


class Filter:
    """A condition on events; immutable. Call it with an event, or hand it to `log.where`.

    Attributes:
        node: What is meant, as a tree.
    """

    def __init__(self, node: Node) -> None:
        """Take a node; `filter` reads one from a document."""
        self.node = node

    def __call__(self, event: Event) -> bool:
        """Return whether an event matches."""
        return self.predicate(event)

    @cached_property
    def predicate(self) -> Predicate:
        """The function that decides on one event: the quickest to call in a loop."""
        return compile_predicate(self.optimized().node)

    @property
    def bounds(self) -> Bounds:
        """What follows for type, source and time, for whoever keeps events sorted by these."""
        return bounds_of(self.optimized().node)

    @property
    def paths(self) -> list[str]:
        """The paths that the filter looks at, each once."""
        return paths(self.node)

    def optimized(self, schema: LogSchema | None = None) -> Filter:
        """Return the filter that says the same in fewer and better ordered conditions.

        Args:
            schema: Of the log it is for: paths that hold no arrays allow for more.
        """
        return Filter(FilterOptimizer(schema).optimize(self.node).node)

    def compile(self, schema: LogSchema) -> Split:
        """Return what columns of a log decide, as a narwhals expression, and what is left.

        `log.where(filter)` and `log.frame("duckdb").filter(...)` take it from here.
        """
        decided, left = split(self.optimized(schema).node, schema)
        expression = expression_of(decided, schema)
        if isinstance(left, Everything):
            return Split(expression)
        return Split(expression, compile_predicate(left), tuple(paths(left)))

    def explain(self, log: EventLog) -> Explanation:
        """Run the filter on a log, condition by condition, and return what each did and cost."""
        from evanalytics.filters.explain import explain

        return explain(self.node, log)

    def sql(self, log: EventLog) -> str:
        """Return the DuckDB query of what columns decide, over a table `log`."""
        from evanalytics.filters.explain import sql_of

        return sql_of(self.compile(log.schema).expression, log)

    def to_dict(self) -> dict[str, Any]:
        """Return the filter as a document of JSON values; `filter` reads it back as the same."""
        return document_of(self.node)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the filter as JSON text; `from_json` reads it back as the same."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the filter of a JSON text.

        Raises:
            FilterError: It is no JSON, or no filter.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise FilterError(f"filter: not JSON: {error}") from error
        return cls(parse(document))

    def __and__(self, other: Filter) -> Filter:
        return Filter(And((self.node, other.node))) if isinstance(other, Filter) else NotImplemented

    def __or__(self, other: Filter) -> Filter:
        return Filter(Or((self.node, other.node))) if isinstance(other, Filter) else NotImplemented

    def __invert__(self) -> Filter:
        return Filter(negation(self.node))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.node == other.node

    def __hash__(self) -> int:
        return hash(self.node)

    def __str__(self) -> str:
        return self.to_json()

    def __repr__(self) -> str:
        return f"filter({self.to_dict()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return filter, (self.to_dict(),)
