"""Work beside the sliders: in a thread, some time after it was asked for, the latest request only."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable

import ipywidgets

from evanalytics.widgets.base import Notice, guarded


class Later:
    """Does something in a thread once nobody has asked for it again for a while.

    Only one run is under way at a time; whoever asks meanwhile gets another one after it.
    """

    def __init__(self, action: Callable[[], object], notice: Notice) -> None:
        """Plan nothing yet; an error of the action becomes a sentence in the notice."""
        self._run = guarded(action, notice)
        self._running = threading.Lock()
        self._timer: threading.Timer | None = None

    def ask(self, delay_s: float) -> None:
        """Run it in so many seconds, in place of what was planned."""
        self.cancel()
        self._timer = threading.Timer(delay_s, self._act)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Plan nothing; what is under way goes on."""
        if self._timer is not None:
            self._timer.cancel()

    def join(self) -> None:
        """Return once nothing is planned or under way."""
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join()

    def _act(self) -> None:
        with self._running:
            self._run()


class Task:
    """Does something long in a thread, its button disabled, while a line says for how long already."""

    def __init__(
        self,
        doing: str,
        action: Callable[[], object],
        button: ipywidgets.Button,
        *,
        status: ipywidgets.HTML,
        notice: Notice,
    ) -> None:
        """Prepare it; an error of the action becomes a sentence in the notice."""
        self._doing = doing
        self._run = guarded(action, notice)
        self._button = button
        self._status = status
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._act, daemon=True)

    def start(self) -> None:
        """Begin, unless the button says that it is under way already."""
        self._button.disabled = True
        self._status.value = self._progress = sentence(self._doing + " …", is_busy=True)
        self._thread.start()
        threading.Thread(target=self._tell, daemon=True).start()

    def join(self) -> None:
        """Return once it is done."""
        self._thread.join()

    def _act(self) -> None:
        try:
            self._run()
        finally:
            self._is_over.set()
            if self._status.value == self._progress:  # nothing was said about the result
                self._status.value = ""
            self._button.disabled = False

    def _tell(self) -> None:
        began = time.monotonic()
        while not self._is_over.wait(1):
            seconds = time.monotonic() - began
            self._status.value = self._progress = sentence(f"{self._doing} … {seconds:.0f} s", is_busy=True)


def sentence(text: str, *, is_busy: bool = False) -> str:
    """Return text as the HTML of a status line, which screen readers announce."""
    lines = "<br>".join(html.escape(line.strip()) for line in text.splitlines())
    return f"<p class='ev-status{' ev-busy' if is_busy else ''}' role='status' style='margin:0'>{lines}</p>"
