"""The kernel that widgets are used from, mended where it would leave them unanswered."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython


def mend_replies() -> None:
    """Have the kernel that this runs in send its replies by way of the stream that reads its requests.

    ipykernel 7.0 to 7.3 sends them past that stream, on the same socket. A request that arrives just then is
    not noticed, nor is any later one: the kernel is idle, and sliders and cells do nothing until it is
    restarted (ipykernel's issue 1554). Outside such a kernel this does nothing.
    """
    kernel: Any = getattr(get_ipython(), "kernel", None)
    channel = getattr(kernel, "shell_channel_thread", None)
    manager: Any = getattr(channel, "_manager", None)
    if hasattr(manager, "_shell_socket"):
        manager._shell_socket = kernel.shell_stream
