"""The vectorised reader and a slow, obvious one find the same events in random, spoilt logs."""

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.logs.quarantine import read_quarantine
from evanalytics.logs.reader import read_log
from evanalytics.logs.sources import ReadLimits

TIME = "2026-01-01T00:00:00Z"
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abA."), inner, max_size=2),
    max_leaves=4,
)
RECORDS = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=4),
        "type": st.sampled_from(["x", "y"]),
        "source": st.just("s"),
        "time": st.just(TIME),
    },
    optional={"data": st.dictionaries(st.sampled_from(["a", "b", "A", "c.d", "é"]), VALUES, max_size=3)},
)
BROKEN = st.sampled_from(
    [
        b"",
        b"  ",
        b"{",
        b'{"id": "x",}',
        b"7",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"id": "a\0"}',
        b'{"id":"only"}',
        b"{} {}",
        b'"',
        b"}{",
    ]
)
CHUNKS = st.sampled_from([90, 400, 10_000])
CELLS = st.text(alphabet="ab\",\n é;'", max_size=6)


def expected(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, read in the slow and obvious way; None if it is no event."""
    try:
        record = json.loads(line.decode())
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    return record if all(record.get(name) for name in ("id", "type", "source", "time")) else None


def typed(payload: Any, path: str) -> Any:
    for key in path.split(".")[1:]:
        payload = payload.get(key) if isinstance(payload, dict) else None
    return payload


@settings(max_examples=40, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=12), st.lists(BROKEN, max_size=4), st.randoms(), CHUNKS)
def test_ndjson(records: list[dict[str, Any]], broken: list[bytes], random: Any, chunk_bytes: int) -> None:
    lines = [json.dumps(record, ensure_ascii=random.random() < 0.5).encode() for record in records] + broken
    random.shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ndjson"
        path.write_bytes(b"\n".join(lines))

        log = read_log(path, limits=ReadLimits(chunk_bytes=chunk_bytes), progress=False)

        wanted = [record for line in lines if (record := expected(line)) is not None]
        rows = log.lazy.collect()
        payloads = [None if text is None else json.loads(text) for text in log.payloads()["data"]]
        bad = [] if log.report.quarantine is None else list(read_quarantine(log.report.quarantine))
    assert rows["id"].to_list() == [record["id"] for record in wanted]
    if any(b'"data"' in line for line in lines):  # else what is no attribute is the payload: nothing
        assert payloads == [record.get("data") for record in wanted]
    for name, column in log.schema.paths.items():
        if name.startswith("data."):
            assert rows[column].to_list() == [typed(record.get("data"), name) for record in wanted], name
    spoilt = [i for i, line in enumerate(lines, 1) if line.strip() and expected(line) is None]
    assert [record.line for record in bad] == spoilt
    assert log.report.read == len(wanted) + len(spoilt)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), CHUNKS, st.sampled_from(["\n", "\r\n"]))
def test_csv(cells: list[tuple[str, str]], chunk_bytes: int, end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(["id", "type", "time", "first", "second"])
    writer.writerows([f"e{i}", "t", TIME, *pair] for i, pair in enumerate(cells))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.getvalue().encode())

        log = read_log(path, limits=ReadLimits(chunk_bytes=chunk_bytes), progress=False)

        rows = log.lazy.select("id", "data__first", "data__second").collect().rows()
    assert rows == [(f"e{i}", first or None, second or None) for i, (first, second) in enumerate(cells)]
    assert log.report.quarantined == 0
