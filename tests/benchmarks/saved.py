"""The table of all benchmarks: kept as JSON, run by run, and written out as Markdown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Row, shown

LIBRARIES = (
    "evanalytics", "polars", "duckdb", "narwhals", "numba", "simpy", "aiolimiter", "rbloom", "fastbloom-rs", "bytewax", "mongoquery",
)  # fmt: skip
"""Ours, what we stand on, and peers; those that are not installed are left out."""
_INTRO = """# Benchmarks

Written by `make bench`; `make bench ARGS="live reading"` measures some again and replaces their rows. Ours and a peer take
turns, so that a ratio holds where a time does not: compare ratios, and times only within one table. An aim is what the row was
built for.
"""
_HEADS = ("benchmark", "what", "median", "runs", "against", "aim")

Run = Mapping[str, Any]
"""One benchmark as it was measured: when, on what, with which versions, and its rows."""


def run_of(rows: Iterable[Row], *, load: float) -> dict[str, Any]:
    """Return rows with when and where they were measured; `load` is that of the machine at the start."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "load": round(load, 1),
        "versions": versions(),
        "rows": [asdict(row) for row in rows],
    }


def machine() -> str:
    """Return what the machine is, without its name."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Return the versions of the libraries that take part."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load_now() -> float:
    """Return how many processes wanted the processor over the last minute; 0 where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def save(runs: Mapping[str, Run], folder: Path) -> Path:
    """Put runs, by benchmark, among those that were saved before; return the Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmarks.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    merged = dict(sorted({**kept, **runs}.items()))
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    table = path.with_suffix(".md")
    table.write_text(markdown(merged), encoding="utf-8")
    return table


def markdown(runs: Mapping[str, Run]) -> str:
    """Return all runs as Markdown: a table for those of one day, machine, load and set of versions."""
    together: dict[str, dict[str, Run]] = {}
    for name, run in runs.items():
        together.setdefault(_circumstances(run), {})[name] = run
    parts = [f"{where}\n\n{_table(those)}" for where, those in together.items()]
    return "\n".join([_INTRO, *parts])


def _circumstances(run: Run) -> str:
    named = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return f"## {run['date']}\n\n{run['machine']}, load {run['load']:g} at the start. {named}."


def _table(runs: Mapping[str, Run]) -> str:
    lines = [_line(_HEADS), _line(["---"] * len(_HEADS))]
    for name, run in runs.items():
        for row in run["rows"]:
            cells = [name, row["what"], shown(row["median_s"]), str(row["runs"]), row["peer"], row["aim"]]
            lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
