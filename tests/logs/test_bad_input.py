"""Every bad input by name: a clear error or a quarantined record, and no good row lost or changed."""

import gzip
import json
from pathlib import Path

import msgspec
import polars as pl
import pytest

from evanalytics.exceptions import LogNotFoundError, LogReadError
from evanalytics.logs.log import EventLog
from evanalytics.logs.quarantine import BadRecord, read_quarantine
from evanalytics.logs.reader import read_log
from evanalytics.logs.sources import ReadLimits


def record(number: int, **data: object) -> dict[str, object]:
    second = f"{number % 60:02}"
    return {
        "id": f"e{number}",
        "type": "order.created",
        "source": "shop",
        "time": f"2026-01-01T00:00:{second}Z",
        "data": {"n": number, **data},
    }


def ndjson(path: Path, records: list[object]) -> Path:
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def reasons(log: EventLog) -> list[tuple[int, int | None, str]]:
    assert log.report.quarantine is not None
    return [(bad.line, bad.byte, bad.reason) for bad in read_quarantine(log.report.quarantine)]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogNotFoundError, match=r"nothing\.ndjson: no such file"):
        read_log(tmp_path / "nothing.ndjson")


def test_glob_without_match_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogNotFoundError, match="no file matches"):
        read_log(tmp_path / "*.parquet")


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv", "a.parquet"])
def test_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    with pytest.raises(LogReadError, match=f"{name}: the file is empty"):
        read_log(tmp_path / name)


def test_empty_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(b""))

    with pytest.raises(LogReadError, match="no record in it"):
        read_log(tmp_path / "a.ndjson.gz")


def test_file_of_blank_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"\n   \n\n")

    with pytest.raises(LogReadError, match="only blank lines"):
        read_log(tmp_path / "a.ndjson")


def test_folder_without_logs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no log")

    with pytest.raises(LogNotFoundError, match="holds no event log"):
        read_log(tmp_path)


def test_unknown_ending_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "log.xlsx").write_text("x")

    with pytest.raises(LogReadError, match=r"known endings: \.parquet"):
        read_log(tmp_path / "log.xlsx")


@pytest.mark.parametrize("keep", [3, 100, 600])
def test_truncated_parquet_is_a_clear_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame([record(i) for i in range(50)]).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC")
    )
    frame.drop("data").write_parquet(path)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(LogReadError, match=r"a\.parquet: damaged, cut off, or no Parquet"):
        read_log(path)


def test_truncated_gzip_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(json.dumps(record(1)).encode() * 100)[:-20])

    with pytest.raises(LogReadError, match="compressed stream is damaged or cut off"):
        read_log(path)


def test_broken_lines_in_the_middle_are_named_and_the_others_kept(tmp_path: Path) -> None:
    good = [record(i) for i in range(100)]
    broken = [b'{"id": "x", "type"', b'{"id": 1,}', b"not json at all"]
    path = ndjson(
        tmp_path / "a.ndjson", [*good[:10], broken[0], *good[10:60], broken[1], broken[2], *good[60:]]
    )
    text = path.read_bytes()

    log = read_log(path)

    assert log.lazy.select("id").collect()["id"].to_list() == [r["id"] for r in good]
    assert [(line, byte) for line, byte, _ in reasons(log)] == [
        (line, text.index(raw + b"\n")) for line, raw in zip((11, 62, 63), broken, strict=True)
    ]
    assert log.report.read == 103
    assert log.report.reasons == {"not JSON": 3}


def test_lines_that_are_json_but_no_objects_are_quarantined(tmp_path: Path) -> None:
    log = read_log(
        ndjson(tmp_path / "a.ndjson", [record(0), b"42", b"[1, 2]", b'"text"', b"null", record(1)])
    )

    assert log.report.good == 2
    assert log.report.reasons == {"not a JSON object": 4}


