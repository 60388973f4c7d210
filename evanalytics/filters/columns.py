"""Filters over columns: a node becomes a narwhals expression wherever columns tell exactly.

The same expression runs on polars and DuckDB. Their logic has three values, a filter's has
two. A null leaves a row out, so a bare condition is right until it is negated. Negations are
pushed down to the single conditions; there `not a` becomes `not a or column is null`. (Each
`coalesce(a, false)` would be right, too, but engines do not push it down to the file: 3x on
DuckDB, measured.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.filters.leaf_tests import value_test
from evanalytics.filters.nodes import (
    EVERYTHING,
    And,
    Compare,
    ElementMatches,
    Everything,
    Exists,
    In,
    Leaf,
    Matches,
    Mod,
    Node,
    Not,
    Nothing,
    Or,
    Size,
    conjunction,
    conjuncts,
    disjunction,
)
from evanalytics.filters.schema import ColumnPath, NeverThere, Undecided, column_path
from evanalytics.filters.values import MISSING
from evanalytics.logs.log import LogSchema, Split
from evanalytics.logs.schema import SEQ

Condition = nw.Expr | bool
"""A boolean expression, or what is so for every row."""

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_FEW = 12
_COMPARE: dict[str, Callable[[nw.Expr, Any], nw.Expr]] = {
    "$eq": lambda column, value: column == value,
    "$gt": lambda column, value: column > value,
    "$gte": lambda column, value: column >= value,
    "$lt": lambda column, value: column < value,
    "$lte": lambda column, value: column <= value,
}


def why_undecided(node: Node, schema: LogSchema) -> str | None:
    """Return why columns cannot decide a condition; None if they can."""
    if isinstance(node, And | Or):
        return next(filter(None, (why_undecided(part, schema) for part in node.parts)), None)
    if isinstance(node, Not):
        return why_undecided(node.part, schema)
    return _why_leaf(node, schema) if isinstance(node, Leaf) else None


def split(node: Node, schema: LogSchema) -> tuple[Node, Node]:
    """Return what columns decide and what is left; a row counts if it meets both.

    Of a condition that is left, the part that columns can tell goes along with the first: of
    `(a and b) or c` with b undecided, that is `a or c`.
    """
    decided, left = [], []
    for part in conjuncts(node):
        if why_undecided(part, schema) is None:
            decided.append(part)
        else:
            left.append(part)
            weaker = _weakened(part, schema)
            decided += [] if isinstance(weaker, Everything) else [weaker]
    return conjunction(decided), conjunction(left)


def expression_of(node: Node, schema: LogSchema) -> nw.Expr | None:
    """Return a condition that columns decide as an expression; None if it holds for every row."""
    condition = _write(node, schema, negated=False)
    if condition is True:
        return None
    return nw.col(SEQ) < 0 if condition is False else condition


@dataclass(frozen=True, slots=True)
class ByColumns:
    """A condition that columns decide, as `log.where` takes it."""

    node: Node

    def compile(self, schema: LogSchema) -> Split:
        """Return its expression; nothing is left to the events."""
        return Split(expression_of(self.node, schema))


def _weakened(node: Node, schema: LogSchema) -> Node:
    """Return what a condition that columns cannot decide lets them tell: it holds wherever that does."""
    if why_undecided(node, schema) is None:
        return node
    if isinstance(node, And):
        parts = [_weakened(part, schema) for part in node.parts]
        return conjunction([part for part in parts if not isinstance(part, Everything)])
    if isinstance(node, Or):
        parts = [_weakened(part, schema) for part in node.parts]
        return EVERYTHING if EVERYTHING in parts else disjunction(parts)
    if isinstance(node, Not) and isinstance(node.part, Exists):
        absent: Node = Compare(node.part.path, "$eq", None)
        return absent if why_undecided(absent, schema) is None else EVERYTHING
    return EVERYTHING


def _why_leaf(leaf: Leaf, schema: LogSchema) -> str | None:
    known = column_path(leaf.path, schema)
    if isinstance(known, Undecided):
        return known.reason
    if isinstance(known, NeverThere):
        return None
    if isinstance(leaf, Exists) and not known.told_apart:
        return "null at this path can be a value or nothing"
    if isinstance(leaf, Matches) and not leaf.regex.is_portable:
        return r"\b is another thing to each engine"
    if isinstance(leaf, Mod) and known.dtype == pl.Float64():
        return "engines differ in remainders of fractions"
    return None


def _write(node: Node, schema: LogSchema, *, negated: bool) -> Condition:
    if isinstance(node, Everything | Nothing):
        return isinstance(node, Everything) != negated
    if isinstance(node, Not):
        return _write(node.part, schema, negated=not negated)
    if isinstance(node, And | Or):
        parts = [_write(part, schema, negated=negated) for part in node.parts]
        return _any(parts) if isinstance(node, Or) != negated else _all(parts)
    assert isinstance(node, Leaf)
    return _negated(node, schema) if negated else _positive(node, schema)


def _positive(leaf: Leaf, schema: LogSchema) -> Condition:
    known = column_path(leaf.path, schema)
    if isinstance(known, NeverThere):
        return _holds_for_null(leaf)
    assert isinstance(known, ColumnPath)
    return _leaf(leaf, known)


def _negated(leaf: Leaf, schema: LogSchema) -> Condition:
    condition, known = _positive(leaf, schema), column_path(leaf.path, schema)
    if isinstance(condition, bool):
        return not condition
    if isinstance(known, ColumnPath) and known.nullable and not _holds_for_null(leaf):
        return ~condition | nw.col(known.column).is_null()
    return ~condition  # a condition that holds for null is never null itself


def _holds_for_null(leaf: Leaf) -> bool:
    return not isinstance(leaf, ElementMatches) and value_test(leaf)(MISSING)


def _leaf(leaf: Leaf, known: ColumnPath) -> Condition:
    column = nw.col(known.column)
    match leaf:
        case Compare(value=None):
            return _is_null(column, known) if leaf.operator in ("$eq", "$gte", "$lte") else False
        case Compare():
            return _compare(column, known.dtype, leaf.operator, leaf.value)
        case In():
            return _in(column, known, leaf.values)
        case Exists():
            return ~column.is_null() if known.nullable else True
        case Matches():
            return _matches(column, leaf) if known.dtype == pl.String() else False
        case Mod():
            return _mod(column, leaf) if known.dtype == pl.Int64() else False
        case Size() | ElementMatches():
            return False
    raise AssertionError(leaf)


def _is_null(column: nw.Expr, known: ColumnPath) -> Condition:
    return column.is_null() if known.nullable else False


def _compare(column: nw.Expr, dtype: pl.DataType, operator: str, value: Any) -> Condition:
    """Compare a column with a literal; values of another kind than the column's never match."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype == pl.String() and isinstance(value, str):
        return _COMPARE[operator](column, value)
    if dtype == pl.Boolean() and isinstance(value, bool):
        return _compare_boolean(column, operator, value)
    if dtype == pl.Int64() and number:
        return _compare_integer(column, operator, value)
    if dtype == pl.Float64() and number:
        return _compare_float(column, operator, value)
    if isinstance(dtype, pl.Datetime) and isinstance(value, datetime):
        return _COMPARE[operator](column, value)
    return False


