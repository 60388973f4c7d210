"""A JSON document that is one array of events (a CloudEvents batch), cut into its elements."""

from __future__ import annotations

import msgspec
import numpy as np

from evanalytics.exceptions import LogReadError
from evanalytics.logs.sources import LineChunk, LogFile, ReadLimits, read_all

_MAX_BYTES = 2**30


def split_array(file: LogFile, *, limits: ReadLimits) -> LineChunk | None:
    """Return the elements of the array, one a line; "line" is then the element's number.

    None for NDJSON whose first line happens to be an array.

    Raises:
        LogReadError: The file is no JSON array, or grows past 1 GiB (one event a line has no such limit).
    """
    data = read_all(file, limits=limits, most=_MAX_BYTES)
    if data is None:
        raise LogReadError(
            f"{file.path}: begins as a JSON array, which is read at once, but is longer than "
            f"{_MAX_BYTES:,} bytes; write one event a line (NDJSON)"
        )
    try:
        elements = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        if ".json" not in file.path.suffixes:
            return None
        raise LogReadError(f"{file.path}: begins as a JSON array, but is none: {error}") from error
    lines = [bytes(element).replace(b"\r", b" ").replace(b"\n", b" ") + b"\n" for element in elements]
    starts = np.zeros(len(lines) + 1, dtype=np.int64)
    starts[1:] = np.cumsum([len(line) for line in lines])
    return LineChunk(b"".join(lines), starts, first_line=1, first_byte=0)
