"""The logs in `data/` are what their README says: one log in three formats."""

from __future__ import annotations

from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from evanalytics.logs.reader import read_log
from evanalytics.logs.synthetic import read_answers, sample_frame

DATA = Path(__file__).parents[3] / "data"
NAMES = ("orders.parquet", "orders.ndjson.gz", "orders.csv.gz")


@pytest.mark.parametrize("name", NAMES)
def test_sample_is_the_generated_log(name: str) -> None:
    frame, _ = sample_frame(events=20_000, seed=7)

    found = read_log(DATA / name, progress=False).lazy.collect().sort("seq")

    assert_frame_equal(found.select(frame.columns), frame)


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_its_answers(name: str) -> None:
    assert read_answers(DATA / name) == sample_frame(events=20_000, seed=7)[1]


def test_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("orders.*")) < 2_500_000
