"""What `read_log` makes of good logs, whatever their format and names."""

import gc
import gzip
import json
import tempfile
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import narwhals.stable.v2 as nw
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from evanalytics.exceptions import ColumnError, PayloadUnavailableError
from evanalytics.logs.duckdb_engine import DuckDBEngine
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.reader import read_log
from evanalytics.logs.sources import ReadLimits

RECORDS = [
    {
        "id": f"e{i}",
        "type": f"order.{'created' if i % 2 else 'paid'}",
        "source": "shop",
        "time": f"2026-01-01T00:{i // 60:02}:{i % 60:02}.5Z",
        "data": {
            "n": i,
            "total": i / 4,
            "status": "OPEN",
            "ok": i % 3 == 0,
            "customer": {"id": f"c{i}", "country": "DE"},
        },
    }
    for i in range(100)
]
COLUMNS = {
    "seq": pl.Int64,
    "id": pl.String,
    "type": pl.String,
    "source": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "ts": pl.Int64,
    "data__n": pl.Int64,
    "data__total": pl.Float64,
    "data__status": pl.String,
    "data__ok": pl.Boolean,
    "data__customer__id": pl.String,
    "data__customer__country": pl.String,
}


def write(path: Path, records: list[dict[str, object]] | None = None, end: bytes = b"\n") -> Path:
    lines = [json.dumps(record).encode() for record in records or RECORDS]
    data = end.join(lines) + end
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def flat() -> pl.DataFrame:
    frame = pl.DataFrame(RECORDS).with_columns(pl.col("time").str.to_datetime(time_zone="UTC"))
    return frame.unnest("data", separator="__").unnest("data__customer", separator="__")


def everything(log: EventLog) -> pl.DataFrame:
    return log.lazy.collect()


def test_ndjson_gives_the_columns_of_the_library(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "a.ndjson"))

    assert dict(everything(log).schema) == COLUMNS
    assert everything(log)["seq"].to_list() == list(range(100))
    assert everything(log).row(5, named=True)["data__customer__id"] == "c5"


