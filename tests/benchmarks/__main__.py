"""`make bench`: times everything that has a `bench_*.py` here, prints one table and saves it in docs/.

`make bench ARGS="simulation live"` measures those whose name contains one of the words, and replaces their
rows alone. `--out FOLDER` saves elsewhere. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from tests.benchmarks.measure import printed
from tests.benchmarks.saved import Run, load_now, machine, run_of, save

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"


def main(words: list[str], folder: Path) -> None:
    """Run each benchmark whose name contains one of the words; all if there are none."""
    saved: Path | None = None
    print(f"{machine()}\n{'':60} {'median':>11} {'runs':>4}  {'against':<34} aim")
    for path in sorted(HERE.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if not words or any(word in name for word in words):
            load = load_now()
            rows = printed(importlib.import_module(f"tests.benchmarks.{path.stem}").rows())
            runs: dict[str, Run] = {name: run_of(rows, load=load)}
            saved = save(runs, folder)  # after each: an interrupted run has not been in vain
    print(f"saved: {saved}" if saved else "no such benchmark")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of names of benchmarks; all of them by default")
    parser.add_argument(
        "--out", type=Path, default=DOCS, help="the folder of benchmarks.json and benchmarks.md"
    )
    given = parser.parse_args()
    main(given.words, given.out)
