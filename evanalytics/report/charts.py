"""A plotly figure inside the page: its data as JSON, what it shows in words, and its numbers in a table."""

from __future__ import annotations

import html
from typing import Any

from evanalytics.report.markup import Markup, scrolled, tag


def chart(name: str, figure: Any, *, caption: str, says: str, numbers: Markup | None = None) -> Markup:
    """Return a figure with its caption and its text alternative.

    Args:
        name: An anchor, unique in the page.
        figure: A plotly figure.
        caption: What it shows, in a few words.
        says: What it says, for those who cannot see it; also read by those who can.
        numbers: A table of what is drawn.
    """
    height = f"height:{int(figure.layout.height)}px"
    place = tag("div", id=name, class_="chart", style=height, role="img", aria_label=f"{caption}. {says}")
    text = tag("figcaption", tag("strong", f"{caption}. "), says)
    data = Markup(
        f'<script type="application/json" data-chart="{html.escape(name)}">{_json(figure)}</script>'
    )
    return tag("figure", scrolled(place, caption), data, text, *([numbers] if numbers else []))


def _json(figure: Any) -> str:
    """Return a figure as JSON in which nothing can end the script that holds it."""
    text: str = figure.to_json()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