def _compare_boolean(column: nw.Expr, operator: str, value: bool) -> Condition:
    leaf = value_test(Compare("", operator, value))  # type: ignore[arg-type]
    matching = [candidate for candidate in (False, True) if leaf(candidate)]
    if len(matching) == 2:
        return ~column.is_null()
    return column == matching[0] if matching else False


def _compare_integer(column: nw.Expr, operator: str, value: float) -> Condition:
    """Compare with a whole number within 64 bits, for engines turn other ones into doubles."""
    whole = _whole(value)
    if operator == "$eq":
        return False if whole is None else column == whole
    upward = operator in ("$gt", "$gte")
    if not _SMALLEST <= value <= _LARGEST:
        return ~column.is_null() if upward == (value < 0) else False
    if whole is not None:
        return _COMPARE[operator](column, whole)
    return column > math.floor(value) if upward else column < math.ceil(value)


def _whole(value: float) -> int | None:
    """Return a number as an integer of 64 bits; None if it is none."""
    if not _SMALLEST <= value <= _LARGEST:
        return None
    return int(value) if value == int(value) else None


def _compare_float(column: nw.Expr, operator: str, value: float) -> Condition:
    """Compare with a double: one that stands beside an integer which no double is."""
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf if value > 0 else -math.inf
    if operator == "$eq":
        return column == nearest if nearest == value else False
    if nearest != value:  # no double lies between the two
        upward = operator in ("$gt", "$gte")
        operator = ("$gt" if upward else "$lte") if nearest < value else ("$gte" if upward else "$lt")
    return _COMPARE[operator](column, nearest)


