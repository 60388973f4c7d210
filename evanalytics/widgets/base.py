"""What every widget shares: errors become a sentence beside the controls, and bare controls look alike."""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets

from evanalytics.exceptions import EvAnalyticsError

STATIC = Path(__file__).parent / "static"
STYLE = STATIC / "style.css"
STRICT_VARIABLE = "EVANALYTICS_STRICT_WIDGETS"


class Notice(ipywidgets.HTML):  # type: ignore[misc]
    """A line beside the controls that is empty while all is well; screen readers announce it."""

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__()
        self.text = ""

    def show(self, text: str) -> None:
        """Show a sentence; an empty one clears the line."""
        if text != self.text:
            self.text = text
            self.value = alert(text) if text else ""


def guarded(action: Callable[..., Any], notice: Notice) -> Callable[..., None]:
    """Return the action made safe as a callback of a widget.

    An exception in a callback is invisible in JupyterLab, and what is shown goes silently stale.
    Here it becomes a sentence; it is raised as well where the environment variable
    EVANALYTICS_STRICT_WIDGETS is "1", as it is in tests. The next success clears the sentence.
    """

    @functools.wraps(action)
    def run(*arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:
            notice.show(told(error))
            if is_strict():
                raise
        else:
            notice.show("")

    return run


def on_change(
    control: ipywidgets.Widget, action: Callable[[Any], Any], notice: Notice, *, name: str = "value"
) -> None:
    """Call `action` with the new value whenever a control changes, guarded.

    Args:
        control: Any widget.
        action: Takes the new value.
        notice: Where an error is shown.
        name: Which of the control's traits to watch.
    """
    run = guarded(action, notice)
    control.observe(lambda change: run(change["new"]), names=name)


def spoken(text: str, more: str) -> str:
    """Return a description as HTML that shows a text, and that screen readers read with more words behind it.

    For controls with `description_allow_html`.
    """
    return f"{html.escape(text)}<span class='ev-spoken'> {html.escape(more)}</span>"


def labelled_button(text: str, hint: str) -> ipywidgets.Button:
    """Return a button in the widgets' look; the hint says what it does."""
    return ipywidgets.Button(description=text, tooltip=hint).add_class("ev-button")


def replace_children(box: ipywidgets.Box, children: Sequence[ipywidgets.Widget]) -> None:
    """Put other widgets into a box, and close those that are there no longer: nothing else does that."""
    gone = [child for child in box.children if child not in children]
    box.children = children
    for child in gone:
        _close(child)


def told(error: Exception) -> str:
    """Return an error as a sentence for the person in front of it."""
    return f"This could not be done: {reason(error)}. What is shown has not changed."


def reason(error: Exception) -> str:
    """Return what an error says; one that nobody raised on purpose says of which kind it is."""
    return str(error) if isinstance(error, EvAnalyticsError) else f"{type(error).__name__}: {error}"


def alert(text: str) -> str:
    """Return a sentence as HTML that stands out, and that screen readers announce."""
    return f"<p class='ev-notice' role='alert'>{html.escape(text)}</p>"


def _close(widget: ipywidgets.Widget) -> None:
    """Close a widget and what is part of it."""
    parts = [*getattr(widget, "children", ()), *(getattr(widget, name, None) for name in ("layout", "style"))]
    for part in parts:
        if isinstance(part, ipywidgets.Widget):
            _close(part)
    widget.close()


def is_strict() -> bool:
    """Return whether errors are to be raised as well as shown, as tests ask for."""
    return os.environ.get(STRICT_VARIABLE) == "1"


def written(value: float) -> str:
    """Return a number as people write it: six digits, or as many as stand before its point.

    Example:
        >>> written(1_000_000.0), written(1_234_567.8), written(0.1234567), written(1e300)
        ('1,000,000', '1,234,568', '0.123457', '1e+300')
    """
    before_point = len(f"{abs(value):.0f}") if abs(value) < 1e15 else 0
    return f"{value:,.{max(6, before_point)}g}"