@pytest.mark.parametrize(
    "name", ["a.ndjson.gz", "a.jsonl", "array.json", "bom.ndjson", "crlf.ndjson", "blank.ndjson"]
)
def test_every_way_to_write_json_lines_gives_the_same_log(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, end=b"\r\n" if name.startswith("crlf") else b"\n")
    if name.startswith("array"):
        path.write_text(json.dumps(RECORDS, indent=1))
    elif name.startswith("bom"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    elif name.startswith("blank"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n   \n").rstrip())

    log = read_log(path)

    assert_frame_equal(everything(log), everything(read_log(write(tmp_path / "plain.ndjson"))))
    assert log.report.read == 100


def test_parquet_with_flat_struct_and_json_payload_give_the_same_log(tmp_path: Path) -> None:
    expected = everything(read_log(write(tmp_path / "a.ndjson")))
    flat().write_parquet(tmp_path / "flat.parquet")
    struct = pl.DataFrame(RECORDS).with_columns(pl.col("time").str.to_datetime(time_zone="UTC"))
    struct.write_parquet(tmp_path / "struct.parquet")
    text = struct.with_columns(pl.col("data").struct.json_encode())
    text.write_parquet(tmp_path / "text.parquet")

    for name in ("flat", "struct", "text"):
        assert_frame_equal(
            everything(read_log(tmp_path / f"{name}.parquet")), expected, check_column_order=False
        )


def test_csv_with_flat_columns_is_typed_over_the_whole_file(tmp_path: Path) -> None:
    expected = everything(read_log(write(tmp_path / "a.ndjson")))
    flat().write_csv(tmp_path / "a.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")

    assert_frame_equal(everything(read_log(tmp_path / "a.csv")), expected)


def test_csv_with_json_payload_gives_the_same_log(tmp_path: Path) -> None:
    expected = everything(read_log(write(tmp_path / "a.ndjson")))
    frame = pl.DataFrame(RECORDS).with_columns(pl.col("data").struct.json_encode())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(frame.write_csv().replace("\n", "\r\n").encode()))

    assert_frame_equal(everything(read_log(path)), expected)


@pytest.mark.parametrize("chunk_bytes", [300, 1_000, 7_777])
@pytest.mark.parametrize("name", ["a.ndjson", "a.csv"])
def test_the_size_of_chunks_changes_nothing(tmp_path: Path, name: str, chunk_bytes: int) -> None:
    write(tmp_path / "a.ndjson")
    note = pl.Series("note", [f'line\nbreak, "{i}"' for i in range(100)])
    flat().with_columns(note).write_csv(tmp_path / "a.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")

    small = read_log(tmp_path / name, limits=ReadLimits(chunk_bytes=chunk_bytes))

    assert_frame_equal(everything(small), everything(read_log(tmp_path / name)))
    assert_frame_equal(small.payloads(), read_log(tmp_path / name).payloads())


def test_rows_past_the_memory_budget_wait_on_disk(tmp_path: Path) -> None:
    write(tmp_path / "a.ndjson")
    limits = ReadLimits(chunk_bytes=2_000, memory_bytes=1_000)

    log = read_log(tmp_path / "a.ndjson", limits=limits)

    assert_frame_equal(everything(log), everything(read_log(tmp_path / "a.ndjson")))


@pytest.mark.parametrize("how", ["lazy", "duckdb"])
def test_rows_on_disk_last_as_long_as_any_frame_of_the_log(tmp_path: Path, how: str) -> None:
    limits = ReadLimits(memory_bytes=1, chunk_bytes=4096)
    numbers = numbers_past_9(read_log(write(tmp_path / "a.ndjson"), limits=limits), how)
    gc.collect()

    assert sorted(numbers()["data__n"]) == list(range(10, 100))


def numbers_past_9(log: EventLog, how: str) -> Callable[[], pl.DataFrame]:
    """Return what will read numbers of the log once nobody has the log itself any more."""
    if how == "duckdb":
        return log.to_duckdb().filter("data__n > 9").select("data__n").pl
    return log.lazy.filter(pl.col("data__n") > 9).collect


def test_rows_on_disk_go_with_the_last_frame_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lazy = read_log(write(tmp_path / "a.ndjson"), limits=ReadLimits(memory_bytes=1)).lazy.select("id")
    assert len(list(tmp_path.glob("evanalytics-*"))) == 1

    del lazy
    gc.collect()

    assert list(tmp_path.glob("evanalytics-*")) == []


def test_csv_numbers_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,type,source,time,zip,count,price,flag,none\n"
        "1,t,s,2026-01-01T00:00:00Z,007,1,1.5,true,\n"
        "2,t,s,2026-01-01T00:00:00Z,12345,,2,false,\n"
    )

    frame = everything(read_log(tmp_path / "a.csv"))

    assert frame.select("^data__.*$").rows() == [
        ("007", 1, 1.5, True, None),
        ("12345", None, 2.0, False, None),
    ]


def test_semicolons_are_recognised_and_reported(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;type;source;time\n1;t;s;2026-01-01T00:00:00Z\n")

    log = read_log(tmp_path / "a.csv")

    assert len(log) == 1
    assert "csv: fields are separated by ';'" in log.report.notes


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (1767225600, "epoch seconds"),
        (1767225600.0, "epoch seconds"),
        (1767225600000, "epoch milliseconds"),
        (1767225600000000, "epoch microseconds"),
        (1767225600000000000, "epoch nanoseconds"),
        pytest.param("1767225600", "epoch seconds", id="text-1767225600"),
        ("2026-01-01T00:00:00Z", "ISO 8601 text"),
        ("2026-01-01T01:00:00+01:00", "ISO 8601 text"),
        ("2026-01-01 00:00:00", "without a zone are taken as UTC"),
        ("2026-01-01", "without a zone are taken as UTC"),
    ],
)
def test_times_are_recognised_and_reported(tmp_path: Path, value: object, note: str) -> None:
    log = read_log(write(tmp_path / "a.ndjson", [{"id": "1", "type": "t", "source": "s", "time": value}]))

    assert everything(log)["time"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)]
    assert any(note in text for text in log.report.notes)


def test_a_zone_that_is_missing_only_later_is_reported(tmp_path: Path) -> None:
    records = [{**RECORDS[i], "time": "2026-01-01T00:00:00" + ("Z" if i < 90 else "")} for i in range(100)]

    log = read_log(write(tmp_path / "a.ndjson", records), limits=ReadLimits(chunk_bytes=2_000))

    assert "time: some have no zone and are taken as UTC" in log.report.notes