def test_quarantined_records_can_be_mended_and_read_again(tmp_path: Path) -> None:
    log = read_log(
        ndjson(tmp_path / "a.ndjson", [record(0), b'{"id":"e1","type":"t","source":"s"', record(2)])
    )
    bad = next(iter(read_quarantine(log.report.quarantine)))
    mended = {"file": "a", "line": 2, "reason": "", "raw": bad.raw + ',"time":"2026-01-01T00:00:09Z"}'}
    path = tmp_path / "mended.quarantine.ndjson"
    path.write_text(json.dumps(mended))

    again = read_log(path)

    assert again.lazy.select("id", "type").collect().rows() == [("e1", "t")]


def test_payloads_of_mended_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    broken = json.dumps(record(0, list=[1, {"a": None}]))[:-1]
    path = read_log(ndjson(tmp_path / "a.ndjson", [broken.encode(), record(1)])).report.quarantine
    (bad,) = read_quarantine(path)
    path.write_text(json.dumps({"file": "a", "line": 1, "reason": "", "raw": bad.raw + "}"}))

    again = read_log(path)

    assert [event.data for event in again.events()] == [{"n": 0, "list": [1, {"a": None}]}]


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv"])
def test_quarantined_bytes_that_are_not_utf8_are_counted_again(tmp_path: Path, name: str) -> None:
    good = b"id,type,source,time\ne0,t,s,2026-01-01" if name == "a.csv" else json.dumps(record(0)).encode()
    path = tmp_path / name
    path.write_bytes(good + b"\n\xff\n")
    quarantine = read_log(path).report.quarantine
    quarantine.write_bytes(quarantine.read_bytes() + msgspec.json.encode(mended_for(name)) + b"\n")

    report = read_log(quarantine).report

    assert (report.read, report.good, report.reasons) == (2, 1, {"not UTF-8": 1})


def mended_for(name: str) -> BadRecord:
    raw, header = json.dumps(record(1)), None
    if name == "a.csv":
        raw, header = "e1,t,s,2026-01-01", "id,type,source,time"
    return BadRecord(file=name, line=3, reason="", raw=raw, header=header)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_quarantined_csv_records_keep_their_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["id", "type", "source", "time", "a,b"],
        ["e0", *"ts", "2026-01-01", "1"],
        ["e1", *"ts", "?", "2"],
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(delimiter.join(row) for row in rows) + "\n")
    quarantine = read_log(path).report.quarantine
    quarantine.write_text(quarantine.read_text().replace("?", "2026-01-02"))

    again = read_log(quarantine)

    assert again.report.quarantined == 0
    assert again.lazy.select("id", "data__a,b").collect().rows() == [("e1", 2)]


