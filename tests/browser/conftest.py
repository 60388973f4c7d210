"""A JupyterLab of our own and a headless Chromium, for tests of what a visitor meets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("EVANALYTICS_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path; install one, or name it in EVANALYTICS_CHROMIUM")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab on copies of the notebooks, with settings of its own."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns(".*"))
    (root / "data").symlink_to(NOTEBOOKS.parent / "data")
    port = _free_port()
    home = {f"JUPYTER{name}": str(root / "home") for name in ("_DATA_DIR", "_RUNTIME_DIR", "_CONFIG_DIR")}
    home |= {f"JUPYTERLAB_{name}_DIR": str(root / "home") for name in ("SETTINGS", "WORKSPACES")}
    options = [
        "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=", "--allow-root",
        f"--ServerApp.root_dir={root}", "--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with (root / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **home, "IPYTHONDIR": str(root / "home"), "EVANALYTICS_STRICT_WIDGETS": "1"},
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server)
            yield address
        finally:
            server.terminate()
            server.wait(15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        assert server.poll() is None, "JupyterLab ended; its log is lab.log beside the notebooks' copies"
        try:
            opener.open(f"{address}/api/status", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("JupyterLab did not answer within a minute")
