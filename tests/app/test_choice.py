"""What the start page offers and accepts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evanalytics.app.choice import checked_log, dashboards, folder_with_logs, is_folder, logs_in, typed_path
from evanalytics.app.folder import FIRST
from evanalytics.exceptions import LogNotFoundError, LogReadError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_a_dashboard_is_named_by_its_question() -> None:
    first = dashboards(NOTEBOOKS)[0]

    assert (first.name, first.question) == (FIRST, "What does your traffic look like?")
    assert first.text.startswith("How much, in what bursts, how late, and from whom?")


def test_only_logs_are_listed(tmp_path: Path) -> None:
    for name in ("b.ndjson.gz", "a.csv", "notes.txt", "a.csv.answers.json", "a.csv.quarantine.ndjson"):
        (tmp_path / name).write_text("x")
    (tmp_path / "deeper.parquet").mkdir()

    assert [log.name for log in logs_in(tmp_path)] == ["a.csv", "b.ndjson.gz"]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(LogNotFoundError, match="name another log or folder with logs"):
        logs_in(tmp_path / "nowhere")


def test_the_data_beside_the_notebooks_is_offered_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x")

    assert folder_with_logs(tmp_path) == tmp_path / "data"
    (tmp_path / "b.csv").write_text("x")
    assert folder_with_logs(tmp_path) == tmp_path


def test_a_log_is_accepted_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")

    assert checked_log(tmp_path / "a.csv") == str(tmp_path / "a.csv")


def test_a_path_is_relative_to_the_folder_or_to_a_home(tmp_path: Path) -> None:
    assert typed_path("a.csv", tmp_path) == tmp_path / "a.csv"
    assert typed_path("~/a.csv", tmp_path) == Path.home() / "a.csv"


def test_the_home_of_nobody_is_told(tmp_path: Path) -> None:
    with pytest.raises(LogNotFoundError, match=r"~nosuchuser/a\.csv: .*name another log"):
        typed_path("~nosuchuser/a.csv", tmp_path)


@pytest.mark.parametrize("look", [checked_log, is_folder])
def test_a_path_that_cannot_be_looked_at_is_told(look: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(LogNotFoundError, match="name too long; name another log"):
        look(tmp_path / ("x" * 5_000))


@pytest.mark.parametrize(
    ("name", "text", "error", "told"),
    [
        ("passwd", "root:x", LogReadError, "the ending says no known format"),
        ("a.csv", "", LogReadError, "the file is empty"),
        ("", "", LogNotFoundError, "no such file"),
    ],
)
def test_what_is_no_log_is_refused(
    name: str, text: str, error: type[Exception], told: str, tmp_path: Path
) -> None:
    if name:
        (tmp_path / name).write_text(text)

    with pytest.raises(error, match=told):
        checked_log(tmp_path / name)
