"""The filter editor in JupyterLab, in a real browser: by keyboard, with a mistake, offline."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser

NAME = "notebooks/editor.ipynb"
CODE = """
import evanalytics as ev
log = ev.read_log("../data/orders.parquet", progress=False)
ev.widgets.FilterEditor(log, filter={"type": "order.created", "data.total": {"$gte": 50}})
"""
EXPOSE_APP = """
new MutationObserver((_, observer) => {
  const config = document.getElementById('jupyter-config-data');
  if (!config) return;
  try {
    config.textContent = JSON.stringify({ ...JSON.parse(config.textContent), exposeAppInBrowser: true });
    observer.disconnect();
  } catch { /* not whole yet */ }
}).observe(document, { childList: true, subtree: true });
"""
IS_READY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady"
RUN_ALL = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
SAID = "() => document.querySelector('.ev-app .ev-status').textContent"
"""What the editor says about how many events match."""
MISTAKE = '{"data.total": {"$gtt": 5}}'


@dataclass
class Visit:
    """An open notebook, and what went wrong or left the machine meanwhile."""

    page: Any
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def said(self) -> str:
        """Return how many events the editor says match."""
        return str(self.page.evaluate(SAID))

    def wait_for_another_than(self, was: str) -> None:
        """Wait until it says another number."""
        self.page.wait_for_function(f"was => ({SAID})() !== was", arg=was, timeout=20_000)

    def write(self, text: str) -> None:
        """Write a document as if by hand, and leave the field."""
        document = self.page.get_by_label("filter document (JSON)")
        document.select_text()
        self.page.keyboard.insert_text(text)
        document.blur()


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    _save_notebook(lab)
    page = browser.new_page(viewport={"width": 1280, "height": 2_000})
    visit = Visit(page)
    page.add_init_script(EXPOSE_APP)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("request", lambda request: _note(visit, request.url))
    page.goto(f"{lab}/doc/tree/{NAME}", wait_until="domcontentloaded")
    page.wait_for_function(IS_READY, timeout=60_000)
    page.evaluate(RUN_ALL)
    page.locator(".ev-app .js-plotly-plot").wait_for(timeout=90_000)
    yield visit
    page.close()


def _save_notebook(lab: str) -> None:
    """Put a notebook of one cell where the others are."""
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": CODE,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    body = json.dumps({"type": "notebook", "content": content}).encode()
    request = urllib.request.Request(f"{lab}/api/contents/{NAME}", data=body, method="PUT")
    urllib.request.urlopen(request, timeout=20).close()


def _note(visit: Visit, url: str) -> None:
    if urlsplit(url).scheme.startswith(("http", "ws")) and urlsplit(url).hostname != "127.0.0.1":
        visit.elsewhere.append(url)


def test_every_cell_runs(visit: Visit) -> None:
    assert visit.page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
    assert visit.page.locator(".ev-notice").count() == 0


def test_a_quantile_is_chosen_by_keyboard(visit: Visit) -> None:
    was = visit.said()

    visit.page.get_by_label("at least, (data.total)").focus()
    visit.page.keyboard.press("PageUp")

    visit.wait_for_another_than(was)


def test_a_condition_is_negated_by_keyboard(visit: Visit) -> None:
    was = visit.said()

    visit.page.get_by_role("checkbox", name="not").first.focus()
    visit.page.keyboard.press("Space")

    visit.wait_for_another_than(was)
    assert "$ne" in visit.page.get_by_label("filter document (JSON)").input_value()


def test_a_document_counts_once_the_field_is_left(visit: Visit) -> None:
    visit.write('{"type": "order.cancelled"}')

    visit.page.get_by_text("291 of 20,000 events match.", exact=True).wait_for(timeout=20_000)
    assert visit.page.get_by_role("checkbox", name="order.cancelled, 291 events").is_checked()


def test_a_mistake_is_told_and_goes_away(visit: Visit) -> None:
    was = visit.said()

    visit.write(MISTAKE)
    visit.page.locator(".ev-notice").filter(has_text="data.total.$gtt").wait_for(timeout=20_000)
    assert visit.said() == was

    visit.write('{"type": "order.cancelled"}')
    visit.page.locator(".ev-notice").wait_for(state="detached", timeout=20_000)


def test_the_explanation_and_the_tabs_follow(visit: Visit) -> None:
    visit.write('{"data.total": {"$gt": 1000}, "type": "order.created"}')

    visit.page.get_by_text("The first 10 of").wait_for(timeout=20_000)
    visit.page.get_by_role("tab", name="SQL").click()
    visit.page.get_by_text('"data__total" > 1000').wait_for(timeout=20_000)


@pytest.mark.parametrize("role", ["checkbox", "combobox", "button", "slider", "textbox"])
def test_every_control_has_a_name(visit: Visit, role: str) -> None:
    visit.write('{"type": "order.created", "data.total": {"$gte": 10}, "id": {"$regex": "^evt"}}')
    visit.page.get_by_label("at least, (data.total)").wait_for(timeout=20_000)

    names = [control.aria_snapshot() for control in visit.page.locator(".ev-app").get_by_role(role).all()]

    assert names
    assert all('"' in name for name in names)


def test_nothing_was_asked_of_other_machines(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_no_script_failed(visit: Visit) -> None:
    assert visit.errors == []
