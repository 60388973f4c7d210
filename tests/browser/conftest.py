"""A JupyterLab and an app of our own, and a headless Chromium, for tests of what a visitor meets."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evanalytics.app.lab import lab_command, lab_environment

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
    options = [
        "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={root}", "--ServerApp.disable_check_xsrf=True",
    ]  # fmt: skip
    environment = lab_environment(_own_settings(root / "home"))
    with _running(lab_command(options), root / "lab.log", environment) as server:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, server)
        yield address


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, with its token, of the app in a folder of logs; `app_folder` is that folder."""
    root = app_folder(tmp_path_factory)
    command = [sys.executable, "-m", "evanalytics.cli", "app", "--no-browser", "--port", str(_free_port())]
    said = root / "home" / "app.log"
    with _running(command, said, _own_settings(root / "home"), folder=root) as server:
        for _ in range(1_200):
            assert server.poll() is None, f"the app ended: {said.read_text()}"
            if found := re.search(r"http://\S+token=\w+", said.read_text()):
                yield found[0]
                return
            time.sleep(0.1)
        pytest.fail("the app did not say its address within two minutes")


def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the app is started in."""
    root = tmp_path_factory.getbasetemp() / "app"
    (root / "home").mkdir(parents=True, exist_ok=True)
    return root


def _own_settings(home: Path) -> dict[str, str]:
    own = {f"JUPYTER{name}": str(home) for name in ("_DATA_DIR", "_RUNTIME_DIR", "_CONFIG_DIR")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home) for name in ("SETTINGS", "WORKSPACES")}
    path = os.pathsep.join(filter(None, [str(NOTEBOOKS.parent), os.environ.get("PYTHONPATH", "")]))
    own |= {"IPYTHONDIR": str(home), "PYTHONPATH": path, "EVANALYTICS_STRICT_WIDGETS": "1"}
    return {**os.environ, **own}


@contextmanager
def _running(
    command: list[str], log: Path, environment: dict[str, str], *, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder
        )
        try:
            yield server
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
