"""Opening a notebook in JupyterLab and running all its cells."""

from __future__ import annotations

from typing import Any

_RUN_ALL = """async () => {
  const app = window.jupyterapp;
  await app.commands.execute('notebook:run-all-cells');
}"""
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
_IS_READY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady"


def run_notebook(page: Any, lab: str, name: str) -> None:
    """Open a notebook and run it; return once two figures are on the page."""
    page.add_init_script(_EXPOSE_APP)
    page.goto(f"{lab}/doc/tree/notebooks/{name}", wait_until="domcontentloaded")
    page.wait_for_function(_IS_READY, timeout=60_000)
    page.evaluate(_RUN_ALL)
    page.locator(".js-plotly-plot").nth(1).wait_for(timeout=60_000)
