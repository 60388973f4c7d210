"""A kernel answers what it is asked, also while it answers something else."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from evanalytics.kernel import mend_replies

_ROUNDS = 150
"""Kernels that send replies past their stream stopped answering within 40 rounds."""


@pytest.fixture(
    params=[("", []), ("import evanalytics.widgets", ["--InteractiveShellApp.extensions=[]"])],
    ids=["as it starts where we are installed", "with our widgets alone"],
)
def kernel(request: pytest.FixtureRequest) -> Iterator[BlockingKernelClient]:
    """A kernel in which a cell has run, started with further arguments."""
    cell, arguments = request.param
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=arguments)
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    reply = client.execute(cell, reply=True, timeout=60)
    assert reply["content"]["status"] == "ok"
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_no_request_that_arrives_during_a_reply_is_lost(kernel: BlockingKernelClient) -> None:
    pauses = random.Random(1)
    for _ in range(_ROUNDS):
        asked = set()
        for _ in range(4):
            asked.add(kernel.kernel_info())
            _pass(pauses.uniform(0, 0.004))
        while asked:
            asked.discard(kernel.get_shell_msg(timeout=10)["parent_header"]["msg_id"])


def test_outside_a_kernel_there_is_nothing_to_mend() -> None:
    mend_replies()


def _pass(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
