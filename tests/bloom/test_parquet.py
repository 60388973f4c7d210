"""The same bits and verdicts as pyarrow and DuckDB, and nothing of the column is read for them."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evanalytics.bloom.header import decode_filter, encode_filter
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.parquet import read_filters, write_parquet_with_filters
from evanalytics.bloom.sizing import SplitBlock
from evanalytics.exceptions import BloomError

COLUMNS = {
    "String": pl.Series("id", [f"order-{n}" for n in range(3_000)]),
    "Binary": pl.Series("id", [f"order-{n}".encode() for n in range(3_000)]),
    "Int64": pl.Series("id", range(-1_500, 1_500), dtype=pl.Int64),
    "Int32": pl.Series("id", range(-1_500, 1_500), dtype=pl.Int32),
}


def written_by_duckdb(path, ids):
    """DuckDB writes filters beside dictionaries only, so the dictionary is given room."""
    frame = ids.to_frame()
    with duckdb.connect() as connection:
        connection.register("ids", frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
        connection.execute(
            f"COPY ids TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048, WRITE_BLOOM_FILTER true, "
            "DICTIONARY_SIZE_LIMIT 10000, STRING_DICTIONARY_PAGE_SIZE_LIMIT 100000000)"
        )
    return path


def written_by_us(path, ids):
    write_parquet_with_filters(path, [ids.to_frame()], row_group_rows=1_000)
    return path


WRITERS = {"pyarrow": written_by_us, "duckdb": written_by_duckdb}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("ids", COLUMNS.values(), ids=COLUMNS)
def test_bits_equal_those_of_other_writers(tmp_path, writer, ids):
    path = writer(tmp_path / "ids.parquet", ids)
    theirs = [group.index for group in read_filters(path).row_groups]
    ours, begin = [], 0
    for group, index in zip(read_filters(path).row_groups, theirs, strict=True):
        mine = BloomFilterIndex.of_shape(index.shape, dtype=ids.dtype, error_rate=0.5)
        mine.add_many(ids[begin : begin + group.rows])
        ours.append(mine)
        begin += group.rows

    assert ours == theirs


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_verdicts_equal_those_of_duckdb(tmp_path, writer):
    path = writer(tmp_path / "ids.parquet", COLUMNS["String"])
    found = read_filters(path)
    probes = [f"order-{n}" for n in range(2_900, 3_200)]
    with duckdb.connect() as connection:
        sql = f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', 'id', $id)"
        theirs = [[not row[0] for row in connection.execute(sql, {"id": id}).fetchall()] for id in probes]

    assert [[g.index.might_contain(id) for g in found.row_groups] for id in probes] == theirs


def test_filters_are_read_without_the_column(tmp_path):
    path = tmp_path / "ids.parquet"
    write_parquet_with_filters(path, [random_ids(100_000, seed=1).to_frame()], row_group_rows=100_000)
    found = read_filters(path)
    own = found.row_groups[0].index.bytes

    assert own < found.bytes_read < own + 70_000 < found.file_bytes / 9


def test_an_index_from_a_footer_knows_its_ids(tmp_path):
    ids = COLUMNS["String"]
    found = read_filters(written_by_us(tmp_path / "ids.parquet", ids))

    assert found.row_groups[1].index.might_contain_many(ids[1_000:2_000]).all()


def test_an_index_from_a_footer_promises_what_its_size_can_keep(tmp_path):
    index = read_filters(written_by_us(tmp_path / "ids.parquet", COLUMNS["String"])).row_groups[0].index

    assert index.capacity == 1_000
    assert index.error_rate == pytest.approx(index.error_rate_now, rel=0.5)


def test_candidates_are_the_row_groups_that_may_hold_an_id(tmp_path):
    found = read_filters(written_by_us(tmp_path / "ids.parquet", COLUMNS["String"]))

    assert 2 in found.candidates("order-2500")


def test_a_row_group_without_a_filter_is_a_candidate(tmp_path):
    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "plain.parquet")

    assert read_filters(tmp_path / "plain.parquet").candidates("b") == [0]


def test_a_filter_whose_length_is_not_told_is_read_all_the_same(tmp_path):
    path = written_by_us(tmp_path / "ids.parquet", COLUMNS["String"])
    expected = [group.index for group in read_filters(path).row_groups]
    data = encode_filter(expected[0].shape, expected[0].words)

    assert decode_filter(data + b"what comes next")[1].tolist() == expected[0].words.tolist()


def test_nested_columns_are_named_with_dots(tmp_path):
    table = pa.table({"order": pa.array([{"id": "a"}])})
    pq.write_table(table, tmp_path / "nested.parquet", bloom_filter_options={"order.id": True})

    assert read_filters(tmp_path / "nested.parquet", "order.id").row_groups[0].index.might_contain("a")


def test_a_missing_column_is_named(tmp_path):
    path = written_by_us(tmp_path / "ids.parquet", COLUMNS["String"])

    with pytest.raises(BloomError, match="has no column 'key'; it has id"):
        read_filters(path, "key")


def test_a_column_that_holds_no_ids_is_refused(tmp_path):
    pl.DataFrame({"id": [1.5]}).write_parquet(tmp_path / "floats.parquet")

    with pytest.raises(BloomError, match="column 'id' holds DOUBLE, which is no dtype of ids"):
        read_filters(tmp_path / "floats.parquet")


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "text.parquet").write_text("no")

    with pytest.raises(BloomError, match="cannot be read as Parquet"):
        read_filters(tmp_path / "text.parquet")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BloomError, match=r"none\.parquet: cannot be read as Parquet: .*No such file"):
        read_filters(tmp_path / "none.parquet")


def test_a_damaged_header_is_refused(tmp_path):
    path = written_by_us(tmp_path / "ids.parquet", COLUMNS["String"])
    data = bytearray(path.read_bytes())
    data[pq.read_metadata(path).row_group(1).column(0).bloom_filter_offset] ^= 1
    path.write_bytes(data)

    with pytest.raises(BloomError, match="row group 1, filter of 'id': damaged, or not an uncompressed"):
        read_filters(path)


@pytest.mark.parametrize("blocks", [1, 3, 4_096, 100_000])
def test_a_filter_survives_its_encoding(blocks):
    words = np.arange(8 * blocks, dtype=np.uint32)

    shape, found = decode_filter(encode_filter(SplitBlock(blocks), words))

    assert (shape, found.tolist()) == (SplitBlock(blocks), words.tolist())


def test_a_filter_that_is_cut_off_is_refused():
    data = encode_filter(SplitBlock(2), np.zeros(16, np.uint32))

    with pytest.raises(BloomError, match="cut off: 64 bytes of bits are missing 1"):
        decode_filter(data[:-1])


@pytest.mark.parametrize("data", [b"", b"\x15", b"\x15\xff\xff\xff\xff\xff\xff\xff", b"nothing of the kind"])
def test_what_is_no_filter_is_refused(data):
    with pytest.raises(BloomError, match="filter: damaged, or not an uncompressed split-block filter"):
        decode_filter(data)


def test_bits_that_are_no_blocks_are_refused():
    data = encode_filter(SplitBlock(1), np.zeros(8, np.uint32)).replace(b"\x15\x40", b"\x15\x42")

    with pytest.raises(BloomError, match="33 bytes of bits are no blocks of 32"):
        decode_filter(data + b"\0")


def test_a_column_of_another_dtype_gets_no_filter(tmp_path):
    with pytest.raises(BloomError, match="column 'id' is Float64; filters hold String, Binary, Int64, Int32"):
        write_parquet_with_filters(tmp_path / "x.parquet", [pl.DataFrame({"id": [1.5]})])


def test_a_failed_write_leaves_no_file(tmp_path):
    with pytest.raises(BloomError, match="no column 'key'"):
        write_parquet_with_filters(tmp_path / "x.parquet", [pl.DataFrame({"id": ["a"]})], columns=["key"])

    assert list(tmp_path.iterdir()) == []
