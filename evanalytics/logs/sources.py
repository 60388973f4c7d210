"""Files of a log: which ones a path means, in which format, and their lines in bounded memory."""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import numpy.typing as npt

from evanalytics.exceptions import LogNotFoundError, LogReadError

Format = Literal["parquet", "ndjson", "csv", "quarantine"]
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

_FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
}
_REMOTE = ("s3", "gs", "az", "https", "http")
_SCAN_BYTES = 2**18
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """What a log may ask of the machine before reading it is refused.

    Attributes:
        max_line_bytes: A longer line, or CSV record, is quarantined; what is far longer is never held in
            memory.
        max_files: More files than this are refused.
        max_decompressed_bytes: A compressed file that grows past this is refused.
        chunk_bytes: How much text is worked on at a time.
        memory_bytes: Past this, typed rows wait in a temporary file; None: a quarter of the memory.
    """

    max_line_bytes: int = 16 * 2**20
    max_files: int = 10_000
    max_decompressed_bytes: int = 2**40
    chunk_bytes: int = 16 * 2**20
    memory_bytes: int | None = None

    def memory_budget(self) -> int:
        """Return how many bytes of typed rows may stay in memory."""
        return self.memory_bytes if self.memory_bytes is not None else _quarter_of_memory()

    def too_long(self, size: int) -> str:
        """Return why a line, or a CSV record, of so many bytes is quarantined."""
        return f"line too long: {size:,} bytes, limit {self.max_line_bytes:,}"


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a log; `name` is how reports and ids call it, and no other file of the log.

    A remote file has a `url`; its `path` is no more than its name.
    """

    path: Path
    name: str
    format: Format
    compressed: bool
    url: str | None = None

    @property
    def location(self) -> Path | str:
        """Where a native reader finds it."""
        return self.path if self.url is None else self.url

    @property
    def bytes(self) -> int:
        """Its size, as it lies; 0 for a remote one, which is not asked."""
        return 0 if self.url is not None else self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Whole lines of one file: line i is `buffer[starts[i]:starts[i + 1]]`, newline included.

    `starts` is int64 and one longer than the number of lines. `first_line` counts from 1,
    `first_byte` from 0, both in the decompressed file. `too_long` is set on a chunk that
    stands for one line past the limit: its buffer holds only the beginning of that line.
    """

    buffer: bytes
    starts: npt.NDArray[np.int64]
    first_line: int
    first_byte: int
    too_long: int | None = None

    def line(self, index: int) -> bytes:
        """Return one line without its newline."""
        return self.buffer[self.starts[index] : self.starts[index + 1]].rstrip(b"\r\n")


