"""The kernel that notebooks run in, mended where it would leave them unanswered.

ipykernel 7.0 to 7.3 sends its replies past the stream that reads its requests, on the same socket. A request
that arrives just then is not noticed, nor is any later one: the kernel is idle, and sliders and cells do
nothing until it is restarted (ipykernel's issue 1554; mended in 7.4).

This is an IPython extension as well: the kernels of the environment in which the package is installed load
it before their first cell, by `ipython_kernel_config.py.txt`, which the wheel puts into `etc/ipython`. Where
that is not read (`pip install --user`) or is overruled by one's own settings of kernels, it comes with the
first import of our widgets.
"""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython


def mend_replies() -> None:
    """Have the kernel that this runs in send its replies by way of that stream; elsewhere do nothing."""
    load_ipython_extension(get_ipython())


def load_ipython_extension(shell: Any) -> None:
    """Do the same for the kernel of an IPython shell."""
    kernel: Any = getattr(shell, "kernel", None)
    channel = getattr(kernel, "shell_channel_thread", None)
    manager: Any = getattr(channel, "manager", None)
    if hasattr(manager, "_shell_socket"):
        manager._shell_socket = kernel.shell_stream
