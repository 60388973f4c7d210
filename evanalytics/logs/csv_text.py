"""CSV files cut into records: RFC 4180 quotes, every record's place known, bad ones set aside."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.sources import LogFile, ReadLimits, read_lines

_QUOTE, _NEWLINE, _RETURN = 0x22, 0x0A, 0x0D
_MAX_RECORD_LINES = 1_000  # a quote still open after so many lines was never meant to open
_NO_LIMIT = 2**31 - 1
_DELIMITERS = ",;\t|"

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvHeader:
    """The first record of a file: the names of its columns, the delimiter, and the text of its lines."""

    columns: tuple[str, ...]
    delimiter: str
    text: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvChunk:
    """Some records of a file: `frame` has the good ones, all String; `bad` is (line, byte, reason, raw)."""

    frame: pl.DataFrame
    line: Numbers
    byte: Numbers
    raw: Callable[[int], bytes]
    bad: list[tuple[int, int, str, bytes]]


def read_header(file: LogFile, *, limits: ReadLimits) -> CsvHeader:
    """Return the column names; the delimiter is the one of , ; tab | that the header has most of.

    Raises:
        LogReadError: There is no header, it is not UTF-8, or two columns have one name.
    """
    chunk = next(read_lines(file, limits=limits), None)
    if chunk is None or chunk.too_long is not None:
        raise LogReadError(f"{file.path}: no header line")
    lines = (chunk.line(i).decode() + "\n" for i in range(len(chunk.starts) - 1))
    try:
        first = next(lines)
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
        names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(next(reader), 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LogReadError(f"{file.path}: the header cannot be read: {error}") from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LogReadError(f"{file.path}: two columns are called {twice[0]!r}; rename one in the header")
    text = b"\n".join(map(chunk.line, range(reader.line_num))).decode()
    return CsvHeader(columns=tuple(names), delimiter=delimiter, text=text, lines=reader.line_num)


def read_records(file: LogFile, header: CsvHeader, *, limits: ReadLimits) -> Iterator[CsvChunk]:
    """Yield the records behind the header, chunk by chunk."""
    csv.field_size_limit(_NO_LIMIT)  # the module's, for the whole process: a record's length is limited here
    rest = b""
    skip = header.lines
    chunks = itertools.chain(read_lines(file, limits=limits), [None])
    line = byte = 0
    for chunk in chunks:
        if chunk is not None and chunk.too_long is not None:
            bad = [(chunk.first_line, chunk.first_byte, limits.too_long(chunk.too_long), chunk.buffer)]
            yield CsvChunk(frame=_frame([], header), line=_none(), byte=_none(), raw=lambda _: b"", bad=bad)
            continue
        if not rest and chunk is not None:
            line, byte = chunk.first_line, chunk.first_byte
        buffer = rest + (chunk.buffer if chunk is not None else b"")
        if skip and buffer:
            end = chunk.starts[skip] if chunk is not None else 0
            buffer, line, byte, skip = buffer[end:], line + skip, byte + int(end), 0
        if not buffer:
            continue
        final = chunk is None or len(buffer) > 2 * limits.chunk_bytes
        done, records = _cut(buffer, line, byte, header, final, limits)
        yield records
        rest = buffer[done:]
        line, byte = line + buffer[:done].count(b"\n"), byte + done


def _cut(
    buffer: bytes, line: int, byte: int, header: CsvHeader, final: bool, limits: ReadLimits
) -> tuple[int, CsvChunk]:
    """Cut a buffer into records; return how many bytes were used, and the records."""
    data = np.frombuffer(buffer, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if not _quotes_are_regular(data, quotes, ord(header.delimiter)):
        return _cut_slowly(buffer, line, byte, header, final, limits)
    newlines = np.flatnonzero(data == _NEWLINE)
    ends = _outside(newlines, quotes) + 1
    if not len(ends) or (final and ends[-1] != len(data)):
        return _cut_slowly(buffer, line, byte, header, final, limits)
    starts = np.concatenate([[0], ends[:-1]])
    delimiters = _outside(np.flatnonzero(data == ord(header.delimiter)), quotes)
    fields = np.diff(np.searchsorted(delimiters, np.concatenate([[0], ends]))) + 1
    last_lines = np.searchsorted(newlines, ends)
    lines = line + np.concatenate([[0], last_lines[:-1]])
    spans = np.diff(last_lines, prepend=0)
    blank = (ends - starts <= 2) & _is_blank(data, starts, ends)
    wrong = (fields != len(header.columns)) & ~blank
    if (wrong & (spans > 1)).any() or (len(header.columns) == 1 and blank.any()):
        return _cut_slowly(buffer, line, byte, header, final, limits)
    spoilt = _spoilt(buffer, starts, ends)
    sizes = ends - starts
    reasons = {int(i): _wrong_count(fields[i], header) for i in np.flatnonzero(wrong)} | spoilt
    reasons |= {int(i): limits.too_long(sizes[i]) for i in np.flatnonzero(sizes > limits.max_line_bytes)}
    good = ~blank
    good[list(reasons)] = False
    frame = _parse(buffer, starts, ends, good, header, len(quotes) > 0)
    if frame is None:
        return _cut_slowly(buffer, line, byte, header, final, limits)
    begins, stops = starts[good], ends[good]
    bad = [
        (int(lines[i]), byte + int(starts[i]), reason, buffer[starts[i] : ends[i]].rstrip(b"\r\n"))
        for i, reason in sorted(reasons.items())
    ]
    return int(ends[-1]), CsvChunk(
        frame=frame,
        line=lines[good],
        byte=byte + begins,
        raw=lambda row: buffer[begins[row] : stops[row]].rstrip(b"\r\n"),
        bad=bad,
    )


def _outside(positions: Numbers, quotes: Numbers) -> Numbers:
    """Return the positions with an even number of quotes before them."""
    return positions[np.searchsorted(quotes, positions) % 2 == 0] if len(quotes) else positions


def _quotes_are_regular(data: Bytes, quotes: Numbers, delimiter: int) -> bool:
    """Whether each quote opens a whole field, closes one, or is doubled within one."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[opening - 1]
    before_fits = (opening == 0) | np.isin(before, [delimiter, _NEWLINE, _QUOTE])
    after = data[np.minimum(closing + 1, len(data) - 1)]
    after_fits = (closing == len(data) - 1) | np.isin(after, [delimiter, _NEWLINE, _RETURN, _QUOTE])
    return bool(before_fits.all() and after_fits.all())


