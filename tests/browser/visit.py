"""A page that is open, what went wrong on it, and what it asked of other machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.browser.running import PATIENCE_MS


@dataclass
class Visit:
    """An open page; `reads` is a script for the one thing on it that a test watches."""

    page: Any
    reads: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def said(self) -> str:
        """Return what the page says now."""
        return str(self.page.evaluate(self.reads))

    def wait_for_another_than(self, was: str) -> None:
        """Wait until it says something else."""
        self.page.wait_for_function(f"was => String(({self.reads})()) !== was", arg=was, timeout=PATIENCE_MS)


@contextmanager
def visiting(browser: Any, *, reads: str = "() => ''", height: int = 2_000) -> Iterator[Visit]:
    """Open an empty page that is watched, in a browser or a context of one; closed in the end."""
    page = browser.new_page()
    page.set_viewport_size({"width": 1280, "height": height})
    visit = Visit(page, reads)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("request", lambda request: _note(visit, request.url))
    yield visit
    page.close()


def _note(visit: Visit, url: str) -> None:
    here = ("127.0.0.1", "localhost")
    if urlsplit(url).scheme.startswith(("http", "ws")) and urlsplit(url).hostname not in here:
        visit.elsewhere.append(url)
