"""The notebook's event loop, for widgets whose work goes on in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from evanalytics.widgets.base import Notice, guarded

Result = TypeVar("Result")


class HomeLoop:
    """The event loop in which a widget was built.

    While a cell runs, JupyterLab delivers callbacks in another thread; what they ask for is done here.
    """

    def __init__(self) -> None:
        """Take the loop that is running, if there is one."""
        self._loop = _running_loop()

    @property
    def is_there(self) -> bool:
        """Whether a loop was running when the widget was built, as in a notebook."""
        return self._loop is not None

    def create_task(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Begin work in the loop; only from inside it."""
        assert self._loop is not None, "there is no loop; ask is_there first"
        return self._loop.create_task(work)

    def act(self, action: Callable[[], object], notice: Notice) -> None:
        """Act in the loop: now if this is it, else as soon as it can; there an error becomes a sentence."""
        if self._loop is None or self._loop.is_closed() or _running_loop() is self._loop:
            action()
        else:
            self._loop.call_soon_threadsafe(guarded(action, notice))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
