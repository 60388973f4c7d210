"""The app: each notebook as a dashboard, offline, by keyboard, accessible, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import app_folder
from tests.browser.running import PATIENCE_MS
from tests.browser.trying import use_everything, what_is_wrong
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

FIGURE = "() => document.querySelector('.ev-app .js-plotly-plot')?.innerHTML"
ROWS = "() => document.querySelector('.ev-app .ev-rows')?.innerText"
MOVED: dict[
    str, tuple[str, str, str] | None
] = {  # the start of a notebook's name: a control, a key that moves it, and what then changes
    "01": ("Time range: from, UTC", "PageUp", FIGURE),
    "02": ("flush interval, s", "ArrowRight", FIGURE),
    "03": ("at least, (data.total)", "PageUp", FIGURE),
    "04": ("load, % of capacity", "ArrowRight", FIGURE),
    "05": ("node", "ArrowDown", ROWS),
    "06": None,  # it has no controls
}
HAS_RUN = """() => document.querySelectorAll('.jp-OutputArea').length > 0
  && document.querySelectorAll('.voila-skeleton-container').length === 0"""
IS_DRAWN = "() => document.querySelector('.js-plotly-plot .main-svg .trace')"
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def signed_in(browser: Any, app: str) -> Iterator[Any]:
    """A context of the browser that has shown its token, as after a click on the printed address."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(app)
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="module", params=sorted(MOVED))
def dashboard(request: pytest.FixtureRequest, signed_in: Any, app: str) -> Iterator[tuple[str, Visit]]:
    """A notebook that was chosen on the start page and has run."""
    number = request.param
    with visiting(signed_in, reads=(MOVED[number] or ("", "", FIGURE))[2]) as visit:
        visit.page.goto(app.split("?")[0])
        visit.page.locator(f"button[value^='{number}']").click()
        visit.page.wait_for_function(HAS_RUN, timeout=3 * PATIENCE_MS)
        visit.page.wait_for_function(IS_DRAWN, timeout=PATIENCE_MS)
        yield number, visit


def violations(page: Any) -> list[str]:
    """Return what axe-core finds that is serious or worse, with the places."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['target']}: {node['html'][:200]}: {node['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]


def test_every_part_runs_without_an_error(dashboard: tuple[str, Visit]) -> None:
    _, visit = dashboard

    assert visit.page.locator(".ev-notice").all_inner_texts() == []
    assert visit.page.locator("[data-mime-type*='error'], [data-mime-type*='stderr']").count() == 0


def test_no_code_is_visible(dashboard: tuple[str, Visit]) -> None:
    _, visit = dashboard

    assert visit.page.locator(".jp-CodeCell .jp-InputArea, .cm-editor, .jp-InputPrompt").count() == 0
    assert "import evanalytics" not in visit.page.locator(".jp-CodeCell").first.inner_text()


def test_a_control_moved_by_keyboard_redraws(dashboard: tuple[str, Visit]) -> None:
    number, visit = dashboard
    if MOVED[number] is None:
        pytest.skip("this notebook has no controls")
    label, key, _ = MOVED[number]
    was = visit.said()

    visit.page.locator(".ev-app").get_by_label(label, exact=True).first.focus()
    visit.page.keyboard.press(key)

    visit.wait_for_another_than(was)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(dashboard: tuple[str, Visit], theme: str) -> None:
    _, visit = dashboard
    visit.page.emulate_media(color_scheme=theme)

    visit.page.wait_for_function(f"() => document.documentElement.dataset.theme === '{theme}'")
    assert violations(visit.page) == []


def test_it_is_no_wider_than_a_narrow_window(dashboard: tuple[str, Visit]) -> None:
    _, visit = dashboard
    visit.page.set_viewport_size({"width": 480, "height": 900})

    visit.page.wait_for_function(
        "() => document.documentElement.scrollWidth <= window.innerWidth", timeout=PATIENCE_MS
    )


def test_everything_can_be_used(dashboard: tuple[str, Visit]) -> None:
    number, visit = dashboard

    used = use_everything(visit)

    assert MOVED[number] is None or used
    assert what_is_wrong(visit.page) == []


def test_nothing_was_asked_of_other_machines(dashboard: tuple[str, Visit]) -> None:
    assert dashboard[1].elsewhere == []


def test_no_script_failed(dashboard: tuple[str, Visit]) -> None:
    assert dashboard[1].errors == []


@pytest.fixture
def start(signed_in: Any, app: str) -> Iterator[Visit]:
    with visiting(signed_in, height=1_000) as visit:
        visit.page.goto(app.split("?")[0])
        yield visit


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_start_page(start: Visit, theme: str) -> None:
    start.page.emulate_media(color_scheme=theme)

    assert violations(start.page) == []


def test_the_button_changes_the_theme_and_it_stays(start: Visit) -> None:
    start.page.emulate_media(color_scheme="light")
    start.page.get_by_role("button", name="Use the dark theme").click()
    start.page.reload()

    assert start.page.evaluate("document.documentElement.dataset.theme") == "dark"
    start.page.get_by_role("button", name="Use the light theme").click()
    start.page.evaluate("localStorage.clear()")


def test_a_stranger_is_asked_for_the_token(browser: Any, app: str) -> None:
    with visiting(browser) as visit:
        answer = visit.page.goto(app.split("?")[0] + "voila/render/01_replay_an_event_log.ipynb")

        assert "/login" in answer.url


def test_a_log_that_is_not_there_is_told_in_a_sentence(start: Visit) -> None:
    start.page.get_by_role("radio", name="a file or a folder").check()
    start.page.get_by_label("Path of a log").fill("<b>nowhere</b>.ndjson")
    start.page.locator("button[value^='01']").click()

    assert "<b>nowhere</b>.ndjson: no such file" in start.page.get_by_role("alert").inner_text()


def test_a_folder_of_logs_is_listed_and_one_is_shown(
    start: Visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = app_folder(tmp_path_factory) / "logs"
    folder.mkdir(exist_ok=True)
    rows = [f"e{n},click,web,2026-01-01T00:00:0{n}Z" for n in range(3)]
    (folder / "three.csv").write_text("\n".join(["id,type,source,time", *rows]), encoding="utf-8")
    start.page.get_by_role("radio", name="a file or a folder").check()
    start.page.get_by_label("Path of a log").fill("logs")
    start.page.locator("button[value^='01']").click()

    start.page.get_by_role("radio", name="three.csv").check()
    start.page.locator("button[value^='01']").click()

    start.page.get_by_text("three.csv").first.wait_for(timeout=PATIENCE_MS)
    start.page.locator("td", has_text="2026-01-01 00:00:00").first.wait_for(timeout=2 * PATIENCE_MS)


def test_a_log_that_cannot_be_read_is_told_in_a_sentence(
    start: Visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = app_folder(tmp_path_factory) / "not.parquet"
    path.write_bytes(b"this is no parquet file")
    start.page.get_by_role("radio", name="a file or a folder").check()
    start.page.get_by_label("Path of a log").fill(str(path))
    start.page.locator("button[value^='01']").click()

    start.page.locator(".ev-notice", has_text="not.parquet").wait_for(timeout=2 * PATIENCE_MS)
    assert "Traceback" not in start.page.inner_text("main")
