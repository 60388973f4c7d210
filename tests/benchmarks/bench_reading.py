"""Reading NDJSON, clean and with broken lines, beside polars' own reader."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from evanalytics.logs.reader import read_log
from evanalytics.logs.synthetic import write_sample
from tests.benchmarks.measure import Row, median_s

RUNS = 5


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "orders.ndjson"
        write_sample(clean, events=1_000_000, progress=False)
        megabytes = clean.stat().st_size / 1e6
        peer = median_s(lambda: pl.scan_ndjson(clean, infer_schema_length=None).collect(), runs=RUNS)
        ours = median_s(lambda: read_log(clean, progress=False).lazy.collect(), runs=RUNS)
        told = f"{peer / ours:.2f}x polars scan_ndjson ({peer:.2f} s)"
        yield Row(f"read 1M events of NDJSON, {megabytes:,.0f} MB", ours, RUNS, told, "0.7x")
        broken = _break_three_lines(clean)
        spoilt = median_s(lambda: read_log(broken, progress=False).lazy.collect(), runs=RUNS)
        yield Row("the same with 3 broken lines", spoilt, RUNS, f"{megabytes / spoilt:,.0f} MB/s", "100 MB/s")


def _break_three_lines(path: Path) -> Path:
    lines = path.read_bytes().split(b"\n")
    for at in (10_000, 500_000, 999_999):
        lines[at] = lines[at][:-9]
    broken = path.with_name("broken.ndjson")
    broken.write_bytes(b"\n".join(lines))
    return broken
