"""JupyterLab on the notebooks, as it should be: nothing is asked of the network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from evanalytics.app.folder import FIRST, copy_notebooks, notebooks_folder

JUPYTER = Path(__file__).parent / "jupyter"
"""What JupyterLab is given: settings (no announcements, no button for dashboards with styles from
elsewhere) and an extension that waits for figures on a busy machine.

JupyterLab 4.6 asks whether it may fetch news even where `LabApp.news_url` is None, and the question stays on
the page; it goes only with the plugin.
"""


def lab_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that starts JupyterLab."""
    command = [sys.executable, "-m", "jupyter", "lab", "--ServerApp.terminals_enabled=True", *arguments]
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*command, "--allow-root"] if is_root else command


def lab_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment by which JupyterLab finds its settings and our extension."""
    paths = {
        name: os.pathsep.join(filter(None, [str(JUPYTER), environment.get(name, "")]))
        for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")
    }
    return {**environment, **paths}


def run_lab(log: str | None, arguments: Sequence[str]) -> int:
    """Open JupyterLab on the notebooks; returns its exit status when it ends.

    Args:
        log: The log that the notebooks read; None: the sample log, or what EVANALYTICS_LOG names.
        arguments: Further arguments of JupyterLab.
    """
    here = Path.cwd()
    folder = notebooks_folder(here) or copy_notebooks(here)
    environment = lab_environment(os.environ)
    if log:
        environment["EVANALYTICS_LOG"] = str(Path(log).resolve())
    # by its address, not by its name: so who has no browser here is shown the way to it, too
    place = (f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{FIRST}")
    return subprocess.call([*lab_command(arguments), *place], env=environment)
