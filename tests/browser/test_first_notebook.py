"""The first notebook as a visitor meets it: every cell runs, and every control redraws by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running import PATIENCE_MS, run_notebook
from tests.browser.trying import use_everything, what_is_wrong
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

NAME = "01_replay_an_event_log.ipynb"
CORNER = """() => [...document.querySelector('.ev-figure').querySelectorAll('.annotation-text')]
  .map(text => text.textContent).find(text => / events · /.test(text)).split(' · ')[0]"""
"""What the timeline says about how many events it shows."""
FROM, TO = "Time range: from, UTC", "Time range: to, UTC"


@pytest.fixture(scope="module")
def visit(browser: Any, lab: str) -> Iterator[Visit]:
    with visiting(browser, reads=CORNER) as visit:
        run_notebook(visit.page, lab, NAME)
        yield visit


def test_every_cell_runs(visit: Visit) -> None:
    assert visit.page.locator(".jp-RenderedText[data-mime-type*='error']").count() == 0
    assert visit.page.locator(".ev-notice").count() == 0


def test_jupyterlab_asks_nothing(visit: Visit) -> None:
    assert visit.page.locator(".Toastify__toast").count() == 0


def test_figures_are_as_wide_as_their_place(visit: Visit) -> None:
    visit.page.wait_for_function(
        "() => [...document.querySelectorAll('.ev-figure')].every(box =>"
        " Math.abs(box.querySelector('.main-svg').getBoundingClientRect().width - box.clientWidth) < 3)",
        timeout=PATIENCE_MS,
    )

    assert visit.page.locator(".ev-figure").count() == 2


@pytest.mark.parametrize(("name", "key"), [(FROM, "PageUp"), (TO, "ArrowLeft")])
def test_the_time_range_is_moved_by_keyboard(visit: Visit, name: str, key: str) -> None:
    was = visit.said()
    thumb = visit.page.get_by_label(name)

    thumb.focus()
    for _ in range(5):
        visit.page.keyboard.press(key)

    visit.wait_for_another_than(was)


def test_a_type_is_left_out_by_keyboard(visit: Visit) -> None:
    was = visit.said()

    visit.page.get_by_role("checkbox").first.focus()
    visit.page.keyboard.press("Space")

    visit.wait_for_another_than(was)


def test_the_whole_log_comes_back(visit: Visit) -> None:
    whole = visit.said()
    visit.page.get_by_label(TO).focus()
    visit.page.keyboard.press("PageDown")
    visit.wait_for_another_than(whole)
    narrowed = visit.said()

    visit.page.get_by_role("button", name="Whole log").click()

    visit.wait_for_another_than(narrowed)


def test_play_hands_out_events_and_pause_stops(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Play", exact=True).click()
    visit.page.get_by_text("Playing:").wait_for(timeout=PATIENCE_MS)

    visit.page.get_by_role("button", name="Pause", exact=True).click()

    visit.page.get_by_text("Paused:").wait_for(timeout=PATIENCE_MS)


@pytest.mark.parametrize("role", ["slider", "checkbox", "button"])
def test_every_control_of_the_widgets_has_a_name(visit: Visit, role: str) -> None:
    controls = visit.page.locator(".ev-app").get_by_role(role)

    names = [control.aria_snapshot() for control in controls.all()]
    assert names
    assert all('"' in name for name in names)


def test_nothing_is_wrong_when_everything_was_used(visit: Visit) -> None:
    used = use_everything(visit)

    assert "button" in used
    assert what_is_wrong(visit.page) == []


def test_nothing_was_asked_of_other_machines(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_no_script_failed(visit: Visit) -> None:
    assert visit.errors == []


def test_figures_are_waited_for_longer_than_two_seconds(visit: Visit) -> None:
    """What would give up after a millisecond has not given up after a hundred: nothing does within a minute."""
    gave_up = visit.page.evaluate(
        """async () => {
            const one = AbortSignal.timeout(1);
            await new Promise(done => setTimeout(done, 100));
            return one.aborted;
        }"""
    )

    assert gave_up is False
