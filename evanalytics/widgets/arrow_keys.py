"""Arrow keys for the choices of our widgets, which JupyterLab would take for itself."""

from __future__ import annotations

import anywidget

from evanalytics.widgets.base import STATIC


class ArrowKeys(anywidget.AnyWidget):  # type: ignore[misc]
    """Something invisible that lets every dropdown of our widgets on the page keep its arrow keys."""

    _esm = STATIC / "arrow_keys.js"
