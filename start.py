"""Set everything up, then open the notebooks or run the tests: `python start.py lab | app | test | ...`.

Needs Python 3.11 or newer and nothing else. The virtual environment is made in .venv from the
pinned and hashed requirements.txt; the second time nothing is left to do. `make lab` and the
other targets call this file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "evanalytics.stamp"
LEAST_JAVA = 17
NOTEBOOKS = ["-m", "pytest", "-q", "-n", "2", "--nbmake", "--nbmake-timeout=600", "notebooks"]

COMMANDS: dict[str, list[list[str]]] = {
    "lab": [["-m", "evanalytics.cli", "lab"]],
    "app": [["-m", "evanalytics.cli", "app"]],
    "test": [  # the browser by itself: what a visitor waits for needs the cores
        ["-m", "pytest", "-q", "-n", "2", "tests", "evanalytics", "--ignore=tests/browser"],
        NOTEBOOKS,
        ["-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "tests/browser"],
    ],
    "notebooks": [NOTEBOOKS],
    "check": [
        ["-m", "ruff", "format", "--check", "."],
        ["-m", "ruff", "check", "."],
        ["-m", "mypy"],
    ],
    "format": [["-m", "ruff", "format", "."], ["-m", "ruff", "check", "--fix", "."]],
    "bench": [["-m", "tests.benchmarks"]],
    "soak": [["-m", "tests.soak"]],
    "test-spark": [
        ["-m", "pytest", "-q", "tests/spark"],
        ["-m", "pytest", "-q", "--nbmake", "--nbmake-timeout=3600", "notebooks/06_past_one_machine.ipynb"],
    ],
    "setup": [],
}


def main() -> int:
    """Set up, then run the named command; further arguments go to it."""
    name, *arguments = sys.argv[1:] or ["help"]
    if name not in COMMANDS:
        print(f"usage: python start.py {' | '.join(COMMANDS)} [arguments]")
        return 2
    if sys.version_info < (3, 11):  # noqa: UP036  this file runs before anything is checked
        print(f"evanalytics needs Python 3.11 or newer; this is {sys.version.split()[0]}")
        return 2
    set_up()
    if name == "test-spark" and not with_spark():
        return 1
    if Path(log := os.environ.get("EVANALYTICS_LOG", "")).is_file():
        os.environ["EVANALYTICS_LOG"] = str(Path(log).resolve())  # kernels run in notebooks/
    os.chdir(ROOT)
    for command in COMMANDS[name]:
        last = command is COMMANDS[name][-1]
        status = subprocess.call([str(PYTHON), *command, *(arguments if last else [])])
        if status:
            return status
    return 0


def set_up() -> None:
    """Make the virtual environment, unless it is there and fits the requirements."""
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    print("setting up .venv (about 1 GB, once)", flush=True)
    if VENV.exists():
        shutil.rmtree(VENV)
    venv.create(VENV, with_pip=True)
    install(["--require-hashes", "-r", "requirements.txt"])
    install(["--no-deps", "--no-build-isolation", "-e", "."])
    strip_notebooks_in_git()
    STAMP.write_text(wanted)


def with_spark() -> bool:
    """Install what the tests on Spark need; say so if there is no Java for it."""
    java = java_version()
    if java is None or java < LEAST_JAVA:
        found = "there is none" if java is None else f"this is {java}"
        print(
            f"test-spark: Apache Spark needs Java {LEAST_JAVA} or newer, and {found}. Install one (Debian, "
            "Ubuntu: apt install openjdk-17-jre-headless), or set JAVA_HOME to where it is."
        )
        return False
    if subprocess.call([str(PYTHON), "-c", "import pyspark"], stderr=subprocess.DEVNULL):
        print("installing PySpark (about 400 MB, once)", flush=True)
        import tomllib  # not before the version of Python is known

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        install(project["optional-dependencies"]["spark"])
    os.environ.setdefault("EVANALYTICS_SPARK", "local[2]")
    return True


def java_version() -> int | None:
    """Return the major version of the Java that Spark would take; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def install(arguments: list[str]) -> None:
    """Install with uv, which is several times as fast; with pip where uv cannot be had."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    uv = BIN / ("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        subprocess.call([*pip, "uv"], cwd=ROOT)
    fast = [str(uv), "pip", "install", "-q", "--python", str(PYTHON), *arguments]
    if uv.exists() and subprocess.call(fast, cwd=ROOT) == 0:
        return
    subprocess.check_call([*pip, *arguments], cwd=ROOT)


def strip_notebooks_in_git() -> None:
    """Keep outputs and widget state out of commits (see .gitattributes)."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return
    clean = f'"{PYTHON.as_posix()}" -m nbstripout --keep-id --extra-keys "metadata.widgets"'
    subprocess.call(["git", "config", "filter.nbstripout.clean", clean], cwd=ROOT)
    subprocess.call(["git", "config", "filter.nbstripout.smudge", "cat"], cwd=ROOT)


def fingerprint() -> str:
    """Return a hash of all that decides what is installed, and into which Python."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