def test_columns_maps_other_names_and_nested_paths(tmp_path: Path) -> None:
    record = {
        "meta": {"ts": 1767225600, "uid": 7},
        "event_name": "click",
        "page": "/home",
        "user": {"age": 30},
    }
    log = read_log(
        write(tmp_path / "clicks.ndjson", [record]),
        columns={"time": "meta.ts", "type": "event_name", "id": "meta.uid"},
    )

    row = everything(log).row(0, named=True)
    assert (row["id"], row["type"], row["source"]) == ("7", "click", "clicks")
    assert (row["data__page"], row["data__user__age"]) == ("/home", 30)
    assert json.loads(log.payloads()["data"][0]) == {"meta": {}, "page": "/home", "user": {"age": 30}}
    assert "source: the log has none, the file's name was taken" in log.report.notes


def test_log_without_ids_gets_file_and_line(tmp_path: Path) -> None:
    records = [{"type": "t", "source": "s", "time": "2026-01-01T00:00:00Z"}] * 2

    log = read_log(write(tmp_path / "a.ndjson", records))

    assert everything(log)["id"].to_list() == ["a.ndjson#1", "a.ndjson#2"]


@pytest.mark.parametrize("wanted", ["*/e.ndjson", "a list"])
def test_files_of_one_name_in_several_folders_are_told_apart(tmp_path: Path, wanted: str) -> None:
    anonymous = [{name: value for name, value in record.items() if name != "id"} for record in RECORDS]
    for day, records in (("day=1", anonymous[:2]), ("day=2", anonymous[2:4])):
        (tmp_path / day).mkdir()
        write(tmp_path / day / "e.ndjson", records)

    paths = [tmp_path / day / "e.ndjson" for day in ("day=1", "day=2")]
    log = read_log(paths if wanted == "a list" else tmp_path / wanted)

    frame = everything(log)
    assert frame["data__n"].to_list() == [0, 1, 2, 3]
    assert frame["id"].to_list() == [f"day={day}/e.ndjson#{line}" for day in (1, 2) for line in (1, 2)]
    assert frame["source"].to_list() == ["shop"] * 4
    assert log.report.files == ("day=1/e.ndjson", "day=2/e.ndjson")


def test_defaults_fill_types_and_sources(tmp_path: Path) -> None:
    records = [
        {"id": "1", "type": "a", "source": "x", "time": "2026-01-01T00:00:00Z"},
        {"id": "2", "type": None, "time": "2026-01-01T00:00:00Z"},
    ]

    log = read_log(write(tmp_path / "a.ndjson", records), default_type="unknown", default_source="web")

    assert everything(log).select("type", "source").rows() == [("a", "x"), ("unknown", "web")]


def test_further_cloudevents_attributes_are_kept(tmp_path: Path) -> None:
    record = {**RECORDS[1], "specversion": "1.0", "subject": "order/1", "traceparent": "00-ab"}

    log = read_log(write(tmp_path / "a.ndjson", [record]))

    event = next(log.events())
    assert event.subject == "order/1"
    assert event.extensions == {"traceparent": "00-ab"}
    assert everything(log)["ext__traceparent"].to_list() == ["00-ab"]


def test_folder_of_files_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "day=2").mkdir()
    (tmp_path / "day=1").mkdir()
    flat().slice(50).write_parquet(tmp_path / "day=2" / "b.parquet")
    flat().slice(0, 50).write_parquet(tmp_path / "day=1" / "a.parquet")

    frame = everything(read_log(tmp_path))

    assert frame["id"].to_list() == [f"e{i}" for i in range(100)]
    assert frame["seq"].to_list() == list(range(100))
    assert frame["data__day"].to_list() == [1] * 50 + [2] * 50


def test_duckdb_sees_the_columns_that_folders_tell(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / f"day={day}").mkdir()
        flat().slice(50 * (day - 1), 50).write_parquet(tmp_path / f"day={day}" / "a.parquet")

    log = read_log(tmp_path)

    assert_frame_equal(log.to_duckdb().order("seq").pl(), everything(log))


def test_explicit_nulls_are_told_from_missing_keys(tmp_path: Path) -> None:
    base = {"id": "1", "type": "t", "source": "s", "time": "2026-01-01T00:00:00Z"}
    records = [
        {**base, "data": {"a": None, "b": 1}},
        {**base, "data": {"a": 1}},
        {**base, "data": {"a": 2, "b": 2}},
    ]

    log = read_log(write(tmp_path / "a.ndjson", records))

    assert log.report.null_paths == ("data.a",)
    assert everything(log)["data__b"].to_list() == [1, None, 2]


