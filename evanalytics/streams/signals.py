"""SIGINT and SIGTERM, as calls on the event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evanalytics.exceptions import StreamError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_signals(callback: Callable[[], object]) -> Iterator[None]:
    """Call back at SIGINT and SIGTERM, which end nothing by themselves meanwhile.

    Raises:
        StreamError: This is not the main thread, or the system knows no such signals.
    """
    loop = asyncio.get_running_loop()
    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, callback)
    except RuntimeError as error:
        raise StreamError(
            f"handle_signals: only the main thread can take signals, where the system has them ({error}); "
            "leave it out, and call stop"
        ) from error
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
