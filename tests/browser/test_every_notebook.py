"""Notebooks in JupyterLab as they are delivered: they run, and whatever can be used on them can be used.

By default here are those that no other test of this folder opens; the others use everything at their end.
EVANALYTICS_BROWSER=all opens all six in both themes, and once more on a log whose every name is an attack;
EVANALYTICS_SHOTS names a folder for pictures of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import NOTEBOOKS
from tests.browser.running import run_notebook, save_copy, wait_until_run
from tests.browser.trying import use_everything, what_is_wrong
from tests.browser.visit import Visit, visiting
from tests.hostile import MARK, write_hostile_log

pytestmark = pytest.mark.browser

WITHOUT_CONTROLS = "06"
ELSEWHERE = ("01", "04", "05")
EVERY = sorted(NOTEBOOKS.glob("*.ipynb"))
CASES = (
    [
        (path, theme, log)
        for theme, log in (("light", "own"), ("dark", "own"), ("dark", "hostile"))
        for path in EVERY
    ]
    if os.environ.get("EVANALYTICS_BROWSER") == "all"
    else [(path, "light", "own") for path in EVERY if not path.name.startswith(ELSEWHERE)]
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_log(tmp_path_factory.mktemp("hostile") / "log.ndjson")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0].name[:2]}-{case[1]}-{case[2]}")
def visit(browser: Any, lab: str, hostile: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A notebook that has run, all of it in sight: JupyterLab takes out of the page what is not."""
    notebook, theme, log = request.param
    name = f"{theme}_{log}_{notebook.name}"
    save_copy(lab, notebook, name, **({"LOG": str(hostile)} if log == "hostile" else {}))
    with visiting(browser, height=12_000) as visit:
        visit.page.on("dialog", lambda dialog: (visit.errors.append(dialog.message), dialog.dismiss()))
        run_notebook(visit.page, lab, name, figures=1, dark=theme == "dark")
        wait_until_run(visit.page)
        visit.wait_until_quiet()
        yield visit


def test_nothing_is_wrong_when_it_has_run(visit: Visit, request: pytest.FixtureRequest) -> None:
    _take_picture(visit, request, "run")

    assert what_is_wrong(visit.page) == []


def test_nothing_is_wrong_when_everything_was_used(visit: Visit, request: pytest.FixtureRequest) -> None:
    used = use_everything(visit)
    _take_picture(visit, request, "used")

    assert set(used) >= {"button"} or request.node.callspec.id.startswith(WITHOUT_CONTROLS)
    assert what_is_wrong(visit.page) == []


def test_nothing_was_asked_of_other_machines(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_no_script_failed_and_none_of_the_log_ran(visit: Visit) -> None:
    assert visit.errors == []
    assert visit.page.evaluate(f"typeof window.{MARK}") == "undefined"


def _take_picture(visit: Visit, request: pytest.FixtureRequest, moment: str) -> None:
    if folder := os.environ.get("EVANALYTICS_SHOTS"):
        visit.page.screenshot(path=Path(folder) / f"{request.node.callspec.id}-{moment}.png")
