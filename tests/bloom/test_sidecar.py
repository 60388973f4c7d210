from __future__ import annotations

import random

import polars as pl
import pyarrow.parquet as pq
import pytest

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.sidecar import read_sidecar, write_sidecar
from evanalytics.exceptions import BloomError

IDS = {
    pl.String: pl.Series([f"order-{n}" for n in range(500)]),
    pl.Binary: pl.Series([b"%d" % n for n in range(500)]),
    pl.Int64: pl.Series(range(500), dtype=pl.Int64),
    pl.Int32: pl.Series(range(500), dtype=pl.Int32),
}


def filled(error_rate=0.01, dtype=pl.String):
    index = BloomFilterIndex(error_rate, 1_000, dtype=dtype)
    index.add_many(IDS[dtype])
    return index


@pytest.mark.parametrize("error_rate", [0.01, 1e-6])
@pytest.mark.parametrize("dtype", IDS, ids=str)
def test_an_index_comes_back_equal(tmp_path, error_rate, dtype):
    index = filled(error_rate, dtype)
    index.save(tmp_path / "ids.bloom")

    assert BloomFilterIndex.load(tmp_path / "ids.bloom") == index


def test_an_index_comes_back_with_its_promise(tmp_path):
    filled(0.002).save(tmp_path / "ids.bloom")
    index = BloomFilterIndex.load(tmp_path / "ids.bloom")

    assert (index.error_rate, index.capacity, index.count) == (0.002, 1_000, 500)


def test_a_loaded_index_takes_further_ids(tmp_path):
    filled().save(tmp_path / "ids.bloom")
    index = BloomFilterIndex.load(tmp_path / "ids.bloom")

    assert index.add("new")
    assert "new" in index


def test_several_filters_keep_what_they_are_of(tmp_path):
    stored = [filled().to_stored(file="a.parquet", row_group=n, note=f"note {n}") for n in range(3)]
    write_sidecar(tmp_path / "ids.bloom", stored)

    found = read_sidecar(tmp_path / "ids.bloom")

    assert [(f.file, f.row_group, f.note) for f in found] == [("a.parquet", n, f"note {n}") for n in range(3)]


def test_bits_are_kept_as_parquet_keeps_them(tmp_path):
    filled().save(tmp_path / "ids.bloom")
    table = pq.read_table(tmp_path / "ids.bloom")

    assert table["sbbf"][0].as_py().startswith(bytes.fromhex("1580151c1c00001c1c00001c1c000000"))


def test_a_sidecar_is_a_table_that_others_can_read(tmp_path):
    filled().save(tmp_path / "ids.bloom")

    assert pl.read_parquet(tmp_path / "ids.bloom").columns == [
        "file", "row_group", "rows", "capacity", "error_rate", "dtype", "hashes", "note", "sbbf", "digest",
    ]  # fmt: skip


def test_several_filters_are_not_loaded_as_one(tmp_path):
    write_sidecar(tmp_path / "ids.bloom", [filled().to_stored()] * 2)

    with pytest.raises(BloomError, match="holds 2 filters; read it with read_sidecar"):
        BloomFilterIndex.load(tmp_path / "ids.bloom")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BloomError, match=r"none\.bloom: no such file"):
        BloomFilterIndex.load(tmp_path / "none.bloom")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no filter", b"PAR1" * 20], ids=len)
def test_what_is_no_sidecar_is_refused(tmp_path, content):
    (tmp_path / "ids.bloom").write_bytes(content)

    with pytest.raises(BloomError, match="damaged, cut off, or no file of filters"):
        read_sidecar(tmp_path / "ids.bloom")


def test_another_parquet_file_is_refused(tmp_path):
    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "ids.bloom")

    with pytest.raises(BloomError, match="holds no filters of ours, or those of a newer version"):
        read_sidecar(tmp_path / "ids.bloom")


@pytest.mark.parametrize("error_rate", [0.01, 1e-6])
def test_a_flipped_bit_anywhere_is_an_error_or_changes_nothing(tmp_path, error_rate):
    path, index, draws = tmp_path / "ids.bloom", filled(error_rate), random.Random(1)
    index.save(path)
    sound = path.read_bytes()
    wrong = []
    for _ in range(300):
        damaged = bytearray(sound)
        place = draws.randrange(8 * len(sound))
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = BloomFilterIndex.load(path)
        except BloomError:
            continue
        if found != index or (found.capacity, found.error_rate, found.count) != (
            1_000,
            error_rate,
            index.count,
        ):
            wrong.append(place)

    assert wrong == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(tmp_path, share):
    path = tmp_path / "ids.bloom"
    filled().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])

    with pytest.raises(BloomError, match="damaged, cut off, or no file of filters"):
        read_sidecar(path)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(BloomError, match=r"cannot be written: .*No such file or directory"):
        filled().save(tmp_path / "none" / "ids.bloom")
