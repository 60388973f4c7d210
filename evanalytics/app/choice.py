"""What can be chosen on the start page: notebooks with their question, and logs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from evanalytics.exceptions import LogNotFoundError
from evanalytics.logs.sources import ReadLimits, find_files, is_log

MOST_LOGS = 200
"""So many logs of a folder are listed at most."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A notebook as it stands on the start page: its file's name, its question, what it says first."""

    name: str
    question: str
    text: str


@dataclass(frozen=True, slots=True)
class LogChoice:
    """A log that can be chosen."""

    path: str
    name: str
    size: str


def dashboards(folder: Path) -> list[Dashboard]:
    """Return the notebooks of a folder in reading order."""
    return [_dashboard(path) for path in sorted(folder.glob("*.ipynb"))]


def logs_in(folder: Path) -> list[LogChoice]:
    """Return the logs that lie in a folder itself, by name, at most `MOST_LOGS`.

    Raises:
        LogNotFoundError: It is no folder, or may not be read.
    """
    with _sought(folder):
        files = sorted(path for path in folder.iterdir() if path.is_file() and is_log(path))
        return [LogChoice(str(path), path.name, _size(path.stat().st_size)) for path in files[:MOST_LOGS]]


def folder_with_logs(here: Path) -> Path:
    """Return the folder whose logs are offered at first: this one, or its `data` if only that has some."""
    return next((folder for folder in (here, here / "data") if folder.is_dir() and logs_in(folder)), here)


def typed_path(text: str, here: Path) -> Path:
    """Return a path that a person has typed, made absolute.

    Raises:
        LogNotFoundError: It begins with the home of somebody who has none.
    """
    with _sought(text):
        return here / Path(text).expanduser()


def is_folder(path: Path) -> bool:
    """Return whether a path is that of a folder.

    Raises:
        LogNotFoundError: It may not be looked at.
    """
    with _sought(path):
        return path.is_dir()


def checked_log(path: Path) -> str:
    """Return the path of a log, made sure that it is a file that can be read as one.

    Raises:
        LogNotFoundError: Nothing is there, or it may not be read.
        LogReadError: It is empty, or has no format that is known.
    """
    with _sought(path):
        is_file = path.is_file()
    if not is_file:
        raise LogNotFoundError(f"{path}: no such file; type the path of a log, or of a folder with logs")
    find_files(path, limits=ReadLimits())
    if not os.access(path, os.R_OK):
        raise LogNotFoundError(f"{path}: it may not be read; choose another log")
    return str(path)


def log_of_query(query: str) -> str:
    """Return the log that a dashboard's address names; empty: the sample log.

    Example:
        >>> log_of_query("log=%2Flogs%2Fa.ndjson"), log_of_query("")
        ('/logs/a.ndjson', '')
    """
    return parse_qs(query).get("log", [""])[-1]


@contextmanager
def _sought(path: Path | str) -> Iterator[None]:
    """Tell of a path that the system does not let us look at."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise LogNotFoundError(f"{path}: {why}; name another log or folder with logs") from error


def _dashboard(path: Path) -> Dashboard:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = next(("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"), "")
    title, _, rest = first.partition("\n")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    return Dashboard(path.name, title.lstrip("# ").strip() or path.stem, paragraph.replace("**", ""))


def _size(size: int) -> str:
    if size < 1_000_000:
        return f"{max(size / 1_000, 0.1):,.1f} kB"
    return f"{size / 1_000_000:,.1f} MB"
