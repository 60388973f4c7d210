"""What became of the rows: one figure per node, part and word."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

_SCHEMA = {"node": pl.String(), "part": pl.String(), "what": pl.String(), "rows": pl.Int64()}


class Counts:
    """Adds up rows by node, part (an output, a side, a window with its key, or "") and word."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rows: dict[tuple[str, str, str], int] = {}

    def add(self, node: str, part: str, **rows: int) -> None:
        """Add rows to what was counted under these words."""
        for what, number in rows.items():
            place = (node, part, what)
            self._rows[place] = self._rows.get(place, 0) + number

    def get(self, node: str, part: str, what: str) -> int:
        """Return a count; 0 if nothing was counted so."""
        return self._rows.get((node, part, what), 0)

    def frame(self) -> pl.DataFrame:
        """Return a row per count: columns `node`, `part`, `what` (String), `rows` (Int64)."""
        rows = [(*place, number) for place, number in list(self._rows.items())]
        return pl.DataFrame(rows, schema=_SCHEMA, orient="row")

    def rows(self) -> list[tuple[str, str, str, int]]:
        """Return the counts as `load` takes them."""
        return [(*place, number) for place, number in list(self._rows.items())]

    def load(self, rows: Iterable[tuple[str, str, str, int]]) -> None:
        """Go on counting from these."""
        self._rows = {(node, part, what): number for node, part, what, number in rows}
