"""An IPython extension for the kernels of dashboards: a cell that fails says so in a sentence.

A dashboard shows no code, so a traceback would tell its reader nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from IPython.display import HTML, display

from evanalytics.widgets.base import STYLE, alert, reason


class _Told:
    """Shows the first error; what fails after it fails because of it."""

    def __init__(self) -> None:
        self._once = False

    def __call__(
        self,
        shell: Any,
        kind: type[Exception],
        error: Exception,
        trace: TracebackType | None,
        tb_offset: int | None = None,
    ) -> list[str]:
        if not self._once:
            self._once = True
            text = (
                f"This could not be done: {reason(error)}. What comes below is missing; another log may do."
            )
            style = f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
            display(HTML(f"{style}<div class='ev'>{alert(text)}</div>"))
        return []


def load_ipython_extension(shell: Any) -> None:
    """Let IPython show errors as sentences."""
    told = _Told()
    shell.set_custom_exc((Exception,), lambda *arguments, **options: told(*arguments, **options))
