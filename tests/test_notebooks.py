"""Notebooks as they are committed: no outputs, no widget state, small; each ends with its claim."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_clean_and_ends_with_its_claim(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert "widgets" not in notebook["metadata"]
    assert path.stat().st_size < 200_000
    assert "parameters" in code[0]["metadata"].get("tags", [])
    assert "ci" in code[-1]["metadata"].get("tags", [])
    assert "assert " in "".join(code[-1]["source"])
    assert max("".join(cell["source"]).count("\n") + 1 for cell in code) <= 12