def _in(column: nw.Expr, known: ColumnPath, values: Sequence[Any]) -> Condition:
    equal = [_literal(value, known.dtype) for value in values]
    literals = list(dict.fromkeys(value for value in equal if value is not None))
    conditions: list[Condition] = [_is_null(column, known)] if None in values else []
    if len(literals) <= _FEW:
        conditions += [column == value for value in literals]
    else:
        conditions.append(column.is_in(literals))
    return _any(conditions)


def _literal(value: Any, dtype: pl.DataType) -> Any:
    """Return a literal as a value of a column's type; None if no value of that type equals it."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype == pl.Int64():
        return _whole(value) if number else None
    if dtype == pl.Float64():
        try:
            return float(value) if number and float(value) == value else None
        except OverflowError:
            return None
    wanted = {pl.String(): str, pl.Boolean(): bool}.get(dtype, datetime)
    return value if isinstance(value, wanted) else None


def _matches(column: nw.Expr, leaf: Matches) -> nw.Expr:
    """Look for a text as such where the expression is but a text: engines do that faster."""
    if leaf.regex.fixed is None:
        return column.str.contains(leaf.regex.text)
    how, text = leaf.regex.fixed
    if how == "is":
        return column == text
    if how == "starts":
        return column.str.starts_with(text)
    return column.str.ends_with(text) if how == "ends" else column.str.contains(text, literal=True)


def _mod(column: nw.Expr, leaf: Mod) -> Condition:
    """Ask for a remainder with the sign of the dividend, as MongoDB has it.

    Of -7 % 3 polars says 2, DuckDB -1: below zero either answer is taken.
    """
    divisor, remainder = abs(leaf.divisor), leaf.remainder
    if abs(remainder) >= divisor:
        return False
    if remainder == 0:
        return column % divisor == 0
    if remainder > 0:
        return (column > 0) & (column % divisor == remainder)
    return (column < 0) & ((column % divisor == remainder) | (column % divisor == divisor + remainder))


def _all(conditions: Any) -> Condition:
    return _joined(list(conditions), absorbing=False, join=lambda one, other: one & other)


def _any(conditions: Sequence[Condition]) -> Condition:
    return _joined(list(conditions), absorbing=True, join=lambda one, other: one | other)


def _joined(
    conditions: list[Condition], *, absorbing: bool, join: Callable[[nw.Expr, nw.Expr], nw.Expr]
) -> Condition:
    """Join expressions as a balanced tree: engines read a thousand of them, but not nested."""
    if absorbing in [condition for condition in conditions if isinstance(condition, bool)]:
        return absorbing
    left = [condition for condition in conditions if not isinstance(condition, bool)]
    while len(left) > 1:
        pairs = zip(left[::2], left[1::2], strict=False)
        left = [join(one, other) for one, other in pairs] + left[len(left) - len(left) % 2 :]
    return left[0] if left else not absorbing
