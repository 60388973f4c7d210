"""The tuner in JupyterLab, in a real browser: it is drawn, it follows the keyboard, it stays offline."""

import json
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

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SAMPLE = Path(__file__).parents[2] / "data" / "orders.parquet"
CODE = f"import evanalytics as ev\ntuner = ev.widgets.Tuner(ev.read_log({str(SAMPLE)!r}))\ntuner"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
]


def notebook() -> str:
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": CODE,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "tuner.ipynb").write_text(notebook(), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = [f"--port={port}", "--no-browser", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    flags += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    flags += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "EVANALYTICS_STRICT_WIDGETS": "1",
    }
    with open(folder / "server.log", "wb") as output:
        command = [sys.executable, "-m", "jupyter", "lab", *flags]
        server = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
    try:
        wait_for(f"http://127.0.0.1:{port}/api")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise TimeoutError(f"{address} does not answer")


@pytest.fixture(scope="module")
def page(lab: str) -> Iterator[Any]:
    """The notebook after its cell has run; `page.left` lists requests that left this machine."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.left = []
        page.on("request", lambda request: note_if_leaving(request.url, lab, page.left))
        page.goto(f"{lab}/lab/tree/tuner.ipynb")
        page.locator(".jp-Cell .cm-content").first.click(timeout=60_000)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
        page.keyboard.press("Shift+Enter")
        page.locator(".js-plotly-plot").nth(1).wait_for(timeout=90_000)
        yield page
        browser.close()


def note_if_leaving(url: str, home: str, left: list[str]) -> None:
    inside = (home, home.replace("http", "ws"), "data:", "blob:")
    if not url.startswith(inside):
        left.append(url)


def test_both_figures_are_drawn(page: Any) -> None:
    drawn = "() => [...document.querySelectorAll('.js-plotly-plot')].every(g => g.querySelectorAll('.trace path').length > 3)"

    page.wait_for_function(drawn, timeout=60_000)

    assert page.locator(".js-plotly-plot").count() == 2


def test_the_arrow_keys_move_a_slider_and_redraw_the_curve(page: Any) -> None:
    curve = page.locator(".js-plotly-plot").first.locator(".scatterlayer .trace path.js-line").nth(0)
    before = curve.get_attribute("d")

    page.get_by_label("flush interval, s").focus()
    page.keyboard.press("ArrowRight")

    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot .scatterlayer .trace path.js-line').getAttribute('d') !== before",
        arg=before,
        timeout=10_000,
    )


def test_the_numbers_follow(page: Any) -> None:
    before = page.locator(".ev-figures").inner_text()

    page.get_by_label("max batch size, events").focus()
    page.keyboard.press("Home")

    page.wait_for_function(
        "before => document.querySelector('.ev-figures').innerText !== before", arg=before, timeout=10_000
    )
    assert "20,000" in page.locator(".ev-figures").inner_text()


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.ev-app :is(input, select, button)')].filter(control =>
            !(control.getAttribute('aria-label') || control.title || control.textContent.trim()
              || [...(control.labels || [])].some(label => label.textContent.trim()))).map(c => c.outerHTML)"""
    )

    assert nameless == []


def test_the_button_recommends(page: Any) -> None:
    page.get_by_role("button", name="Recommend").click()

    page.get_by_text("Least requests with p99").wait_for(timeout=60_000)


def test_nothing_leaves_this_machine(page: Any) -> None:
    assert page.left == []
