"""HTML that is made of parts: whatever is not markup already is text, and is escaped on its way in."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from evanalytics.plots.theme import shorten

_NAME, _SENTENCE = 80, 400


class Markup(str):
    """Text that is HTML already. Made of constants and of parts that were escaped, of nothing else."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | int | bool) -> Markup:
    """Return an element; attributes are written `class_="wide"`, `aria_label="..."`, `data_chart="x"`.

    Example:
        >>> tag("p", "1 < 2", tag("b", "!"), class_="note")
        '<p class="note">1 &lt; 2<b>!</b></p>'
    """
    return Markup(f"<{name}{_written(attributes)}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """Return parts one after the other, text escaped."""
    return Markup("".join(part if isinstance(part, Markup) else html.escape(part) for part in parts))


def named(text: str) -> str:
    """Return a name from a log on one line, shortened; it is still text, to be escaped."""
    return shorten(text, _NAME)


def sentence(text: str) -> str:
    """Return a sentence that may quote a log, likewise; it may be longer."""
    return shorten(text, _SENTENCE)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> Markup:
    """Return a table with a caption; a row's first cell is its heading.

    Args:
        caption: What the table shows.
        heads: Names of the columns.
        rows: Cells, as many as there are names.
        left: How many columns, from the first, hold text; the others hold numbers.
    """
    head = tag("tr", *(tag("th", name, scope="col", class_=_side(at, left)) for at, name in enumerate(heads)))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=_side(at, left)) for at, cell in enumerate(row[1:], start=1)),
        )
        for row in rows
    ]
    parts = (tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return scrolled(tag("table", *parts), caption)


def pairs(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return names with what is said of each."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in rows))


def listed(sentences: Iterable[str]) -> Markup:
    """Return a list of sentences."""
    return tag("ul", *(tag("li", sentence) for sentence in sentences))


def scrolled(content: Markup, name: str) -> Markup:
    """Return what may be wider than the window, in a place that scrolls, by keyboard too."""
    return tag("div", content, class_="scroll", role="region", tabindex="0", aria_label=name)


def folded(summary: str, *content: str) -> Markup:
    """Return what is shown once somebody asks for it."""
    return tag("details", tag("summary", summary), *content)


def section(name: str, heading: str, *content: str) -> Markup:
    """Return a section with its heading; `name` is its anchor."""
    title = tag("h2", heading, id=f"{name}-heading")
    return tag("section", title, *content, id=name, aria_labelledby=f"{name}-heading")


def _side(at: int, left: int) -> str:
    return "text" if at < left else "number"


def _written(attributes: dict[str, str | int | bool]) -> str:
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
    )