def _is_blank(data: Bytes, starts: Numbers, ends: Numbers) -> npt.NDArray[np.bool_]:
    blank: npt.NDArray[np.bool_] = (ends - starts == 1) | (data[starts] == _RETURN)
    return blank


def _spoilt(buffer: bytes, starts: Numbers, ends: Numbers) -> dict[int, str]:
    out: dict[int, str] = {}
    if b"\0" in buffer:
        zeros = np.flatnonzero(np.frombuffer(buffer, dtype=np.uint8) == 0)
        out = {int(i): "a NUL byte" for i in np.unique(np.searchsorted(ends, zeros, side="right"))}
    try:
        buffer.decode()
    except UnicodeDecodeError:
        for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                buffer[start:end].decode()
            except UnicodeDecodeError:
                out[i] = "not UTF-8"
    return out


def _parse(
    buffer: bytes,
    starts: Numbers,
    ends: Numbers,
    good: npt.NDArray[np.bool_],
    header: CsvHeader,
    quoted: bool,
) -> pl.DataFrame | None:
    """Parse the good records natively; None if the native parser saw another number of records."""
    if good.all():
        text = buffer[: ends[-1]]
    else:
        picked = zip(starts[good].tolist(), ends[good].tolist(), strict=True)
        text = b"".join(buffer[start:end] for start, end in picked)
    if not text:
        return _frame([], header)
    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            schema=dict.fromkeys(header.columns, pl.String),
            separator=header.delimiter,
            quote_char='"' if quoted else None,
            null_values=[""] if quoted else None,  # "" too is an empty field
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return frame if len(frame) == good.sum() else None


def _cut_slowly(
    buffer: bytes, line: int, byte: int, header: CsvHeader, final: bool, limits: ReadLimits
) -> tuple[int, CsvChunk]:
    """Cut record by record where quotes are irregular: a broken record costs only its first line."""
    lines = buffer.splitlines(keepends=True) if b"\r" not in buffer.replace(b"\r\n", b"") else _split(buffer)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in lines])]).astype(np.int64)
    rows: list[list[str]] = []
    places: list[tuple[int, int]] = []
    bad: list[tuple[int, int, str, bytes]] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        row, used, reason = _one_record(lines, at, header)
        if used == 0 and not final and len(lines) - at < _MAX_RECORD_LINES:
            break
        end = at + max(used, 1)
        if (size := int(offsets[end] - offsets[at])) > limits.max_line_bytes:
            reason = limits.too_long(size)
        if reason is None:
            rows.append(row)
            places.append((at, end))
        else:
            raw = buffer[offsets[at] : offsets[end]].rstrip(b"\r\n")
            bad.append((line + at, byte + int(offsets[at]), reason, raw))
        at = end
    first = np.array([place[0] for place in places], dtype=np.int64)
    return int(offsets[at]), CsvChunk(
        frame=_frame(rows, header),
        line=line + first,
        byte=byte + offsets[first] if len(first) else _none(),
        raw=lambda row: b"".join(lines[places[row][0] : places[row][1]]).rstrip(b"\r\n"),
        bad=bad,
    )


def _one_record(lines: list[bytes], at: int, header: CsvHeader) -> tuple[list[str], int, str | None]:
    """Return a record, how many lines it took (0: its quote stays open), and what is wrong with it."""
    texts = (text.decode() for text in lines[at : at + _MAX_RECORD_LINES])
    reader = csv.reader(texts, delimiter=header.delimiter, strict=True)
    try:
        row = next(reader)
    except UnicodeDecodeError:
        return [], 1, "not UTF-8"
    except csv.Error as error:
        open_still = "unexpected end" in str(error)
        return [], 0 if open_still else 1, "unclosed quote" if open_still else f"malformed quotes: {error}"
    if any("\0" in cell for cell in row):
        return [], 1, "a NUL byte"
    if len(row) != len(header.columns):
        return [], 1, _wrong_count(len(row), header)
    return row, reader.line_num, None


def _split(buffer: bytes) -> list[bytes]:
    parts = buffer.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _frame(rows: list[list[str]], header: CsvHeader) -> pl.DataFrame:
    schema = dict.fromkeys(header.columns, pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).alias(c) for c in header.columns)


def _wrong_count(fields: int, header: CsvHeader) -> str:
    return f"wrong number of fields: {fields} instead of {len(header.columns)}"


def _none() -> Numbers:
    return np.empty(0, dtype=np.int64)
