"""Parquet files that we write carry a checksum that we verify."""

from pathlib import Path
from random import Random

import polars as pl
import pyarrow.parquet as pq
import pytest

from evanalytics.exceptions import LogReadError
from evanalytics.logs.integrity import verify, write_parquet
from evanalytics.logs.reader import read_log

FRAME = pl.DataFrame(
    {
        "id": [f"e{i}" for i in range(2_000)],
        "type": ["order.created", "order.paid"] * 1_000,
        "source": ["shop"] * 2_000,
        "time": pl.datetime_range(
            pl.datetime(2026, 1, 1),
            pl.datetime(2026, 1, 1, 1),
            "1800ms",
            closed="left",
            time_zone="UTC",
            eager=True,
        ).cast(pl.Datetime("us", "UTC")),
        "data__total": [i / 4 for i in range(2_000)],
    }
)


def test_a_flipped_bit_anywhere_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, [FRAME], row_group_size=500)
    sound = path.read_bytes()
    random = Random(450)

    for _ in range(150):
        damaged = bytearray(sound)
        damaged[random.randrange(len(sound))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(LogReadError, match="damaged"):
            read_log(path)


def test_each_bit_of_the_last_kilobyte_is_guarded(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, [FRAME])
    sound = path.read_bytes()

    for at in range(len(sound) - 1024, len(sound)):
        damaged = bytearray(sound)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with pytest.raises(LogReadError, match="damaged"):
            verify(path)


def test_a_sound_file_is_verified_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, [FRAME.slice(0, 700), FRAME.slice(700)], metadata=lambda: {"answer": "42"})

    assert verify(path) is True
    assert pq.read_metadata(path).metadata[b"answer"] == b"42"
    assert pl.read_parquet(path).equals(FRAME)


def test_files_of_others_are_read_without_a_checksum(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")

    assert verify(tmp_path / "a.parquet") is False
    assert len(read_log(tmp_path / "a.parquet")) == 2_000


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frame to write"):
        write_parquet(tmp_path / "a.parquet", [])

    assert list(tmp_path.iterdir()) == []
