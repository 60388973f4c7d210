"""What the filter editor tells of a filter in words: its matches, its trees, its SQL; all of it escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

import polars as pl

from evanalytics.filters.explain import Explanation
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.preview import Count
from evanalytics.filters.tree import tree_text
from evanalytics.plots.theme import shorten

_CELL, _PAYLOAD, _RULE, _MOST_RULES = 60, 400, 120, 40


def count_text(count: Count, total: int) -> str:
    """Return how many events match, as a sentence."""
    if count.is_exact:
        return f"{count.events:,} of {total:,} events match."
    return f"At most {count.events:,} of {total:,} events match: the rest is decided event by event."


def matches_html(frame: pl.DataFrame, matches: int) -> str:
    """Return the first matches (from `first_matches`) as an HTML table."""
    if frame.is_empty():
        return _page("<p class='ev-hint'>No event matches.</p>")
    said = f"The first {frame.height:,} of {matches:,} matches, in order of arrival."
    head = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in frame.columns)
    rows = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in frame.iter_rows(named=True))
    table = (
        f"<div class='ev-scroll' tabindex='0'><table class='ev-figures'><tr>{head}</tr>{rows}</table></div>"
    )
    return _page(f"<p class='ev-hint'>{said}</p>{table}")


def trees_html(condition: Filter, explanation: Explanation) -> str:
    """Return the filter as a tree, as written and as optimized, with the rules that fired."""
    rules = explanation.rules
    lines = (
        f"<tr>{_cell(row['rule'], _CELL)}{_cell(row['before'], _RULE)}{_cell(row['after'], _RULE)}</tr>"
        for row in rules.head(_MOST_RULES).iter_rows(named=True)
    )
    heads = "<tr><th scope='col'>rule</th><th scope='col'>found</th><th scope='col'>made of it</th></tr>"
    table = (
        f"<div class='ev-scroll' tabindex='0'><table class='ev-figures'>{heads}{''.join(lines)}</table></div>"
    )
    optimized = filter(explanation.document)
    return _page(
        f"<h4>As written</h4>{_text(tree_text(condition.node))}"
        f"<h4>Optimized for this log</h4>{_text(tree_text(optimized.node))}"
        f"<h4>Rules that fired, in order: {rules.height}</h4>{table if rules.height else ''}"
    )


def sql_html(explanation: Explanation) -> str:
    """Return the DuckDB query of what columns decide, and what is left to the events."""
    left = explanation.optimized.filter(pl.col("why").is_not_null())
    whys = "".join(
        f"<li>{html.escape(shorten(row['condition'], _RULE))}: {html.escape(row['why'])}</li>"
        for row in left.iter_rows(named=True)
    )
    rest = f"<h4>Decided event by event, on what the query leaves</h4><ul>{whys}</ul>" if whys else ""
    return _page(f"<h4>DuckDB, over a table <code>log</code></h4>{_text(explanation.sql)}{rest}")


def _cells(row: dict[str, object]) -> Iterable[str]:
    for name, value in row.items():
        if name == "data":
            yield f"<td class='ev-payload'>{html.escape(shorten(str(value), _PAYLOAD))}</td>"
        else:
            yield _cell(f"{value:%Y-%m-%d %H:%M:%S.%f}" if name == "time" else str(value), _CELL)


def _cell(text: str, limit: int) -> str:
    return f"<td>{html.escape(shorten(text, limit))}</td>"


def _text(text: str) -> str:
    return f"<pre tabindex='0'>{html.escape(text)}</pre>"


def _page(inner: str) -> str:
    return f"<div class='ev-page'>{inner}</div>"