def test_keys_with_dots_blanks_and_quotes_are_safe(tmp_path: Path) -> None:
    data = {"a.b": 1, "a": {"b": 2}, 'q"; DROP TABLE x': 3, "x/y~z": 4, "": 5, "ключ": 6}

    log = read_log(write(tmp_path / "a.ndjson", [{**RECORDS[0], "data": data}]))

    row = everything(log).row(0, named=True)
    assert (row["data__a__b"], row['data__q"; DROP TABLE x'], row["data__x/y~z"], row["data__ключ"]) == (
        2,
        3,
        4,
        6,
    )
    assert log.report.json_paths == {"data.a.b": "a key contains a dot", "data.": "a key is empty"}
    assert json.loads(log.payloads()["data"][0]) == data


def test_maps_with_many_keys_stay_json(tmp_path: Path) -> None:
    records = [{**RECORDS[0], "data": {"scores": {f"user{i}": i}}} for i in range(300)]

    log = read_log(write(tmp_path / "a.ndjson", records))

    assert log.report.json_paths == {"data.scores": "an object with 300 different keys"}


def test_report_counts_repeated_ids_and_late_arrivals(tmp_path: Path) -> None:
    records = [RECORDS[0], RECORDS[2], RECORDS[1], RECORDS[1]]

    report = read_log(write(tmp_path / "a.ndjson", records)).report

    assert report.duplicate_ids == 1
    assert report.out_of_order == 0.5
    assert report.start == datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "a.ndjson"))

    assert [event.to_dict()["data"] for event in log.events()] == [record["data"] for record in RECORDS]


def test_events_by_time_are_sorted_stably(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "a.ndjson", [RECORDS[i] for i in (3, 1, 2, 1)]))

    assert [event.id for event in log.events(order="time")] == ["e1", "e1", "e2", "e3"]


def test_payload_of_a_flat_parquet_is_rebuilt(tmp_path: Path) -> None:
    flat().write_parquet(tmp_path / "a.parquet")

    assert json.loads(read_log(tmp_path / "a.parquet").payloads([7])["data"][0]) == RECORDS[7]["data"]


def test_payloads_follow_seq_through_a_filter(tmp_path: Path) -> None:
    class Even:
        def compile(self, schema: LogSchema) -> nw.Expr:
            return nw.col(schema.column("data.n")) % 2 == 0

    log = read_log(write(tmp_path / "a.ndjson"), limits=ReadLimits(chunk_bytes=1_500)).where(Even())

    assert len(log) == 50
    assert [json.loads(text)["n"] for text in log.payloads([4, 5, 98])["data"]] == [4, 98]
    assert [event.data["n"] for event in log.events()] == list(range(0, 100, 2))


def test_payloads_of_a_changed_file_are_refused(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "a.ndjson"))
    write(tmp_path / "a.ndjson", RECORDS[:50])

    with pytest.raises(PayloadUnavailableError, match="has changed since it was read"):
        log.payloads()


def test_unknown_path_names_the_nearest(tmp_path: Path) -> None:
    schema = read_log(write(tmp_path / "a.ndjson")).schema

    with pytest.raises(ColumnError, match=r"did you mean 'data\.status'"):
        schema.column("data.statsu")


def test_duckdb_sees_the_same_rows(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "a.ndjson"))

    rows = log.to_duckdb().order("seq").pl()

    assert_frame_equal(rows, everything(log), check_dtypes=False)
    counted = log.frame("duckdb").group_by("type").agg(nw.len().alias("n")).sort("type").collect("polars")
    assert counted.rows() == [("order.created", 50), ("order.paid", 50)]


def test_log_from_a_frame_has_the_same_columns(tmp_path: Path) -> None:
    log = EventLog.from_frame(flat())

    assert_frame_equal(everything(log), everything(read_log(write(tmp_path / "a.ndjson"))))
    assert log.report.typed["data.customer.id"] == "String"


