"""A sample log as a frame, or as a file of any size in the format that its name says, in bounded memory."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import polars as pl
from tqdm import tqdm

from evanalytics.exceptions import LogNotFoundError, SampleError
from evanalytics.logs.synthetic.answers import SampleAnswers, Tally
from evanalytics.logs.synthetic.arrivals import arrivals
from evanalytics.logs.synthetic.columns import details_of, frame_of
from evanalytics.logs.synthetic.shop import Shop
from evanalytics.logs.synthetic.text import csv_rows, json_lines

EVENTS_PER_ORDER = 3.84
"""So that the log ends about when its days do."""
ANSWERS_KEY = "evanalytics.answers"
"""The key of the answers in a Parquet file's metadata."""
_MAX_ROWS_OF_FRAME = 1 << 18  # frames have about 126,000: so each is one row group

T = TypeVar("T")
Frames = Iterable[pl.DataFrame]
Answers = Callable[[], SampleAnswers]


def write_sample(
    path: str | Path, *, events: int, seed: int = 7, days: int = 3, progress: bool = True
) -> SampleAnswers:
    """Write a log of a made-up shop, with known answers, to a file.

    The log is the same for the same `events`, `seed` and `days`, whatever the format, and is
    made in bounded memory. A longer log is no continuation of a shorter one: the same days
    hold more orders then. Parquet has flat `data__*` columns; NDJSON has nested objects; CSV
    has the payload as JSON text in the column `data`.

    The answers go into a Parquet file's own metadata; beside a text file they stand in a file
    of the same name with `.answers.json` behind it. `read_answers` finds them in either place.

    Args:
        path: Where to; ends in .parquet, .ndjson, .ndjson.gz, .csv or .csv.gz. Missing
            folders are made, a file that is there is replaced once the new one is complete.
        events: How many events, at least 1.
        seed: Another seed, another log.
        days: How many days they are spread over, at least 1.
        progress: Whether to show a progress bar on stderr.

    Raises:
        SampleError: The name ends in something else, or a number is too small.
    """
    path = Path(path)
    write = _writer_of(path)
    frames, answers = _sample(events=events, seed=seed, days=days)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=events, unit="event", unit_scale=True, desc=path.name, disable=not progress) as bar:
        write(path, _reported(_made_ahead(frames), bar), answers)
    return answers()


def read_answers(path: str | Path) -> SampleAnswers:
    """Return the known answers of a log that `write_sample` wrote.

    Raises:
        LogNotFoundError: There is no such log.
        SampleError: It has no answers, for somebody else wrote it, or they cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise LogNotFoundError(f"{path}: no such file")
    text = _answers_in_parquet(path) if path.suffix.lower() == ".parquet" else _answers_beside(path)
    if text is None:
        raise SampleError(f"{path}: no known answers; only logs that `write_sample` made have some")
    return SampleAnswers.from_json(text)


def sample_frame(*, events: int, seed: int = 7, days: int = 3) -> tuple[pl.DataFrame, SampleAnswers]:
    """Return the same log as a frame in memory, with its known answers.

    Rows stand in order of arrival; the columns are id, type, source, time and `data__*`.

    Raises:
        SampleError: A number is too small.

    Example:
        >>> frame, answers = sample_frame(events=1000)
        >>> frame.height, answers.unique_events_by_type["order.created"]
        (1000, 256)
    """
    frames, answers = _sample(events=events, seed=seed, days=days)
    return pl.concat(frames), answers()


def _sample(*, events: int, seed: int, days: int) -> tuple[Iterator[pl.DataFrame], Answers]:
    """Return the frames of a log, and what tells its answers once these are used up."""
    for name, value in (("events", events), ("days", days)):
        if value < 1:
            raise SampleError(f"sample log: {name} must be at least 1, got {value}")
    shop = Shop(seed=seed, orders=max(1, round(events / EVENTS_PER_ORDER)), days=days)
    tally = Tally(customers=shop.customers)
    return _frames(shop, tally, events), lambda: tally.answers(seed=seed, days=days)


def _frames(shop: Shop, tally: Tally, events: int) -> Iterator[pl.DataFrame]:
    for batch in arrivals(shop, events=events):
        details = details_of(shop, batch)
        tally.add(batch, details)
        yield frame_of(shop, batch, details)


def _made_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the same items, each next one being made in a thread while the last is used."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _reported(frames: Frames, bar: tqdm[None]) -> Iterator[pl.DataFrame]:
    for frame in frames:
        yield frame
        bar.update(frame.height)


def _writer_of(path: Path) -> Callable[[Path, Frames, Answers], None]:
    for suffix, write in _WRITERS.items():
        if path.name.lower().endswith(suffix):
            return write
    raise SampleError(f"{path}: the name must end in one of {', '.join(_WRITERS)}")


def _write_parquet(path: Path, frames: Frames, answers: Answers) -> None:
    from evanalytics.logs.integrity import write_parquet

    write_parquet(
        path, frames, metadata=lambda: {ANSWERS_KEY: answers().to_json()}, row_group_size=_MAX_ROWS_OF_FRAME
    )


def _write_json_lines(path: Path, frames: Frames, answers: Answers) -> None:
    _write_text(path, json_lines(frames), answers)


def _write_csv(path: Path, frames: Frames, answers: Answers) -> None:
    _write_text(path, csv_rows(frames), answers)


def _write_text(path: Path, parts: Iterable[str], answers: Answers) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _opened(draft, compressed=path.suffix.lower() == ".gz") as file:
            for part in parts:
                file.write(part.encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _answers_path(path).write_text(answers().to_json(), encoding="utf-8")


@contextmanager
def _opened(path: Path, *, compressed: bool) -> Iterator[io.BufferedIOBase]:
    """Open a file for writing; gzip without name and time, so that equal logs are equal files."""
    with path.open("wb") as file:
        if not compressed:
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as zipped:
            yield zipped


def _answers_path(path: Path) -> Path:
    return path.with_name(path.name + ".answers.json")


def _answers_in_parquet(path: Path) -> bytes | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata: dict[bytes, bytes] = pq.read_metadata(path).metadata or {}
    except pa.ArrowException as error:
        raise SampleError(f"{path}: cannot be read as Parquet: {error}") from error
    return metadata.get(ANSWERS_KEY.encode())


def _answers_beside(path: Path) -> bytes | None:
    beside = _answers_path(path)
    return beside.read_bytes() if beside.exists() else None


_WRITERS = {
    ".parquet": _write_parquet,
    ".ndjson": _write_json_lines,
    ".ndjson.gz": _write_json_lines,
    ".csv": _write_csv,
    ".csv.gz": _write_csv,
}
