"""The notebook of order analytics as a visitor meets it: the graph is drawn, and a click opens a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import run_notebook
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

NAME = "05_order_analytics_stream.ipynb"
APP = ".ev-app"
SHOWS = "text => document.querySelector('.ev-app').textContent.includes(text)"


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    with visiting(browser, height=2_400) as visit:
        page = visit.page
        run_notebook(page, lab, NAME)
        page.locator(f"{APP} .ev-rows").nth(1).wait_for(timeout=120_000)
        page.locator(f"{APP} .ev-actions").evaluate("bar => bar.scrollIntoView({ block: 'center' })")
        page.locator(f"{APP} .bars .point").nth(7).wait_for(timeout=60_000)
        yield visit


@pytest.fixture(scope="module")
def page(visit: Visit) -> Any:
    return visit.page


def test_every_cell_runs(page: Any) -> None:
    assert page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
    assert page.locator(f"{APP} .ev-notice").count() == 0


def test_each_node_is_a_box_that_says_its_name(page: Any) -> None:
    assert page.locator(f"{APP} .bars .point").count() == 8
    assert "order-metrics" in page.locator(f"{APP} .js-plotly-plot").first.text_content()


def test_a_click_on_a_box_shows_its_rows(page: Any) -> None:
    box = page.locator(f"{APP} .bars .point", has_text="order-metrics").bounding_box()

    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)

    page.wait_for_function(SHOWS, arg="order-metrics · out: the first 50 rows", timeout=20_000)


def test_a_node_and_its_output_are_chosen_by_keyboard(page: Any) -> None:
    app = page.locator(APP)
    app.get_by_label("node", exact=True).select_option(label="order-payment-join (join)")
    page.wait_for_function(SHOWS, arg="order-payment-join · out", timeout=20_000)

    app.get_by_label("output", exact=True).focus()
    page.keyboard.press("ArrowDown")

    page.wait_for_function(SHOWS, arg="order-payment-join · late_left", timeout=20_000)


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.ev-app :is(input, select, button)')].filter(control =>
            !(control.getAttribute('aria-label') || control.title || control.textContent.trim()
              || [...(control.labels || [])].some(label => label.textContent.trim()))).map(c => c.outerHTML)"""
    )

    assert nameless == []


def test_nothing_leaves_this_machine(visit: Visit) -> None:
    assert visit.elsewhere == []
