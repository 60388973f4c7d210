"""Where the notebooks are: in a checkout, or copied out of the installed package."""

from __future__ import annotations

import shutil
from pathlib import Path

from evanalytics.exceptions import EvAnalyticsError

FIRST = "01_replay_an_event_log.ipynb"
"""The notebook to begin with."""

COPY = "evanalytics-workbench"
"""The folder that the notebooks are copied to where there are none."""

_PACKAGE = Path(__file__).parents[1]
_PACKED = _PACKAGE / "packed"


def notebooks_folder(here: Path) -> Path | None:
    """Return the folder of notebooks that belongs to a folder: its own, its copies, or the checkout's."""
    for place in (here, here / COPY, _PACKAGE.parent):
        if (place / "notebooks" / FIRST).is_file():
            return place / "notebooks"
    return None


def packed_notebooks() -> Path:
    """Return the notebooks that travel in the installed package, beside a small sample log.

    Raises:
        EvAnalyticsError: There are none.
    """
    if not (_PACKED / "notebooks" / FIRST).is_file():
        raise EvAnalyticsError(
            "no notebooks here, and none in the package; run this in a checkout of evanalytics"
        )
    return _PACKED / "notebooks"


def copy_notebooks(here: Path) -> Path:
    """Copy the package's notebooks and its sample log into a folder; what is there already stays.

    Returns:
        The folder of the copied notebooks.
    """
    source = packed_notebooks().parent
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = here / COPY / path.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return here / COPY / "notebooks"