def test_frame_without_time_zone_or_with_nulls_is_refused() -> None:
    frame = flat().with_columns(id=pl.lit(None, pl.String))

    with pytest.raises(ColumnError, match="id: null in 100 rows"):
        EventLog.from_frame(frame)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_columns_beside_a_json_payload_are_further_attributes(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame(RECORDS).with_columns(
        pl.col("data").struct.json_encode(),
        trace=pl.lit("00-ab"),
        specversion=pl.lit("1.0"),
        subject=pl.lit("o"),
    )
    write_it = frame.write_parquet if name.endswith("parquet") else frame.write_csv
    write_it(tmp_path / name)

    log = read_log(tmp_path / name)

    event = next(log.events())
    assert (event.subject, event.extensions, event.data) == ("o", {"trace": "00-ab"}, RECORDS[0]["data"])
    assert "specversion" not in "".join(log.schema.columns)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("data__userId", "data__userid"), "its column data__userid collides with that of data.userId"),
        (("data__a", "data__a__b"), "data.a.b: it and data.a both have values, but one is a part"),
        (("data__a__b", "data__a"), "data.a: it and data.a.b both have values, but one is a part"),
    ],
)
def test_columns_that_exclude_each_other_are_refused_in_a_frame_and_reported_of_a_file(
    tmp_path: Path, names: tuple[str, str], why: str
) -> None:
    frame = flat().select(
        "id", "type", "source", "time", pl.lit(1).alias(names[0]), pl.lit(2).alias(names[1])
    )
    frame.write_parquet(tmp_path / "a.parquet")

    log = read_log(tmp_path / "a.parquet")

    (left,) = log.report.json_paths.items()
    assert why in ": ".join(left)
    assert next(log.events()).data == ({"a": {"b": 1}} if "__b" in names[0] else {names[0][6:]: 1})
    with pytest.raises(ColumnError, match=why):
        EventLog.from_frame(frame)


def test_extension_columns_of_a_flat_parquet_come_back(tmp_path: Path) -> None:
    flat().with_columns(ext__trace=pl.lit("00-ab"), subject=pl.lit("o")).write_parquet(tmp_path / "a.parquet")

    event = next(read_log(tmp_path / "a.parquet").events())

    assert (event.subject, event.extensions, event.data) == ("o", {"trace": "00-ab"}, RECORDS[0]["data"])


def test_payload_numbers_of_64_bits_and_more_come_back_exactly(tmp_path: Path) -> None:
    values = [2**63, 2**64 + 1, -(2**63), 0.1]
    records = [{**RECORDS[0], "data": {"v": value}} for value in values]

    assert [event.data["v"] for event in read_log(write(tmp_path / "a.ndjson", records)).events()] == values


def test_names_that_look_like_patterns_are_names(tmp_path: Path) -> None:
    data = {"*": 1, "^a$": 2, "a": {"*": 3, "^x$": 4}}

    log = read_log(write(tmp_path / "a.ndjson", [{**RECORDS[0], "data": data}] * 3))

    row = everything(log).row(1, named=True)
    assert (row["data__*"], row["data__^a$"], row["data__a__*"], row["data__a__^x$"]) == (1, 2, 3, 4)


def test_time_bounds_reach_the_row_groups_of_a_parquet_file(tmp_path: Path) -> None:
    flat().write_parquet(tmp_path / "a.parquet", row_group_size=10)
    log = read_log(tmp_path / "a.parquet").between(datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC))

    assert "SELECTION" in log.lazy.explain()
    assert log.lazy.select("seq").collect()["seq"].to_list() == list(range(90, 100))


def test_threads_may_read_payloads_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    line = '{"id": "%d", "type": "t", "source": "s", "time": "2026-01-01T00:00:00Z", "data": {"n": %d, "m": [1]}}\n'
    path.write_text("".join(line % (n, n) for n in range(20_000)))
    log = read_log(path, progress=False)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: log.payloads(), range(8)))

    assert found[0]["data"][7] == '{"n":7,"m":[1]}'
    assert all(other.equals(found[0]) for other in found)


def test_a_log_keeps_none_of_the_connections_that_its_frames_have() -> None:
    frame = pl.DataFrame(RECORDS).select(
        "id", "type", "source", pl.col("time").str.to_datetime(time_zone="UTC")
    )
    log = EventLog.from_frame(frame)
    frames = [log.frame("duckdb") for _ in range(3)]
    engines = weakref.WeakSet(one for one in gc.get_objects() if isinstance(one, DuckDBEngine))

    assert [frame.collect("polars").to_native().height for frame in frames] == [len(RECORDS)] * 3
    del frames
    gc.collect()
    assert not engines
