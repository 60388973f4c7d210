"""The notebook of order analytics as a visitor meets it: the graph is drawn, a click opens a node, live is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import run_notebook, wait_until_run
from tests.browser.trying import use_everything, what_is_wrong
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

NAME = "05_order_analytics_stream.ipynb"
APP = ".ev-inspector"
MONITOR = ".ev-monitor"
SHOWS = "text => document.querySelector('.ev-inspector').textContent.includes(text)"


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    with visiting(browser, height=2_400) as visit:
        page = visit.page
        run_notebook(page, lab, NAME)
        page.locator(f"{APP} .ev-rows").nth(1).wait_for(timeout=120_000)
        page.locator(f"{MONITOR} .ev-status", has_text="Ended").wait_for(timeout=240_000)
        wait_until_run(page)
        page.locator(f"{APP} .ev-actions").evaluate("bar => bar.scrollIntoView({ block: 'center' })")
        page.locator(f"{APP} .bars .point").nth(7).wait_for(timeout=60_000)
        yield visit


@pytest.fixture(scope="module")
def page(visit: Visit) -> Any:
    return visit.page


def test_every_cell_runs(page: Any) -> None:
    assert page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
    assert page.locator(".ev-app .ev-notice").count() == 0


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


def test_an_output_of_another_node_is_chosen_in_one_step(page: Any) -> None:
    page.locator(APP).get_by_label("output", exact=True).select_option(label="order-metrics · late")

    page.wait_for_function(SHOWS, arg="order-metrics · late: ", timeout=20_000)
    assert page.locator(APP).get_by_label("node", exact=True).input_value() == "order-metrics (aggregator)"


def test_live_bars_have_grown_to_those_of_the_replay(page: Any) -> None:
    """Both are bars of as many nodes; the live ones say their rows."""
    page.locator(f"{MONITOR} .bars .point").first.wait_for(state="attached", timeout=60_000)
    lengths = page.evaluate(
        """() => { const shown = document.querySelector('.ev-monitor .js-plotly-plot').data;
          return ['batch replay', 'live'].map(name => [...shown.find(bar => bar.name === name).x].slice(1)); }"""
    )

    assert lengths[0] == lengths[1]
    assert min(lengths[1]) > 0


def test_a_run_is_started_and_stopped_by_keyboard(page: Any) -> None:
    monitor = page.locator(MONITOR)
    monitor.get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    monitor.locator(".ev-status", has_text="Running").wait_for(timeout=60_000)

    monitor.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")

    monitor.locator(".ev-status", has_text="Ended").wait_for(timeout=60_000)


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.ev-app :is(input, select, button)')].filter(control =>
            !(control.getAttribute('aria-label') || control.title || control.textContent.trim()
              || [...(control.labels || [])].some(label => label.textContent.trim()))).map(c => c.outerHTML)"""
    )

    assert nameless == []


def test_nothing_is_wrong_when_everything_was_used(visit: Visit) -> None:
    used = use_everything(visit)

    assert "button" in used
    assert what_is_wrong(visit.page) == []


def test_nothing_leaves_this_machine(visit: Visit) -> None:
    assert visit.elsewhere == []
