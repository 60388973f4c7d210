"""The filter editor in JupyterLab, in a real browser: by keyboard, with a mistake, offline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import PATIENCE_MS, run_notebook, save_notebook
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

NAME = "editor.ipynb"
CODE = """
import evanalytics as ev
log = ev.read_log("../data/orders.parquet", progress=False)
ev.widgets.FilterEditor(log, filter={"type": "order.created", "data.total": {"$gte": 50}})
"""
SAID = "() => document.querySelector('.ev-app .ev-status').textContent"
"""What the editor says about how many events match."""
DOCUMENT_HAS = "text => document.querySelector('.ev-document textarea').value.includes(text)"
MISTAKE = '{"data.total": {"$gtt": 5}}'


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    save_notebook(lab, NAME, CODE)
    with visiting(browser, reads=SAID) as visit:
        run_notebook(visit.page, lab, NAME, figures=1)
        yield visit


def write(visit: Visit, text: str) -> None:
    """Write a document as if by hand, and leave the field."""
    document = visit.page.get_by_label("filter document (JSON)")
    document.select_text()
    visit.page.keyboard.insert_text(text)
    document.blur()


def test_every_cell_runs(visit: Visit) -> None:
    assert visit.page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
    assert visit.page.locator(".ev-notice").count() == 0


def test_a_quantile_is_chosen_by_keyboard(visit: Visit) -> None:
    was = visit.said()

    visit.page.get_by_label("at least, (data.total)").focus()
    visit.page.keyboard.press("PageUp")

    visit.wait_for_another_than(was)


@pytest.mark.parametrize(
    ("name", "written"),
    [("not data.total", "$not"), ("order.completed, 4,670 events", "order.completed")],
    ids=["negated", "type"],
)
def test_a_box_is_ticked_by_keyboard(visit: Visit, name: str, written: str) -> None:
    was = visit.said()

    visit.page.get_by_role("checkbox", name=name).focus()
    visit.page.keyboard.press("Space")

    visit.wait_for_another_than(was)
    visit.page.wait_for_function(DOCUMENT_HAS, arg=written, timeout=PATIENCE_MS)


def test_another_field_brings_its_own_controls(visit: Visit) -> None:
    fields = visit.page.get_by_role("combobox", name="field data.total")
    fields.select_option(label="data.currency · 20,000 events")

    visit.page.get_by_role("checkbox", name="EUR").wait_for(timeout=PATIENCE_MS)
    assert visit.page.get_by_role("slider").count() == 0


def test_a_document_counts_once_the_field_is_left(visit: Visit) -> None:
    write(visit, '{"type": "order.cancelled"}')

    visit.page.get_by_text("291 of 20,000 events match.", exact=True).wait_for(timeout=PATIENCE_MS)
    ticked = visit.page.get_by_role("checkbox", name="order.cancelled, 291 events", checked=True)
    ticked.wait_for(timeout=PATIENCE_MS)


def test_a_mistake_is_told_and_goes_away(visit: Visit) -> None:
    was = visit.said()

    write(visit, MISTAKE)
    visit.page.locator(".ev-notice").filter(has_text="data.total.$gtt").wait_for(timeout=PATIENCE_MS)
    assert visit.said() == was

    write(visit, '{"type": "order.cancelled"}')
    visit.page.locator(".ev-notice").wait_for(state="detached", timeout=PATIENCE_MS)


def test_the_explanation_and_the_tabs_follow(visit: Visit) -> None:
    write(visit, '{"data.total": {"$gt": 1000}, "type": "order.created"}')

    visit.page.get_by_text("The first 10 of").wait_for(timeout=PATIENCE_MS)
    visit.page.get_by_role("tab", name="SQL").click()
    visit.page.get_by_text('"data__total" > 1000').wait_for(timeout=PATIENCE_MS)


@pytest.mark.parametrize("role", ["checkbox", "combobox", "button", "slider", "textbox"])
def test_every_control_has_a_name_of_its_own(visit: Visit, role: str) -> None:
    write(visit, '{"type": "order.created", "data.total": {"$gte": 10}, "id": {"$regex": "^evt"}}')
    visit.page.get_by_label("at least, (data.total)").wait_for(timeout=PATIENCE_MS)

    names = [control.aria_snapshot() for control in visit.page.locator(".ev-app").get_by_role(role).all()]

    assert names
    assert all('"' in name for name in names)
    assert len({name.splitlines()[0] for name in names}) == len(names)


def test_nothing_was_asked_of_other_machines(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_no_script_failed(visit: Visit) -> None:
    assert visit.errors == []
