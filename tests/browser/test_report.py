"""A report in a real browser: drawn, readable on both themes and narrow screens, silent, deaf to a hostile log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import evanalytics as ev
from tests.browser.running import PATIENCE_MS
from tests.hostile import MARK, SCRIPTS, write_hostile_log

pytestmark = pytest.mark.browser

ARE_DRAWN = """() => [...document.querySelectorAll('.chart')].every(place =>
  place.querySelector('.main-svg .trace') || place.querySelector('.main-svg .hm'))"""
CONTRASTS = """() => {
  const ink = color => color.match(/[\\d.]+/g).map(Number);
  const light = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = light(ink(getComputedStyle(document.body).backgroundColor));
  const texts = document.querySelectorAll('h1, p, td, th, dt, dd, a, summary, figcaption, caption, .xtick text, .gtitle');
  return [...texts].map(text => {
    const style = getComputedStyle(text);
    const own = light(ink(text.namespaceURI.endsWith('svg') ? style.fill : style.color));
    return (Math.max(own, paper) + 0.05) / (Math.min(own, paper) + 0.05);
  });
}"""


@dataclass
class Visit:
    """An open report, and what it did beyond being shown."""

    page: Any
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=["orders", "hostile"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    if request.param == "orders":
        log = ev.read_log(Path(__file__).parents[2] / "data" / "orders.parquet", progress=False)
        return ev.write_report(log, folder / "orders.html", progress=False)
    log = ev.read_log(write_hostile_log(folder / "log.ndjson"), progress=False)
    return ev.write_report(log, folder / "hostile.html", title=SCRIPTS[1], progress=False)


@pytest.fixture(scope="module", params=[("light", 1_200), ("dark", 1_200), ("dark", 360)], ids=str)
def visit(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    scheme, width = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    visit = Visit(page)
    page.on("dialog", lambda dialog: (visit.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: visit.requests.append(asked.url))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("console", lambda message: visit.complaints.append(message.text))
    page.goto(report.as_uri(), wait_until="commit", timeout=PATIENCE_MS)
    page.wait_for_function(ARE_DRAWN, timeout=PATIENCE_MS)
    for summary in page.locator("summary").all():
        summary.click()
    for place in page.locator(".chart").all():
        place.hover(force=True)
    yield visit
    page.close()


def test_nothing_is_asked_of_anybody(visit: Visit, report: Path) -> None:
    assert [url for url in visit.requests if url != report.as_uri() and not url.startswith("data:,")] == []


def test_no_dialog_opens_and_no_script_of_a_log_runs(visit: Visit) -> None:
    assert visit.dialogs == []
    assert visit.page.evaluate(f"typeof window.{MARK}") == "undefined"


def test_no_script_fails_and_the_policy_holds_nothing_back(visit: Visit) -> None:
    assert visit.complaints == []


def test_the_page_is_never_wider_than_the_window(visit: Visit) -> None:
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_text_is_readable_on_its_ground(visit: Visit) -> None:
    contrasts = visit.page.evaluate(CONTRASTS)

    assert len(contrasts) > 50
    assert min(contrasts) >= 4.5


def test_the_policy_stops_a_script_that_was_put_in(visit: Visit) -> None:
    visit.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.evPut = 1'; document.body.append(s); }"
    )
    visit.complaints.clear()

    assert visit.page.evaluate("typeof window.evPut") == "undefined"