def test_reading_twice_keeps_one_quarantine_file_and_spares_a_mended_one(tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", [record(0), b"{"])
    first = read_log(path).report.quarantine
    assert read_log(path).report.quarantine == first
    first.write_text("mended by hand")

    second = read_log(path).report.quarantine

    assert first.read_text() == "mended by hand"
    assert second.name == "a-2.quarantine.ndjson"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a-2.quarantine.ndjson",
        "a.ndjson",
        "a.quarantine.ndjson",
    ]


def test_a_broken_line_costs_no_other_file_of_that_name_a_record(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    ndjson(tmp_path / "1" / "a.ndjson", [record(0), record(1)])
    ndjson(tmp_path / "2" / "a.ndjson", [b"{", record(2)])

    log = read_log(tmp_path / "*" / "a.ndjson")

    assert log.lazy.select("id").collect()["id"].to_list() == ["e0", "e1", "e2"]
    assert [bad.file for bad in read_quarantine(log.report.quarantine)] == ["2/a.ndjson"]


def test_csv_with_short_and_long_rows_and_quoted_newlines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "id,type,source,time,note\n"
        'a,t,s,2026-01-01T00:00:00Z,"two\nlines"\n'
        "short,t,s\n"
        'b,t,s,2026-01-01T00:00:01Z,"a ""quoted"" word, and a comma"\n'
        "long,t,s,2026-01-01T00:00:02Z,x,y,z\n"
        "c,t,s,2026-01-01T00:00:03Z,plain\n"
    )

    log = read_log(path)

    assert log.lazy.select("id", "data__note").collect().rows() == [
        ("a", "two\nlines"),
        ("b", 'a "quoted" word, and a comma'),
        ("c", "plain"),
    ]
    text = path.read_text()
    assert reasons(log) == [
        (4, text.index("short"), "wrong number of fields: 3 instead of 5"),
        (6, text.index("long"), "wrong number of fields: 7 instead of 5"),
    ]


IRREGULAR = b'e0,t,s,2026-01-01,a"b\n'
"""A quote inside a plain field: from here on records are cut one by one."""


@pytest.mark.parametrize("begin", [b"", IRREGULAR])
def test_csv_records_past_the_limit_are_quarantined(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "a.csv"
    long, longer = (
        b"e1,t,s,2026-01-01," + b"z" * 999 + b"\n",
        b'e2,t,s,2026-01-01,"\n' + b"y\n" * 500 + b'"\n',
    )
    path.write_bytes(b"id,type,source,time,note\n" + begin + long + longer + b"e3,t,s,2026-01-01,c\n")

    log = read_log(path, limits=ReadLimits(max_line_bytes=1000))

    first = 2 + len(begin.splitlines())
    byte = 25 + len(begin)
    assert reasons(log) == [
        (first, byte, "line too long: 1,018 bytes, limit 1,000"),
        (first + 1, byte + len(long), "line too long: 1,022 bytes, limit 1,000"),
    ]
    assert log.lazy.select("id").collect()["id"].to_list() == ["e0", "e3"][-log.report.good :]


def test_a_long_field_beside_an_odd_quote_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"id,type,source,time,note\n" + IRREGULAR + b"e1,t,s,2026-01-01," + b"z" * 200_000 + b"\n"
    )

    log = read_log(path)

    assert log.report.quarantined == 0
    assert log.lazy.select(pl.col("data__note").str.len_bytes()).collect()["data__note"].to_list() == [
        3,
        200_000,
    ]


@pytest.mark.parametrize("begin", [b"", IRREGULAR])
def test_a_quoted_empty_field_of_csv_is_missing_too(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,type,source,time,note\n" + begin + b'e1,t,s,2026-01-01,""\ne2,t,s,2026-01-01,\n')

    notes = read_log(path).lazy.select("data__note").collect()["data__note"]

    assert notes.to_list() == ['a"b', None, None][-len(notes) :]


def test_csv_with_an_unclosed_quote_loses_only_that_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"e{i},t,s,2026-01-01T00:00:0{i}Z,note" for i in range(9)]
    rows[3] = 'e3,t,s,2026-01-01T00:00:03Z,"never closed'
    path.write_text("id,type,source,time,note\n" + "\n".join(rows) + "\n")

    log = read_log(path)

    assert log.lazy.select("id").collect()["id"].to_list() == [f"e{i}" for i in range(9) if i != 3]
    assert [(line, reason) for line, _, reason in reasons(log)] == [(5, "unclosed quote")]


def test_csv_with_a_quote_inside_a_plain_field_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'id,type,source,time,note\na,t,s,2026-01-01T00:00:00Z,5" pipe\nb,t,s,2026-01-01T00:00:00Z,x\n'
    )

    log = read_log(path)

    assert log.lazy.select("data__note").collect()["data__note"].to_list() == ['5" pipe', "x"]


def test_mixed_type_payload_stays_json_and_loses_nothing(tmp_path: Path) -> None:
    values: list[object] = [1, "one", True, None, [1], {"a": 1}, 1.5]
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(i, v=v) for i, v in enumerate(values)]))

    assert log.report.json_paths["data.v"].startswith("mixed types")
    assert "data__v" not in log.schema.columns
    assert [json.loads(text)["v"] for text in log.payloads()["data"]] == values


