"""Notebooks in JupyterLab as they are delivered: they run, and whatever can be used on them can be used.

Here are those that no other test of this folder opens; the others use everything at their end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import NOTEBOOKS
from tests.browser.running import run_notebook, wait_until_run
from tests.browser.trying import use_everything, what_is_wrong
from tests.browser.visit import Visit, visiting

pytestmark = pytest.mark.browser

WITHOUT_CONTROLS = "06"
ELSEWHERE = ("01", "04", "05")
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb") if not path.name.startswith(ELSEWHERE))


@pytest.fixture(scope="module", params=NAMES)
def visit(browser: Any, lab: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A notebook that has run, all of it in sight: JupyterLab takes out of the page what is not."""
    with visiting(browser, height=12_000) as visit:
        run_notebook(visit.page, lab, request.param)
        wait_until_run(visit.page)
        visit.wait_until_quiet()
        yield visit


def test_nothing_is_wrong_when_it_has_run(visit: Visit) -> None:
    assert what_is_wrong(visit.page) == []


def test_nothing_is_wrong_when_everything_was_used(visit: Visit, request: pytest.FixtureRequest) -> None:
    used = use_everything(visit)

    assert set(used) >= {"button"} or WITHOUT_CONTROLS in request.node.callspec.id
    assert what_is_wrong(visit.page) == []


def test_nothing_was_asked_of_other_machines(visit: Visit) -> None:
    assert visit.elsewhere == []


def test_no_script_failed(visit: Visit) -> None:
    assert visit.errors == []
