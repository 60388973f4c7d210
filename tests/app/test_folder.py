"""Where the notebooks are found, and how they are copied out of an installed package."""

from pathlib import Path

import pytest

from evanalytics.app import folder
from evanalytics.app.folder import COPY, FIRST, copy_notebooks, notebooks_folder, packed_notebooks
from evanalytics.exceptions import EvAnalyticsError


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder as a wheel lays it, with one notebook and the sample log."""
    package = tmp_path / "site" / "evanalytics"
    (package / "packed" / "notebooks").mkdir(parents=True)
    (package / "packed" / "notebooks" / FIRST).write_text("of the package")
    (package / "packed" / "data").mkdir()
    (package / "packed" / "data" / "orders.parquet").write_bytes(b"log")
    monkeypatch.setattr(folder, "_PACKAGE", package)
    monkeypatch.setattr(folder, "_PACKED", package / "packed")
    return package


def test_an_empty_folder_has_no_notebooks(installed: Path, tmp_path: Path) -> None:
    assert notebooks_folder(tmp_path) is None


def test_the_sample_log_lies_where_the_notebooks_look_for_it(installed: Path, tmp_path: Path) -> None:
    notebooks = copy_notebooks(tmp_path)

    assert notebooks == tmp_path / COPY / "notebooks" == notebooks_folder(tmp_path)
    assert (notebooks / "../data/orders.parquet").read_bytes() == b"log"


def test_a_copy_that_was_edited_stays(installed: Path, tmp_path: Path) -> None:
    mine = copy_notebooks(tmp_path) / FIRST
    mine.write_text("edited")

    copy_notebooks(tmp_path)

    assert mine.read_text() == "edited"


def test_notebooks_of_the_folder_go_first(installed: Path, tmp_path: Path) -> None:
    copy_notebooks(tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / FIRST).write_text("of the folder")

    assert notebooks_folder(tmp_path) == tmp_path / "notebooks"


def test_a_package_without_notebooks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_PACKED", tmp_path)

    with pytest.raises(EvAnalyticsError, match="no notebooks here"):
        packed_notebooks()