def test_types_come_from_the_whole_log_not_its_first_rows(tmp_path: Path) -> None:
    rows = [record(i, v=i) for i in range(5_000)] + [record(5_000, v="text")]
    log = read_log(ndjson(tmp_path / "a.ndjson", rows), limits=ReadLimits(chunk_bytes=50_000))

    assert log.report.json_paths == {"data.v": "mixed types: integer, string"}
    assert log.report.good == 5_001


def test_ids_that_are_numbers_become_text(tmp_path: Path) -> None:
    rows = [record(0) | {"id": 7}, record(1) | {"id": 18446744073709551617}, record(2) | {"id": "x"}]
    log = read_log(ndjson(tmp_path / "a.ndjson", rows))

    assert log.lazy.select("id").collect()["id"].to_list() == ["7", "18446744073709551617", "x"]


def test_ids_that_are_objects_are_quarantined(tmp_path: Path) -> None:
    log = read_log(
        ndjson(tmp_path / "a.ndjson", [record(0), record(1) | {"id": {"a": 1}}, record(2) | {"id": True}])
    )

    assert log.report.reasons == {"id is not text": 2}
    assert log.report.good == 1


def test_times_that_are_no_times_are_quarantined(tmp_path: Path) -> None:
    times = [
        "2026-01-01T00:00:00Z",
        "yesterday",
        None,
        "2026-02-30T00:00:00Z",
        12,
        "2026-01-01 00:00:01+01:00",
    ]
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(i) | {"time": t} for i, t in enumerate(times)]))

    assert log.lazy.select("id").collect()["id"].to_list() == ["e0", "e5"]
    assert log.report.reasons == {"time is not a time": 3, "time is missing": 1}


def test_nul_bytes_are_quarantined(tmp_path: Path) -> None:
    line = json.dumps(record(1)).encode().replace(b"shop", b"sh\0p")
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(0), line, b"\0\0\0\0\0\0\0\0\0\0", record(2)]))

    assert log.lazy.select("id").collect()["id"].to_list() == ["e0", "e2"]
    assert [reason for _, _, reason in reasons(log)] == ["not JSON: a NUL byte"] * 2


def test_nul_bytes_in_csv_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,type,source,time\na,t,s,2026-01-01\nb\0,t,s,2026-01-01\nc,t,s,2026-01-01\n")

    log = read_log(path)

    assert log.lazy.select("id").collect()["id"].to_list() == ["a", "c"]
    assert log.report.reasons == {"a NUL byte": 1}


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv"])
def test_lines_that_are_not_utf8_are_quarantined_with_their_bytes(tmp_path: Path, name: str) -> None:
    if name.endswith("csv"):
        lines = [
            b"id,type,source,time",
            b"a,t,s,2026-01-01",
            b"b,t,caf\xe9,2026-01-01",
            "c,t,café,2026-01-01".encode(),
        ]
    else:
        lines = [json.dumps(record(i), ensure_ascii=False).encode() for i in range(3)]
        lines[1] = lines[1].replace(b"shop", b"caf\xe9")
    (tmp_path / name).write_bytes(b"\n".join(lines) + b"\n")

    log = read_log(tmp_path / name)

    assert log.report.good == 2
    assert log.report.reasons == {"not UTF-8": 1}
    assert next(iter(read_quarantine(log.report.quarantine))).raw_base64 is not None


def test_line_of_a_gigabyte_in_a_small_gzip_is_quarantined_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(json.dumps(record(0)).encode() + b'\n{"id":"')
        for _ in range(1024):
            stream.write(b"x" * 2**20)
        stream.write(b'"}\n' + json.dumps(record(1)).encode() + b"\n")

    log = read_log(path)

    assert log.lazy.select("id").collect()["id"].to_list() == ["e0", "e1"]
    assert reasons(log)[0][2].startswith("line too long: 1,073,741,")


