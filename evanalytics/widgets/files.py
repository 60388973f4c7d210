"""Text to take along: shown, and offered as files that need no server."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping


def files_html(files: Mapping[str, str]) -> str:
    """Return texts as HTML to be read, copied or saved, each under its file name."""
    return "".join(
        f"<p><a download='{name}' href='data:text/plain;base64,{_base64(text)}'>Save {name}</a></p>"
        f"<pre tabindex='0'>{html.escape(text)}</pre>"
        for name, text in files.items()
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
