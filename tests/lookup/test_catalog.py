from __future__ import annotations

import os
import shutil

import polars as pl
import pyarrow.parquet as pq
import pytest

from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.parquet import write_parquet_with_filters
from evanalytics.exceptions import BloomError, CatalogError
from evanalytics.logs.integrity import write_parquet
from evanalytics.lookup.catalog import LogCatalog, RowGroup

FILES, ROWS = 100, 200


@pytest.fixture(scope="module")
def hundred_logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    for number in range(FILES):
        log_of(number).write_parquet(folder / f"{number:03}.parquet")
    return folder


@pytest.fixture
def logs(tmp_path):
    for number in range(3):
        log_of(number).write_parquet(tmp_path / f"{number}.parquet", row_group_size=ROWS // 2)
    return tmp_path


def log_of(number: int) -> pl.DataFrame:
    return pl.DataFrame({"id": random_ids(ROWS, seed=number), "n": pl.int_range(ROWS, eager=True)})


def opened(folder, **options):
    return LogCatalog(folder, progress=False, **options)


@pytest.fixture
def row_groups_read(monkeypatch):
    """Every row group that is read from here on."""
    read = []
    original = pq.ParquetFile.read_row_group

    def noted(self, number, *args, **kwargs):
        read.append(number)
        return original(self, number, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    return read


def test_an_absent_id_is_answered_without_reading_a_row_group(hundred_logs, row_groups_read):
    catalog = opened(hundred_logs)
    row_groups_read.clear()
    found = catalog.look_up("0" * 32)

    assert (found.is_found, found.read, row_groups_read) == (False, (), [])


def test_a_present_id_reads_one_row_group(hundred_logs):
    found = opened(hundred_logs).look_up(log_of(42)["id"][7])

    assert (found.rows["n"].to_list(), found.read) == ([7], (RowGroup("042.parquet", 0),))


def test_every_row_group_is_known(hundred_logs):
    assert opened(hundred_logs).row_groups == FILES


def test_absent_ids_read_row_groups_at_the_rate_of_the_own_bits(hundred_logs):
    catalog = opened(hundred_logs)
    read = sum(bool(catalog.candidates(id)) for id in random_ids(300, seed=1_000))

    assert catalog.error_rate_now < 0.002
    assert read <= 5


def test_a_second_opening_reads_no_log(logs, row_groups_read):
    opened(logs)
    row_groups_read.clear()
    catalog = opened(logs)

    assert (catalog.row_groups, len(row_groups_read)) == (6, 6)  # of the sidecar: one per filter


def test_an_id_in_several_row_groups_is_found_in_each(tmp_path):
    for number in range(2):
        pl.DataFrame({"id": ["a", "b", "a"], "n": [1, 2, 3]}).write_parquet(tmp_path / f"{number}.parquet")

    assert opened(tmp_path).look_up("a").rows["n"].to_list() == [1, 3, 1, 3]


def test_logs_with_other_columns_are_found_together(tmp_path):
    pl.DataFrame({"id": ["a"], "n": [1]}).write_parquet(tmp_path / "0.parquet")
    pl.DataFrame({"id": ["a"], "m": ["x"]}).write_parquet(tmp_path / "1.parquet")

    assert opened(tmp_path).look_up("a").rows.to_dicts() == [
        {"id": "a", "n": 1, "m": None},
        {"id": "a", "n": None, "m": "x"},
    ]


def test_logs_in_folders_below_are_known(tmp_path):
    (tmp_path / "2026" / "01").mkdir(parents=True)
    log_of(1).write_parquet(tmp_path / "2026" / "01" / "orders.parquet")

    assert opened(tmp_path).look_up(log_of(1)["id"][0]).read == (RowGroup("2026/01/orders.parquet", 0),)


def test_logs_that_we_wrote_are_known(tmp_path):
    write_parquet(tmp_path / "ours.parquet", [log_of(1)], row_group_size=50)

    assert opened(tmp_path).candidates(log_of(1)["id"][120]) == [RowGroup("ours.parquet", 2)]


def test_integer_ids_are_found(tmp_path):
    pl.DataFrame({"id": [1, 2, 3]}).write_parquet(tmp_path / "0.parquet")

    assert opened(tmp_path).look_up(2).is_found


def test_null_ids_are_left_out(tmp_path):
    pl.DataFrame({"id": ["a", None], "n": [1, 2]}).write_parquet(tmp_path / "0.parquet")

    assert opened(tmp_path).look_up("a").rows["n"].to_list() == [1]


def test_a_row_group_of_nulls_alone_is_known(tmp_path):
    pl.DataFrame({"id": [None]}, schema={"id": pl.String}).write_parquet(tmp_path / "0.parquet")

    assert opened(tmp_path).candidates("a") == []


def test_a_filter_in_the_footer_is_taken_where_it_is_good_enough(tmp_path, row_groups_read):
    write_parquet_with_filters(tmp_path / "0.parquet", [log_of(1)], error_rate=1e-4)
    opened(tmp_path, error_rate=1e-3)

    assert row_groups_read == []


def test_a_filter_in_the_footer_is_left_where_it_is_too_coarse(tmp_path, row_groups_read):
    write_parquet_with_filters(tmp_path / "0.parquet", [log_of(1)], error_rate=0.2, row_group_rows=ROWS)
    opened(tmp_path, error_rate=1e-6)

    assert row_groups_read == [0]


@pytest.mark.parametrize("change", ["added", "changed", "removed"])
def test_a_catalog_does_not_answer_for_other_files_than_it_saw(logs, change):
    catalog = opened(logs)
    if change == "added":
        log_of(9).write_parquet(logs / "9.parquet")
    elif change == "changed":
        log_of(9).write_parquet(logs / "1.parquet", row_group_size=50)
    else:
        (logs / "1.parquet").unlink()

    with pytest.raises(CatalogError, match="1 files were added, changed or removed since they were indexed"):
        catalog.look_up("a")


def test_refresh_indexes_only_what_changed(logs):
    catalog = opened(logs)
    log_of(9).write_parquet(logs / "9.parquet")

    assert catalog.refresh(progress=False) == 1
    assert catalog.look_up(log_of(9)["id"][0]).is_found


def test_opening_brings_the_filters_up_to_date(logs):
    opened(logs)
    shutil.copy(logs / "0.parquet", logs / "copy.parquet")
    (logs / "2.parquet").unlink()

    assert opened(logs).look_up(log_of(0)["id"][0]).rows.height == 2


def test_filters_can_be_kept_elsewhere(logs, tmp_path_factory):
    sidecar = tmp_path_factory.mktemp("cache") / "orders.bloom"
    opened(logs, sidecar=sidecar)

    assert (sidecar.exists(), os.listdir(logs)) == (True, os.listdir(logs))
    assert "_id.bloom" not in os.listdir(logs)


def test_other_columns_have_catalogs_of_their_own(logs):
    opened(logs)

    assert opened(logs, column="n").look_up(7).rows.height == 3


def test_another_error_rate_makes_the_filters_again(logs):
    coarse = opened(logs, error_rate=0.01).bytes

    assert opened(logs, error_rate=1e-6).bytes > coarse


def test_damaged_filters_are_refused(logs):
    opened(logs)
    data = bytearray((logs / "_id.bloom").read_bytes())
    data[len(data) // 2] ^= 1
    (logs / "_id.bloom").write_bytes(data)

    with pytest.raises(BloomError, match="damaged"):
        opened(logs)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="no such folder; name the one that holds the Parquet logs"):
        opened(tmp_path / "none")


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="holds no Parquet file"):
        opened(tmp_path)


def test_a_damaged_log_is_named(logs):
    (logs / "1.parquet").write_bytes(b"no")

    with pytest.raises(CatalogError, match=r"1\.parquet: cannot be read as Parquet"):
        opened(logs)


def test_a_log_without_the_column_is_named(logs):
    pl.DataFrame({"key": ["a"]}).write_parquet(logs / "other.parquet")

    with pytest.raises(CatalogError, match=r"other\.parquet: has no column 'id'; it has key"):
        opened(logs)


def test_ids_of_several_dtypes_are_refused(logs):
    pl.DataFrame({"id": [1]}).write_parquet(logs / "numbers.parquet")

    with pytest.raises(CatalogError, match="'id' is of several dtypes"):
        opened(logs)


def test_an_id_of_another_dtype_is_refused(logs):
    with pytest.raises(BloomError, match="this index holds String"):
        opened(logs).look_up(7)
