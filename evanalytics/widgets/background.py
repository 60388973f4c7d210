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


class StatusLine(ipywidgets.HTML):  # type: ignore[misc]
    """A line that says what is going on or what came of it; several may write on it."""

    value: str

    def __init__(self) -> None:
        """Say nothing yet."""
        super().__init__()
        self._writing = threading.Lock()

    def say(self, text: str, *, is_busy: bool = False, instead_of: str | None = None) -> str:
        """Show a text, and return what to give as `instead_of` to go on from it.

        Args:
            text: What to say; an empty one clears the line.
            is_busy: Whether something is still going on.
            instead_of: Write only if this is still what stands there, or nothing does: what somebody
                else has said since then stays.
        """
        with self._writing:
            if instead_of is not None and self.value not in (instead_of, ""):
                return instead_of
            self.value = sentence(text, is_busy=is_busy) if text else ""
            return self.value


class Task:
    """Does something long in a thread, its button disabled, while a line says for how long already."""

    def __init__(
        self,
        doing: str,
        action: Callable[[], object],
        button: ipywidgets.Button,
        *,
        status: StatusLine,
        notice: Notice,
    ) -> None:
        """Prepare it; an error of the action becomes a sentence in the notice."""
        self._doing = doing
        self._run = guarded(action, notice)
        self._button = button
        self._status = status
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._act, daemon=True)
        self._clock = threading.Thread(target=self._tell, daemon=True)

    def start(self) -> None:
        """Begin, unless the button says that it is under way already."""
        self._button.disabled = True
        self._said = self._status.say(f"{self._doing} …", is_busy=True)
        self._clock.start()
        self._thread.start()

    def join(self) -> None:
        """Return once it is done."""
        self._thread.join()

    def _act(self) -> None:
        try:
            self._run()
        finally:
            self._is_over.set()
            self._clock.join()
            self._status.say("", instead_of=self._said)  # nothing was said about the result
            self._button.disabled = False

    def _tell(self) -> None:
        began = time.monotonic()
        while not self._is_over.wait(1):
            seconds = time.monotonic() - began
            text = f"{self._doing} … {seconds:.0f} s"
            self._said = self._status.say(text, is_busy=True, instead_of=self._said)


def sentence(text: str, *, is_busy: bool = False) -> str:
    """Return text as the HTML of a status line, which screen readers announce."""
    lines = "<br>".join(html.escape(line.strip()) for line in text.splitlines())
    return f"<p class='ev-status{' ev-busy' if is_busy else ''}' role='status' style='margin:0'>{lines}</p>"