def test_decompressed_size_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(json.dumps(record(0)).encode() * 10_000))

    with pytest.raises(LogReadError, match="grows past 10,000 bytes"):
        read_log(path, limits=ReadLimits(max_decompressed_bytes=10_000))


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_json_nested_too_deep_is_a_clear_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("[" * 200_000)

    with pytest.raises(
        LogReadError, match=rf"{name}: (begins as a JSON array, but is none|no record could be)"
    ):
        read_log(path)


def test_a_json_array_too_long_to_be_read_at_once_says_what_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evanalytics.logs.json_array._MAX_BYTES", 1_000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([record(n) for n in range(20)]))

    with pytest.raises(LogReadError, match=r"longer than 1,000 bytes; write one event a line \(NDJSON\)"):
        read_log(path)


def test_number_of_files_is_limited(tmp_path: Path) -> None:
    for i in range(3):
        ndjson(tmp_path / f"{i}.ndjson", [record(i)])

    with pytest.raises(LogReadError, match="3 files, more than the limit of 2"):
        read_log(tmp_path, limits=ReadLimits(max_files=2))


def test_parquet_with_nan_gives_nulls_and_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame([record(i) for i in range(4)]).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC")
    )
    frame = frame.drop("data").with_columns(data__v=pl.Series([1.0, float("nan"), None, float("nan")]))
    frame.write_parquet(path)

    log = read_log(path)

    assert log.lazy.select("data__v").collect()["data__v"].to_list() == [1.0, None, None, None]
    assert log.report.nan_to_null == {"data.v": 2}


def test_nan_in_json_gives_null_and_is_counted(tmp_path: Path) -> None:
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(0, v=1.5), record(1, v=float("nan"))]))

    assert log.lazy.select("data__v").collect()["data__v"].to_list() == [1.5, None]
    assert log.report.nan_to_null == {"data.v": 1}


def test_fields_that_differ_only_in_case_keep_their_own_values(tmp_path: Path) -> None:
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(0, userId="A", userid="b"), record(1, userid="c")]))

    assert log.lazy.select("data__userId").collect()["data__userId"].to_list() == ["A", None]
    assert log.report.json_paths == {
        "data.userid": "its column data__userid collides with that of data.userId"
    }
    assert [json.loads(t).get("userid") for t in log.payloads()["data"]] == ["b", "c"]


def test_parquet_columns_that_differ_only_in_case_keep_their_own_values(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame([record(i) for i in range(2)]).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC")
    )
    frame.drop("data").with_columns(data__userId=pl.lit("A"), data__userid=pl.lit("b")).write_parquet(path)

    log = read_log(path)

    assert log.lazy.select("data__userId").collect()["data__userId"].to_list() == ["A", "A"]
    assert log.report.json_paths == {
        "data.userid": "its column data__userid collides with that of data.userId"
    }


def test_integers_too_large_for_64_bits_stay_json(tmp_path: Path) -> None:
    values = [1, 2**64, 2**70]
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(i, v=v) for i, v in enumerate(values)]))

    assert "data.v" in log.report.json_paths
    assert [json.loads(t)["v"] for t in log.payloads()["data"]] == values


def test_large_integers_beside_fractions_are_not_rounded(tmp_path: Path) -> None:
    values = [0.5, 2**53 + 1]
    log = read_log(ndjson(tmp_path / "a.ndjson", [record(i, v=v) for i, v in enumerate(values)]))

    assert "data.v" in log.report.json_paths
    assert [json.loads(t)["v"] for t in log.payloads()["data"]] == values


