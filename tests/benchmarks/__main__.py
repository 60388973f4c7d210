"""`make bench`: times everything that has a `bench_*.py` here and prints one table.

`python -m tests.benchmarks simulation` runs one of them. Nothing here passes or fails.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Row, print_table


def rows(wanted: list[str]) -> Iterator[Row]:
    """Yield the rows of each benchmark whose name contains one of the words; of all if there are none."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        if not wanted or any(word in path.stem for word in wanted):
            yield from importlib.import_module(f"tests.benchmarks.{path.stem}").rows()


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    print_table(rows(sys.argv[1:]))
