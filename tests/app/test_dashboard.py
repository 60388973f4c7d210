"""What becomes of a notebook, of its kernel's environment and of its errors in a dashboard."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from evanalytics.app.folder import FIRST
from evanalytics.app.pages import prepared
from evanalytics.app.sentences import load_ipython_extension

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_checks_and_words_about_code_are_left_out(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    handler = SimpleNamespace(path_args=[path.name], request=SimpleNamespace(query=""))

    prepared(NOTEBOOKS)(handler, notebook=notebook, cwd="")

    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "import evanalytics as ev" in code
    assert "\nassert " not in code
    assert "write its path below" not in words
    assert "What this notebook claims" not in words


def test_the_template_learns_question_and_log() -> None:
    notebook = nbformat.read(NOTEBOOKS / FIRST, as_version=4)
    handler = SimpleNamespace(path_args=[FIRST], request=SimpleNamespace(query="log=%2Flogs%2Fa%20b.csv"))

    prepared(NOTEBOOKS)(handler, notebook=notebook, cwd="")

    assert notebook.metadata["title"] == "What does your traffic look like?"
    assert notebook.metadata["log"] == "a b.csv"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    yield shell
    InteractiveShell.clear_instance()


def test_a_failing_cell_shows_one_sentence(shell: InteractiveShell) -> None:
    load_ipython_extension(shell)

    with capture_output() as captured:
        first = shell.run_cell("{}['<script>']")
        shell.run_cell("1 / 0")

    (shown,) = captured.outputs
    assert not first.success
    assert "KeyError: &#x27;&lt;script&gt;&#x27;" in shown.data["text/html"]
    assert "Traceback" not in captured.stdout + captured.stderr
