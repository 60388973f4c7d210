"""How benchmarks are timed and shown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: What was timed.
        median_s: The median over the runs, in seconds.
        runs: How many runs after the first, which is not counted.
        peer: What it is compared with, and by how much it is quicker: "312x SimPy".
        aim: What it should be.
    """

    what: str
    median_s: float
    runs: int
    peer: str = ""
    aim: str = ""


def median_s(work: Callable[[], object], *, runs: int = 7, warm_up: bool = True) -> float:
    """Return the median time of some runs, in seconds; the first one is not counted."""
    if warm_up:
        work()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def printed(rows: Iterable[Row]) -> list[Row]:
    """Print rows as they come, and return them."""
    done = []
    for row in rows:
        print(f"{row.what:60} {shown(row.median_s):>11} {row.runs:>4}  {row.peer:<34} {row.aim}", flush=True)
        done.append(row)
    return done


def shown(seconds: float) -> str:
    """Return a time to three digits with a fitting unit; a row that is no time has none."""
    if seconds == 0:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
