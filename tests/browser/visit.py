"""A page that is open, what went wrong on it, and what it asked of other machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.browser.running import PATIENCE_MS

_ASKED = re.compile(rb'"msg_type":\s*"comm_msg"')
_IDLE = re.compile(rb'"execution_state":\s*"idle"')
_LOOK_MS = 50
_LOOKS = 3
"""So often in a row nothing must be going on."""


@dataclass
class Visit:
    """An open page; `reads` is a script for the one thing on it that a test watches.

    `asked` counts what widgets asked of kernels, `answered` after how many of these a kernel was idle again.
    """

    page: Any
    reads: str
    asked: int = 0
    answered: int = 0
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def said(self) -> str:
        """Return what the page says now."""
        return str(self.page.evaluate(self.reads))

    def wait_for_another_than(self, was: str) -> None:
        """Wait until it says something else."""
        self.page.wait_for_function(f"was => String(({self.reads})()) !== was", arg=was, timeout=PATIENCE_MS)

    def wait_until_quiet(self) -> None:
        """Wait until kernels have answered everything and no widget says that it is at work."""
        quiet = 0
        for _ in range(3 * PATIENCE_MS // _LOOK_MS):
            is_busy = self.answered < self.asked or self.page.locator(".ev-busy").count() > 0
            quiet = 0 if is_busy else quiet + 1
            if quiet == _LOOKS:
                return
            self.page.wait_for_timeout(_LOOK_MS)
        raise AssertionError(f"{self.asked - self.answered} requests are open, or a widget is at work")

    def _sent(self, frame: str | bytes) -> None:
        self.asked += bool(_ASKED.search(_bytes(frame)))

    def _received(self, frame: str | bytes) -> None:
        self.answered += bool(_ASKED.search(_bytes(frame)) and _IDLE.search(_bytes(frame)))

    def listen(self, socket: Any) -> None:
        """Count what goes over a socket between widgets and their kernel."""
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)


@contextmanager
def visiting(browser: Any, *, reads: str = "() => ''", height: int = 2_000) -> Iterator[Visit]:
    """Open an empty page that is watched, in a browser or a context of one; closed in the end."""
    page = browser.new_page()
    page.set_viewport_size({"width": 1280, "height": height})
    visit = Visit(page, reads)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("request", lambda request: _note(visit, request.url))
    page.on("websocket", visit.listen)
    yield visit
    page.close()


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def _note(visit: Visit, url: str) -> None:
    here = ("127.0.0.1", "localhost")
    if urlsplit(url).scheme.startswith(("http", "ws")) and urlsplit(url).hostname not in here:
        visit.elsewhere.append(url)
