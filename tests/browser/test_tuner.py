"""The tuner in JupyterLab, in a real browser: it is drawn, it follows the keyboard, it stays offline."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import PATIENCE_MS, run_notebook, save_notebook
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

NAME = "tuner.ipynb"
CODE = """
import evanalytics as ev
tuner = ev.widgets.Tuner(ev.read_log("../data/orders.parquet", progress=False))
tuner
"""


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    save_notebook(lab, NAME, CODE)
    with visiting(browser, height=1_400) as visit:
        run_notebook(visit.page, lab, NAME)
        yield visit


@pytest.fixture(scope="module")
def page(visit: Visit) -> Any:
    return visit.page


def test_both_figures_are_drawn(page: Any) -> None:
    drawn = "() => [...document.querySelectorAll('.js-plotly-plot')].every(g => g.querySelectorAll('.trace path').length > 3)"

    page.wait_for_function(drawn, timeout=PATIENCE_MS)

    assert page.locator(".js-plotly-plot").count() == 2


def test_the_arrow_keys_move_a_slider_and_redraw_the_curve(page: Any) -> None:
    curve = page.locator(".js-plotly-plot").first.locator(".scatterlayer .trace path.js-line").nth(0)
    before = curve.get_attribute("d")

    page.get_by_label("flush interval, s").focus()
    page.keyboard.press("ArrowRight")

    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot .scatterlayer .trace path.js-line').getAttribute('d') !== before",
        arg=before,
        timeout=PATIENCE_MS,
    )


def test_the_numbers_follow(page: Any) -> None:
    page.get_by_label("max batch size, events").focus()
    page.keyboard.press("Home")

    page.locator(".ev-figures").filter(has_text="20,000").wait_for(timeout=PATIENCE_MS)


def test_a_drag_over_the_timeline_that_is_cut_off_changes_nothing(page: Any) -> None:
    plot, told = page.locator(".ev-timeline-plot"), page.locator(".ev-timeline output")
    before = told.inner_text()
    box = plot.bounding_box()
    middle = box["y"] + box["height"] / 2

    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    assert told.inner_text() != before
    plot.dispatch_event("pointercancel")
    page.mouse.move(box["x"] + 0.7 * box["width"], middle)

    assert told.inner_text() == before
    page.mouse.up()
    assert told.inner_text() == before


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.ev-app :is(input, select, button)')].filter(control =>
            !(control.getAttribute('aria-label') || control.title || control.textContent.trim()
              || [...(control.labels || [])].some(label => label.textContent.trim()))).map(c => c.outerHTML)"""
    )

    assert nameless == []


def test_the_button_recommends(page: Any) -> None:
    page.get_by_role("button", name="Recommend").click()

    page.get_by_text("Least requests with p99").wait_for(timeout=PATIENCE_MS)


def test_nothing_leaves_this_machine(visit: Visit) -> None:
    assert visit.elsewhere == []