def test_parquet_rows_without_id_or_time_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame([record(i) for i in range(4)]).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC")
    )
    frame = frame.drop("data").with_columns(
        id=pl.Series(["a", None, "c", "d"]),
        time=pl.when(pl.int_range(4) != 2).then("time"),
        data__x=pl.int_range(4),
    )
    frame.write_parquet(path)

    log = read_log(path)

    assert log.lazy.select("seq", "id", "data__x").collect().rows() == [(0, "a", 0), (1, "d", 3)]
    assert [(line, reason) for line, _, reason in reasons(log)] == [
        (2, "id is missing"),
        (3, "time is missing"),
    ]


def test_log_without_time_names_the_columns_it_has(tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", [{"id": "1", "type": "t", "Timestamp": "2026-01-01T00:00:00Z"}])

    with pytest.raises(LogReadError, match=r"columns=\{'time': 'Timestamp'\}"):
        read_log(path)


def test_log_without_type_asks_for_one(tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", [{"id": "1", "time": "2026-01-01T00:00:00Z"}])

    with pytest.raises(LogReadError, match=r"default_type='\.\.\.'"):
        read_log(path)


def test_mapped_column_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    path = ndjson(tmp_path / "a.ndjson", [record(0)])

    with pytest.raises(LogReadError, match="did you mean 'time'"):
        read_log(path, columns={"time": "tim"})


def test_damaged_payload_text_in_parquet_is_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame([record(i) for i in range(3)]).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC")
    )
    frame.with_columns(data=pl.Series(['{"a":1}', "{oops", '{"a":3}'])).write_parquet(path)

    log = read_log(path)

    assert log.lazy.select("id", "data__a").collect().rows() == [("e0", 1), ("e2", 3)]
    assert log.report.reasons == {"data is not JSON": 1}
    assert log.payloads()["data"].to_list() == ['{"a":1}', '{"a":3}']


def test_two_records_on_one_line_are_quarantined_even_beside_one_over_two_lines(tmp_path: Path) -> None:
    rows = [json.dumps(record(i)).encode() for i in range(5)]
    rows[1] = rows[1] + b" " + rows[1]
    rows[3] = rows[3].replace(b'"data"', b'\n"data"')

    log = read_log(ndjson(tmp_path / "a.ndjson", list(rows)))

    assert log.lazy.select("id").collect()["id"].to_list() == ["e0", "e2", "e4"]
    assert [line for line, _, _ in reasons(log)] == [2, 4, 5]


@pytest.mark.parametrize(
    "odd", [{"new": 1}, {"n": "text"}, {"n": 1.5}, {"n": None}, {"n": 2**53 + 1}, {"deep": {"x": [1]}}]
)
def test_one_odd_record_among_regular_ones_is_read_as_it_is(tmp_path: Path, odd: dict[str, object]) -> None:
    rows: list[object] = [record(i, f=i / 4, deep={"y": i}) for i in range(3_000)]
    rows[2_000] = record(2_000, **odd)

    log = read_log(ndjson(tmp_path / "a.ndjson", rows), limits=ReadLimits(chunk_bytes=40_000))

    assert log.report.good == 3_000
    assert [json.loads(text) for text in log.payloads([1_999, 2_000])["data"]] == [
        rows[1_999]["data"],
        rows[2_000]["data"],
    ]
    kept = [column for column in log.schema.columns if column == "data__n"]
    for column in kept:
        values = log.lazy.collect()[column].to_list()
        assert values == [r["data"]["n"] for r in rows]


@pytest.mark.parametrize("memory_bytes", [None, 2_000])
def test_a_path_that_stops_fitting_its_type_midway_stays_json(
    tmp_path: Path, memory_bytes: int | None
) -> None:
    values = [*range(40), 2**63, *range(40)]
    limits = ReadLimits(chunk_bytes=500, memory_bytes=memory_bytes)

    log = read_log(
        ndjson(tmp_path / "a.ndjson", [record(i, v=v) for i, v in enumerate(values)]), limits=limits
    )

    assert "data__v" not in log.lazy.collect().columns
    assert [json.loads(text)["v"] for text in log.payloads()["data"]] == values
