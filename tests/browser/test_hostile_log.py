"""The widgets on a log whose every name and value is an attack: nothing of it runs in JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.running import run_notebook, save_notebook
from tests.browser.visit import Visit, visiting
from tests.hostile import MARK, write_hostile_log

pytestmark = pytest.mark.browser

START = """
import evanalytics as ev
from IPython.display import display
log = ev.read_log({path!r}, progress=False)
"""
CODE = {
    "traffic": "display(log.report, log)\nev.widgets.TrafficExplorer(log)",
    "tuner": "ev.widgets.Tuner(log)",
    "editor": """
kinds = log.lazy.select("type").collect()["type"]
condition = ev.filter({"type": {"$in": kinds.unique().to_list()}, "data.text": {"$ne": kinds[0]}})
display(condition.explain(log), log.where(condition).lazy.head(50).collect())
ev.widgets.FilterEditor(log, filter=condition)""",
    "stream": """
p = ev.StreamProcessor("hostile")
once = p.add_source("events").connect_to(p.add_node("once", ev.DedupeNode("id")))
hourly = ev.AggregatorNode(windows=ev.TumblingWindow("1h"), keys=["type"], aggregator=ev.WindowedCounter())
once.connect_to(p.add_node("counts", hourly))
result = p.run(log)
inspector = ev.widgets.StreamInspector(result)
inspector.choose("counts", "out")
display(ev.plots.windows_heatmap(result.window_grid("counts")))
inspector""",
}
"""What shows a log's text, by name: each is a notebook of one cell."""
HANDLERS = """() => [...document.querySelectorAll('.jp-OutputArea *, .js-plotly-plot *')]
  .filter(one => [...one.attributes].some(a => a.name.startsWith('on')
    || /^\\s*javascript:/i.test(a.value) && ['href', 'src', 'xlink:href', 'action'].includes(a.name))
    || one.tagName === 'IFRAME')
  .map(one => one.outerHTML.slice(0, 200))"""
"""Elements inside outputs that would run something."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_log(tmp_path_factory.mktemp("hostile") / "log.ndjson")


@pytest.fixture(scope="module", params=list(CODE))
def visit(browser: Any, lab: str, log: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """The notebook after its cell has run; a dialog counts as an error."""
    name = f"hostile_{request.param}.ipynb"
    save_notebook(lab, name, START.format(path=str(log)) + CODE[request.param])
    with visiting(browser, height=1_600) as visit:
        visit.page.on("dialog", lambda dialog: (visit.errors.append(dialog.message), dialog.dismiss()))
        run_notebook(visit.page, lab, name, figures=1)
        yield visit


def test_no_dialog_opens_and_no_script_of_the_log_runs(visit: Visit) -> None:
    for figure in visit.page.locator(".js-plotly-plot").all():
        figure.hover(force=True)

    assert visit.errors == []
    assert visit.page.evaluate(f"typeof window.{MARK}") == "undefined"


def test_nothing_in_an_output_would_run_something(visit: Visit) -> None:
    assert visit.page.evaluate(HANDLERS) == []


def test_no_cell_and_no_callback_failed(visit: Visit) -> None:
    assert visit.page.locator(".jp-RenderedText[data-mime-type*='error']").all_inner_texts() == []
    assert visit.page.locator(".ev-notice").all_inner_texts() == []


def test_nothing_was_asked_of_other_machines(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_the_page_is_not_stretched_by_a_name(visit: Visit) -> None:
    widths = visit.page.evaluate(
        "() => [...document.querySelectorAll('.ev-app, .ev-app .ev-name')].map(one => one.getBoundingClientRect().width)"
    )

    assert max(widths, default=0) <= 1_280