def find_files(paths: Paths, *, limits: ReadLimits) -> list[LogFile]:
    """Return the files that a path, a glob, a folder or a list of them means, in order.

    A list keeps its order; a glob and a folder are sorted by name, and a folder is searched
    to the bottom for files of a known format. Files are called by their names, those of a folder by
    their paths below it; where two would be called the same, all are called by their paths below
    the folder they have in common.

    Raises:
        LogNotFoundError: Nothing is there.
        LogReadError: A format is unknown, or there are too many files.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise LogNotFoundError("no path was given; name a file, a folder or a glob such as 'logs/*.ndjson'")
    found = [file for item in given for file in _expand(os.fspath(item))]
    if len(found) > limits.max_files:
        raise LogReadError(
            f"{given[0]}: {len(found):,} files, more than the limit of {limits.max_files:,}; "
            "name fewer, or raise ReadLimits(max_files=...)"
        )
    return _told_apart(found)


def is_log(path: Path) -> bool:
    """Return whether a file of a folder is taken for a log: by its ending, and no by-product of one.

    Example:
        >>> is_log(Path("orders.csv.gz")), is_log(Path("orders.csv.gz.answers.json"))
        (True, False)
    """
    return _format_of(path) is not None and not path.name.endswith((".answers.json", ".quarantine.ndjson"))


def read_lines(file: LogFile, *, limits: ReadLimits) -> Iterator[LineChunk]:
    """Yield a text file as chunks of whole lines, with bounded memory.

    A byte order mark is dropped (and counted in the byte offsets). The last line needs no newline.

    Raises:
        LogReadError: The compressed stream is damaged or past its limit.
    """
    with _opened(file) as stream:
        yield from _chunks(file, stream, limits)


def read_all(file: LogFile, *, limits: ReadLimits, most: int) -> bytes | None:
    """Return the whole decompressed file, less a byte order mark; None if it is longer than `most`."""
    parts: list[bytes] = []
    size = 0
    with _opened(file) as stream:
        while block := _read(file, stream, limits.chunk_bytes):
            parts.append(block)
            size += len(block)
            if size > limits.max_decompressed_bytes:
                raise _too_large(file, limits)
            if size > most:
                return None
    return b"".join(parts).removeprefix(_BOM)


def first_byte(file: LogFile) -> bytes:
    """Return the first byte of the file that is no white space, or b"" if there is none."""
    with _opened(file) as stream:
        while block := _read(file, stream, 4096):
            if text := block.removeprefix(_BOM).lstrip():
                return text[:1]
    return b""


def _expand(path: str) -> list[LogFile]:
    if "://" in path:
        return [_remote_file(path)]
    if os.path.isdir(path):
        logs = sorted(str(p) for p in Path(path).rglob("*") if p.is_file() and is_log(p))
        if not logs:
            raise LogNotFoundError(f"{path}: the folder holds no event log ({_known()})")
        return [_log_file(Path(n), name=os.path.relpath(n, path)) for n in logs]
    if os.path.exists(path):
        return [_log_file(Path(path))]
    names = sorted(n for n in glob.glob(path, recursive=True) if os.path.isfile(n))
    if not names:
        what = "no file matches" if glob.has_magic(path) else "no such file or folder"
        raise LogNotFoundError(f"{path}: {what}")
    return [_log_file(Path(n)) for n in names]


def _told_apart(files: list[LogFile]) -> list[LogFile]:
    if len({file.name for file in files}) == len(files):
        return files
    places = [os.path.abspath(f.path if f.url is None else f.url.partition("?")[0]) for f in files]
    common = os.path.commonpath([os.path.dirname(place) for place in places])
    return [replace(f, name=os.path.relpath(place, common)) for f, place in zip(files, places, strict=True)]


def _remote_file(url: str) -> LogFile:
    scheme, _, rest = url.partition("://")
    name = rest.partition("?")[0].rstrip("/").rpartition("/")[2]
    if scheme not in _REMOTE:
        raise LogReadError(f"{url}: logs are read from {', '.join(f'{known}://' for known in _REMOTE)}")
    if glob.has_magic(name) or _format_of(Path(name)) != "parquet":
        raise LogReadError(
            f"{url}: only single Parquet files are read from afar; name each, and download text logs first"
        )
    return LogFile(Path(name), name, "parquet", compressed=False, url=url)


def _log_file(path: Path, *, name: str | None = None) -> LogFile:
    form = _format_of(path)
    if form is None:
        raise LogReadError(f"{path}: the ending says no known format; {_known()}")
    if path.stat().st_size == 0:
        raise LogReadError(f"{path}: the file is empty")
    return LogFile(path, name or path.name, form, path.suffix == ".gz")


def _format_of(path: Path) -> Format | None:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.name.endswith(".quarantine.ndjson"):
        return "quarantine"
    return _FORMATS.get(plain.suffix.lower())


def _known() -> str:
    return f"known endings: {', '.join(_FORMATS)}, and .gz behind the text ones"


def _opened(file: LogFile) -> IO[bytes]:
    try:
        if file.compressed:
            return cast(IO[bytes], gzip.open(file.path, "rb"))
        return open(file.path, "rb", buffering=0)
    except OSError as error:
        raise LogReadError(f"{file.path}: cannot be opened: {error.strerror or error}") from error


def _read(file: LogFile, stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise LogReadError(f"{file.path}: the compressed stream is damaged or cut off: {error}") from error


def _too_large(file: LogFile, limits: ReadLimits) -> LogReadError:
    return LogReadError(
        f"{file.path}: grows past {limits.max_decompressed_bytes:,} bytes when decompressed; "
        "raise ReadLimits(max_decompressed_bytes=...) if that is right"
    )


def _chunks(file: LogFile, stream: IO[bytes], limits: ReadLimits) -> Iterator[LineChunk]:
    line, byte, rest = 1, 0, b""
    block = _read(file, stream, limits.chunk_bytes)
    if block.startswith(_BOM):
        block, byte = block[len(_BOM) :], len(_BOM)
    while block:
        if byte + len(rest) + len(block) > limits.max_decompressed_bytes:
            raise _too_large(file, limits)
        buffer = rest + block if rest else block
        end = buffer.rfind(b"\n") + 1
        if end:
            rest, buffer = buffer[end:], buffer[:end]
            chunk = LineChunk(buffer, _starts(buffer), line, byte)
            yield chunk
            line, byte = line + len(chunk.starts) - 1, byte + end
        elif len(buffer) > limits.max_line_bytes:
            length, rest = _skip_line(file, stream, buffer, limits, byte)
            yield LineChunk(buffer[:1024], np.array([0, 1024]), line, byte, too_long=length)
            line, byte = line + 1, byte + length
        else:
            rest = buffer
        block = _read(file, stream, limits.chunk_bytes)
        if not block and rest and not rest.endswith(b"\n"):
            block = b"\n"
    if rest:
        yield LineChunk(rest, _starts(rest), line, byte)


def _skip_line(
    file: LogFile, stream: IO[bytes], begin: bytes, limits: ReadLimits, byte: int
) -> tuple[int, bytes]:
    """Read on to the next newline; return the bytes of the line and what was read behind it."""
    length = len(begin)
    while block := _read(file, stream, io.DEFAULT_BUFFER_SIZE * 64):
        end = block.find(b"\n") + 1
        if end:
            return length + end, block[end:]
        length += len(block)
        if byte + length > limits.max_decompressed_bytes:
            raise _too_large(file, limits)
    return length, b""


def _starts(buffer: bytes) -> npt.NDArray[np.int64]:
    data = np.frombuffer(buffer, dtype=np.uint8)
    found = [
        np.flatnonzero(data[at : at + _SCAN_BYTES] == 0x0A) + (at + 1)  # in pieces that fit the cache
        for at in range(0, len(data), _SCAN_BYTES)
    ]
    return np.concatenate([np.zeros(1, dtype=np.int64), *found])


def _quarter_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):
        return 2 * 2**30
