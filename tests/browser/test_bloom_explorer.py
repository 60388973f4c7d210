"""The fourth notebook in JupyterLab: the explorer is drawn, measured, and follows the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import PATIENCE_MS, run_notebook
from tests.browser.trying import use_everything, what_is_wrong
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

NAME = "04_size_a_bloom_filter.ipynb"
IS_MEASURED = (
    "() => document.querySelectorAll('.js-plotly-plot')[0]?.querySelectorAll('.errorbar').length > 10"
)
CORNER = """() => [...document.querySelectorAll('.ev-figure .annotation-text')]
  .map(text => text.textContent).find(text => / ids · /.test(text)).split(' · ')[0]"""
"""What the figure's corner says of how full the filter is."""


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    with visiting(browser) as visit:
        run_notebook(visit.page, lab, NAME)
        visit.page.wait_for_function(IS_MEASURED, timeout=PATIENCE_MS)
        yield visit


@pytest.fixture(scope="module")
def page(visit: Visit) -> Any:
    return visit.page


def test_no_cell_failed(page: Any) -> None:
    assert page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
    assert page.locator(".ev-notice").count() == 0


def test_memory_and_time_are_measured_without_being_asked_for(page: Any) -> None:
    page.get_by_text("to hold 20,000 ids").first.wait_for(timeout=PATIENCE_MS)

    bars = page.locator(".js-plotly-plot").nth(1).locator(".bars .point")
    assert bars.count() >= 8


@pytest.mark.parametrize("slider", ["capacity, ids", "error rate, %", "load, % of capacity"])
def test_the_arrow_keys_move_a_slider_and_redraw_the_formula(page: Any, slider: str) -> None:
    before = page.locator(".js-plotly-plot").first.inner_html()

    page.get_by_label(slider).focus()
    page.keyboard.press("ArrowRight")

    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot').innerHTML !== before",
        arg=before,
        timeout=PATIENCE_MS,
    )


def test_the_corner_says_how_full_it_is_and_a_real_filter_is_measured_again(page: Any) -> None:
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function(f"() => ({CORNER})() === '20,000 of 20,000 ids'", timeout=PATIENCE_MS)

    page.get_by_label("load, % of capacity").focus()
    page.keyboard.press("ArrowRight")

    page.wait_for_function(f"() => ({CORNER})() === '22,000 of 20,000 ids'", timeout=PATIENCE_MS)
    page.wait_for_function(IS_MEASURED, timeout=PATIENCE_MS)
    page.get_by_text("Holding 22,000 ids it is mistaken for").wait_for(timeout=PATIENCE_MS)


def test_the_button_measures_at_the_capacity(page: Any) -> None:
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function(f"() => ({CORNER})() === '20,000 of 20,000 ids'", timeout=PATIENCE_MS)

    page.get_by_label("capacity, ids").focus()
    page.keyboard.press("ArrowRight")

    page.get_by_role("button", name="Measure time and memory").click()

    page.get_by_text("to hold 30,000 ids").first.wait_for(timeout=PATIENCE_MS)


@pytest.mark.parametrize("role", ["slider", "button"])
def test_every_control_has_a_name(page: Any, role: str) -> None:
    names = [control.aria_snapshot() for control in page.locator(".ev-app").get_by_role(role).all()]

    assert names
    assert all('"' in name for name in names)


def test_nothing_is_wrong_when_everything_was_used(visit: Visit) -> None:
    used = use_everything(visit)

    assert "button" in used
    assert what_is_wrong(visit.page) == []


def test_nothing_leaves_this_machine(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_no_script_failed(visit: Visit) -> None:
    assert visit.errors == []
