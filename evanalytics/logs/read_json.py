"""Reading NDJSON files (and JSON arrays) as one log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from evanalytics.exceptions import LogReadError
from evanalytics.logs.envelope import ATTRIBUTES, EnvelopeMap, RawRows, map_envelope
from evanalytics.logs.json_lines import JsonLines
from evanalytics.logs.json_text import JsonRecords
from evanalytics.logs.paths import PathPlan
from evanalytics.logs.quarantine import BadRecord, bad_record
from evanalytics.logs.reading import Request
from evanalytics.logs.schema import PAYLOAD


class JsonReading:
    """NDJSON files on their way to become a log."""

    mapping: EnvelopeMap
    plans: tuple[PathPlan, PathPlan]

    def __init__(self, request: Request) -> None:
        """Take what was asked for; nothing is read yet."""
        self._request = request
        self._lines = JsonLines(request.connection, request.limits)

    def survey(self) -> None:
        """See what all records hold."""
        for file in self._request.each_file("surveying"):
            for chunk in self._lines.chunks(file):
                self._lines.survey(file, chunk)
        root = self._lines.root
        if not root.keys:
            raise LogReadError(f"{self._request.name}: {self._lines.why_nothing()}")
        self.mapping = map_envelope(
            self._request.columns,
            list(root.keys),
            has=lambda path: root.child(path.split(".")) is not None,
            where=self._request.name,
            default_type=self._request.default_type,
            default_source=self._request.default_source,
        )
        self.plans = self._lines.plan(self.mapping)

    def rows(self) -> Iterator[tuple[RawRows, list[BadRecord]]]:
        """Yield the typed rows chunk by chunk."""
        for file in self._request.each_file("reading"):
            for chunk in self._lines.chunks(file):
                refused = [
                    bad_record(
                        file.name,
                        chunk.first_line + line,
                        chunk.first_byte + int(chunk.starts[line]),
                        reason,
                        chunk.line(line),
                    )
                    for line, reason in sorted(self._lines.refused(file, chunk).items())
                ]
                yield self._lines.rows(file, chunk, self.mapping, self.plans), refused

    def texts(self) -> Iterator[pl.Series]:
        """Yield the payload's text chunk by chunk; several threads may do so at a time."""
        connection = self._request.connection.cursor()
        for file in self._request.files:
            for chunk in self._lines.chunks(file):
                records = JsonRecords(connection, self._lines.documents(file, chunk))
                if PAYLOAD in self.mapping.columns:
                    yield records.texts([self.mapping.columns[PAYLOAD].split(".")])["v1"]
                else:
                    yield records.without(self._envelope_patch())

    def notes(self) -> list[str]:
        """Return sentences for the report."""
        return []

    def _envelope_patch(self) -> str:
        """Return the merge patch (RFC 7396) that takes the attributes out of a record."""
        patch: dict[str, Any] = {}
        for name in ATTRIBUTES:
            if name not in self.mapping.columns:
                continue
            *parents, last = self.mapping.columns[name].split(".")
            node = patch
            for key in parents:
                node = node.setdefault(key, {})
            node[last] = None
        return json.dumps(patch)
