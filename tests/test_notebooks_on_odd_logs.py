"""Every notebook, its claims included, on logs that are not what it was written for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.hostile import write_hostile_log

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

HOSTILE, THREE, INSTANT, NONE = (
    "hostile names and values",
    "three events of one type",
    "two events at one instant",
    "no record that becomes an event",
)
PAIRS = [
    *((path, HOSTILE) for path in NOTEBOOKS),
    *((path, THREE) for path in NOTEBOOKS if path.name[:2] == "05"),
    *((path, INSTANT) for path in NOTEBOOKS if path.name[:2] == "02"),
    *((path, NONE) for path in NOTEBOOKS if path.name[:2] == "01"),
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "empty.ndjson").write_text('{"id": "1", "type": "a", "source": "s", "time": "never"}\n')
    event = '{"id": "%d", "type": "a", "source": "s", "time": "2026-01-01T00:00:00Z"}\n'
    (folder / "instant.ndjson").write_text("".join(event % number for number in range(2)))
    orders = pl.read_parquet(ROOT / "data" / "orders.parquet")
    orders.filter(pl.col("type") == "order.created").head(3).write_parquet(folder / "three.parquet")
    return {
        HOSTILE: write_hostile_log(folder / "hostile.ndjson"),
        THREE: folder / "three.parquet",
        INSTANT: folder / "instant.ndjson",
        NONE: folder / "empty.ndjson",
    }


@pytest.mark.parametrize(("notebook", "log"), PAIRS, ids=[f"{path.stem}-{log}" for path, log in PAIRS])
def test_it_runs_and_keeps_its_claims(notebook: Path, log: str, logs: dict[str, Path]) -> None:
    environment = {
        **os.environ,
        "EVANALYTICS_LOG": str(logs[log]),
        "EVANALYTICS_STRICT_WIDGETS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "jupyter", "execute", "--timeout=600", str(notebook)]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3_000:]
