"""Opening a notebook in JupyterLab and running all its cells."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

PATIENCE_MS = 60_000
"""How long to wait for what should come at once: a busy machine is no fault of what is tested."""
_ATTEMPTS = 3
_RUN_ALL = "() => { void window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
_DARK = "() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
_HAS_BEGUN = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
  .some(prompt => /[0-9]/.test(prompt.textContent))"""
_SHUT_DOWN = """() => Promise.race([
  window.jupyterapp.shell.currentWidget.sessionContext.shutdown(), new Promise(done => setTimeout(done, 5000))])"""
_EXPOSE_APP = """
new MutationObserver((_, observer) => {
  const config = document.getElementById('jupyter-config-data');
  if (!config) return;
  try {
    config.textContent = JSON.stringify({ ...JSON.parse(config.textContent), exposeAppInBrowser: true });
    observer.disconnect();
  } catch { /* not whole yet */ }
}).observe(document, { childList: true, subtree: true });
"""
_ARE_DRAWN = """count => [...document.querySelectorAll('.js-plotly-plot')]
  .filter(figure => figure.querySelector('.main-svg .trace')).length >= count"""
_IS_READY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady"

_HAS_RUN = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
  return kernel?.status === 'idle' && !prompts.some(prompt => prompt.textContent.includes('*'));
}"""


def wait_until_run(page: Any) -> None:
    """Wait until no cell runs any more and the kernel has nothing to do."""
    page.wait_for_function(_HAS_RUN, timeout=3 * PATIENCE_MS)


def run_notebook(page: Any, lab: str, name: str, *, figures: int = 2, dark: bool = False) -> None:
    """Open a notebook and run it; return once so many figures are drawn.

    A kernel that has run nothing after two minutes is replaced, twice at most: one that is asked while it
    starts may never answer.
    """
    from playwright.sync_api import TimeoutError  # where playwright is missing these tests are skipped

    page.add_init_script(_EXPOSE_APP)
    for attempt in range(1, _ATTEMPTS + 1):
        page.goto(f"{lab}/doc/tree/notebooks/{name}", wait_until="domcontentloaded")
        page.wait_for_function(_IS_READY, timeout=2 * PATIENCE_MS)
        if dark:
            use_dark_theme(page)
        page.evaluate(_RUN_ALL)
        try:
            page.wait_for_function(_HAS_BEGUN, timeout=2 * PATIENCE_MS)
        except TimeoutError:
            if attempt == _ATTEMPTS:
                raise
            page.evaluate(_SHUT_DOWN)
        else:
            break
    page.wait_for_function(_ARE_DRAWN, arg=figures, timeout=2 * PATIENCE_MS)


def save_notebook(lab: str, name: str, code: str) -> None:
    """Put a notebook of one cell where the others are."""
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": code,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    _save(lab, name, {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def save_copy(lab: str, notebook: Path, name: str, **parameters: object) -> None:
    """Put a copy of a notebook, with other parameters, where the others are."""
    content = json.loads(notebook.read_text())
    (cell,) = (cell for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", []))
    cell["source"] = "".join(cell["source"]) + "".join(f"\n{key} = {v!r}" for key, v in parameters.items())
    _save(lab, name, content)


def use_dark_theme(page: Any) -> None:
    """Turn JupyterLab dark, once it has started."""
    page.evaluate(_DARK)
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'", timeout=PATIENCE_MS)


def _save(lab: str, name: str, content: dict[str, Any]) -> None:
    body = json.dumps({"type": "notebook", "content": content}).encode()
    request = urllib.request.Request(f"{lab}/api/contents/notebooks/{name}", data=body, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()
