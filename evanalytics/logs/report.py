"""What reading a log found: a record of figures that prints as text and shows as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

_SHOWN = 20
_WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What was read, what was set aside and why, and what the log looks like.

    Attributes:
        files: Names of the files, in reading order.
        read: Records met; always `good + quarantined`.
        good: Records that became events.
        quarantined: Records set aside.
        reasons: Quarantined records by reason.
        quarantine: The file that holds them, if any.
        typed: Payload paths that have a column, with their dtype.
        json_paths: Payload paths that have none, with the reason.
        nan_to_null: How many NaN became null, by path.
        null_paths: Paths at which an explicit JSON null was seen.
        duplicate_ids: Events whose id came before; None if too many events to count.
        out_of_order: Share (0 to 1) of events earlier than one that arrived before them.
        start: Time of the earliest event (UTC).
        end: Time of the latest event (UTC).
        notes: What was assumed, one sentence each.
    """

    files: tuple[str, ...]
    read: int
    good: int
    quarantined: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    quarantine: Path | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    json_paths: Mapping[str, str] = field(default_factory=dict)
    nan_to_null: Mapping[str, int] = field(default_factory=dict)
    null_paths: tuple[str, ...] = ()
    duplicate_ids: int | None = 0
    out_of_order: float = 0.0
    start: datetime | None = None
    end: datetime | None = None
    notes: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, str]]:
        """Return the report as pairs of a heading and a text, for whoever shows it."""
        out = [
            ("files", _several(self.files)),
            ("records read", f"{self.read:,}"),
            ("events", f"{self.good:,}"),
        ]
        if self.quarantined:
            why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
            out.append(("quarantined", f"{self.quarantined:,} ({why}), kept in {self.quarantine}"))
        else:
            out.append(("quarantined", "none"))
        if self.start and self.end:
            out.append(("time range", f"{self.start:%Y-%m-%d %H:%M:%S} to {self.end:%Y-%m-%d %H:%M:%S} UTC"))
        out.append(("out of order", f"{self.out_of_order:.2%} of the events came after a later one"))
        counted = "not counted (too many events)" if self.duplicate_ids is None else f"{self.duplicate_ids:,}"
        out.append(("repeated ids", counted))
        out.append(("typed paths", _several([f"{path} ({kind})" for path, kind in self.typed.items()])))
        if self.json_paths:
            out.append(
                ("left as JSON", _several([f"{path} ({why})" for path, why in self.json_paths.items()]))
            )
        if self.null_paths:
            out.append(("explicit nulls", _several(self.null_paths)))
        if self.nan_to_null:
            nan = [f"{path} ({count:,})" for path, count in self.nan_to_null.items()]
            out.append(("NaN made null", _several(nan)))
        return out + [("note", note) for note in self.notes]

    def __str__(self) -> str:
        return "\n".join(f"{heading:<15} {text}" for heading, text in self.rows())

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th scope='row' style='text-align:left;vertical-align:top'>{html.escape(heading)}</th>"
            f"<td style='text-align:left;overflow-wrap:anywhere'>{html.escape(text)}</td></tr>"
            for heading, text in self.rows()
        )
        return f"<table aria-label='What reading the log found'>{cells}</table>"


def _several(items: tuple[str, ...] | list[str]) -> str:
    shown = [item if len(item) <= _WIDTH else item[: _WIDTH - 1] + "…" for item in items[:_SHOWN]]
    more = f", and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return (", ".join(shown) + more) or "none"
