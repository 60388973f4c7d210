from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from evanalytics.exceptions import LogNotFoundError, SampleError
from evanalytics.logs.integrity import verify
from evanalytics.logs.synthetic import read_answers, sample_frame, write_sample

TEXT = (".ndjson", ".ndjson.gz", ".csv", ".csv.gz")
ALL = (".parquet", *TEXT)


def write(folder: Path, suffix: str, *, events: int = 2_000, seed: int = 7) -> Path:
    path = folder / f"orders{suffix}"
    write_sample(path, events=events, seed=seed, progress=False)
    return path


def lines(path: Path) -> list[str]:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()


def payloads(path: Path) -> list[dict[str, object]]:
    if ".csv" in path.suffixes:
        table = pl.read_csv(path, infer_schema=False)
        return [json.loads(text) for text in table["data"]]
    return [json.loads(line)["data"] for line in lines(path)]


def test_same_seed_gives_the_log_it_always_gave(tmp_path: Path) -> None:
    path = write(tmp_path, ".ndjson", events=1_000)

    # If this fails, every sample log and answer that anybody wrote down has changed.
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "e717351295bfdb8ee90ab681d337d7c78466b995a8cc3d64d182cf3ba528428e"


def test_other_seed_gives_another_log() -> None:
    one, other = (sample_frame(events=1_000, seed=seed)[0] for seed in (7, 8))

    assert not set(one["id"]) & set(other["id"])


def test_parquet_holds_the_frame(tmp_path: Path) -> None:
    path = write(tmp_path, ".parquet")

    assert_frame_equal(pl.read_parquet(path), sample_frame(events=2_000)[0])


def test_several_frames_make_one_log(tmp_path: Path) -> None:
    path = write(tmp_path, ".parquet", events=200_000)

    assert pq.ParquetFile(path).metadata.num_row_groups == 2
    assert_frame_equal(pl.read_parquet(path), sample_frame(events=200_000)[0])


def test_parquet_carries_a_checksum(tmp_path: Path) -> None:
    assert verify(write(tmp_path, ".parquet"))


@pytest.mark.parametrize("suffix", ALL)
def test_answers_are_found_again(tmp_path: Path, suffix: str) -> None:
    assert read_answers(write(tmp_path, suffix)) == sample_frame(events=2_000)[1]


@pytest.mark.parametrize("suffix", TEXT)
def test_text_formats_hold_the_same_payloads(tmp_path: Path, suffix: str) -> None:
    assert payloads(write(tmp_path, suffix)) == payloads(write(tmp_path, ".other.ndjson"))


def test_payload_says_what_the_columns_say(tmp_path: Path) -> None:
    frame = sample_frame(events=2_000)[0]
    rebuilt = [
        {
            **{name: value for name, value in data.items() if name != "shipping"},
            **{f"shipping__{name}": value for name, value in data.get("shipping", {}).items()},  # type: ignore[attr-defined]
        }
        for data in payloads(write(tmp_path, ".ndjson"))
    ]

    expected = frame.select(pl.col("^data__.*$").name.map(lambda name: name.removeprefix("data__")))
    assert_frame_equal(pl.DataFrame(rebuilt, schema=expected.schema), expected)


def test_envelope_says_what_the_columns_say(tmp_path: Path) -> None:
    frame = sample_frame(events=2_000)[0]
    events = pl.DataFrame([json.loads(line) for line in lines(write(tmp_path, ".ndjson"))])

    rebuilt = events.select("id", "type", "source", pl.col("time").str.to_datetime(time_zone="UTC"))
    assert_frame_equal(rebuilt, frame.select("id", "type", "source", "time"))


def test_csv_has_a_header_once(tmp_path: Path) -> None:
    found = lines(write(tmp_path, ".csv", events=200_000))

    assert [number for number, line in enumerate(found) if line == "id,type,source,time,data"] == [0]


def test_missing_fields_are_left_out_or_null_in_the_app(tmp_path: Path) -> None:
    events = [json.loads(line) for line in lines(write(tmp_path, ".ndjson"))]
    placed = [event for event in events if event["type"] == "order.created"]
    without = {e["source"] for e in placed if "coupon" not in e["data"]}
    with_null = {e["source"] for e in placed if e["data"].get("coupon", "") is None}

    assert (without, with_null) == ({"web-shop"}, {"mobile-app"})


def test_a_redelivered_event_is_exactly_the_same() -> None:
    frame, answers = sample_frame(events=20_000)

    assert frame.unique().height == frame["id"].n_unique() == answers.events - answers.duplicates


@pytest.mark.parametrize("events", [1, 2, 3, 10])
def test_tiny_logs_are_whole(events: int) -> None:
    frame, answers = sample_frame(events=events)

    assert frame.height == answers.events == events


def test_log_ends_about_when_its_days_do() -> None:
    _, answers = sample_frame(events=50_000, days=2)

    assert 47.0 < (answers.end_us - answers.start_us) / 3.6e9 < 49.5


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert write(tmp_path / "new" / "folder", ".ndjson", events=10).exists()


def test_unknown_ending_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"orders\.xlsx: the name must end in one of \.parquet"):
        write_sample(tmp_path / "orders.xlsx", events=10**12)


@pytest.mark.parametrize(("events", "days", "wrong"), [(0, 1, "events"), (10, 0, "days")])
def test_no_events_or_days_are_refused(tmp_path: Path, events: int, days: int, wrong: str) -> None:
    with pytest.raises(SampleError, match=f"{wrong} must be at least 1, got 0"):
        write_sample(tmp_path / "orders.parquet", events=events, days=days)


@pytest.mark.parametrize("suffix", ALL)
def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"orders{suffix}").mkdir()

    with pytest.raises(OSError, match="orders"):
        write(tmp_path, suffix)

    assert [path.name for path in tmp_path.iterdir()] == [f"orders{suffix}"]


def test_answers_of_a_missing_log(tmp_path: Path) -> None:
    with pytest.raises(LogNotFoundError, match="no such file"):
        read_answers(tmp_path / "orders.parquet")


def test_answers_of_somebody_elses_parquet(tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    pl.DataFrame({"id": ["1"]}).write_parquet(path)

    with pytest.raises(SampleError, match="no known answers"):
        read_answers(path)


def test_answers_of_a_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    path.write_bytes(b"PAR1")

    with pytest.raises(SampleError, match="cannot be read as Parquet"):
        read_answers(path)


def test_progress_is_shown_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample(tmp_path / "orders.ndjson", events=100)

    assert "orders.ndjson: 100%" in capsys.readouterr().err
