"""A kernel answers what it is asked, also while it answers something else."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from evanalytics.kernel import mend_replies

_ROUNDS = 150
"""Kernels that send replies past their stream stopped answering within 40 rounds."""


@contextmanager
def _started(cell: str, arguments: list[str]) -> Iterator[BlockingKernelClient]:
    """A kernel that was started with further arguments, once a cell has run in it."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=arguments)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        reply = client.execute(cell, reply=True, timeout=60)
        assert reply["content"]["status"] == "ok"
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(
    params=[("", []), ("import evanalytics.widgets", ["--InteractiveShellApp.extensions=[]"])],
    ids=["as it starts where we are installed", "with our widgets alone"],
)
def kernel(request: pytest.FixtureRequest) -> Iterator[BlockingKernelClient]:
    with _started(*request.param) as client:
        yield client


def test_no_request_that_arrives_during_a_reply_is_lost(kernel: BlockingKernelClient) -> None:
    pauses = random.Random(1)
    for _ in range(_ROUNDS):
        asked = set()
        for _ in range(4):
            asked.add(kernel.kernel_info())
            _pass(pauses.uniform(0, 0.004))
        while asked:
            asked.discard(kernel.get_shell_msg(timeout=10)["parent_header"]["msg_id"])


def test_extensions_of_the_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text("c.InteractiveShellApp.extensions = ['autoreload']")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))

    with _started("", []) as client:
        loaded = client.execute(
            "assert {'IPython.extensions.autoreload', 'evanalytics.kernel'} <= get_ipython().extension_manager.loaded",
            reply=True,
        )

    assert loaded["content"]["status"] == "ok"


def test_outside_a_kernel_there_is_nothing_to_mend() -> None:
    mend_replies()


def _pass(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
