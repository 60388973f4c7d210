"""Parquet files that lie behind an address: read in parts by polars, refused where they cannot be."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import evanalytics as ev
from evanalytics.exceptions import LogReadError


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a folder; what is asked for in ranges is given in ranges, as object stores do."""

    class Files(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            path = tmp_path / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            begin, end = 0, len(data)
            if asked := re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
                begin = int(asked[1]) if asked[1] else max(end - int(asked[2]), 0)
                end = min(int(asked[2]) + 1, end) if asked[1] and asked[2] else end
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(end - begin))
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            if with_body:
                self.wfile.write(data[begin:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_remote_file_is_the_log_that_it_is_here(served: str, tmp_path: Path) -> None:
    ev.write_sample(tmp_path / "shop.parquet", events=500, progress=False)

    log = ev.read_log(f"{served}/shop.parquet", progress=False)

    here = ev.read_log(tmp_path / "shop.parquet", progress=False)
    assert log.lazy.collect().equals(here.lazy.collect())
    assert log.report.good == 500
    assert log.plain is None
    assert log.to_duckdb().count("*").fetchall() == [(500,)]


def test_a_remote_file_that_is_not_there_is_named(served: str) -> None:
    with pytest.raises(LogReadError, match=r"http://127.*nothing.parquet: cannot be read"):
        ev.read_log(f"{served}/nothing.parquet", progress=False)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/shop.parquet", "ftp://host/shop.parquet: logs are read from s3://"),
        ("s3://bucket/shop.ndjson.gz", "only single Parquet files"),
        ("s3://bucket/*.parquet", "only single Parquet files"),
        ("s3://bucket/folder/", "only single Parquet files"),
    ],
)
def test_what_cannot_be_read_from_afar_is_refused(url: str, why: str) -> None:
    with pytest.raises(LogReadError, match=re.escape(why)):
        ev.read_log(url, progress=False)
