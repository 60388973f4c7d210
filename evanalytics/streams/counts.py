"""What became of the rows: one figure per node, part and word."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

_SCHEMA = {"node": pl.String(), "part": pl.String(), "what": pl.String(), "rows": pl.Int64()}


class Counts:
    """Adds up rows by node, part (an output, a side, a window with its key, or "") and word.

    Nodes may be counted in threads side by side, each in one.
    """

    def __init__(self, nodes: Iterable[str]) -> None:
        """Begin with nothing; the counts will stand in the order of the nodes."""
        self._rows: dict[str, dict[tuple[str, str], int]] = {node: {} for node in nodes}

    def add(self, node: str, part: str, **rows: int) -> None:
        """Add rows to what was counted under these words."""
        of_node = self._rows[node]
        for what, number in rows.items():
            of_node[part, what] = of_node.get((part, what), 0) + number

    def get(self, node: str, part: str, what: str) -> int:
        """Return a count; 0 if nothing was counted so."""
        return self._rows[node].get((part, what), 0)

    def frame(self) -> pl.DataFrame:
        """Return a row per count: columns `node`, `part`, `what` (String), `rows` (Int64)."""
        return pl.DataFrame(self.rows(), schema=_SCHEMA, orient="row")

    def rows(self) -> list[tuple[str, str, str, int]]:
        """Return the counts as `load` takes them."""
        return [
            (node, *place, number)
            for node, rows in self._rows.items()
            for place, number in list(rows.items())
        ]

    def load(self, rows: Iterable[tuple[str, str, str, int]]) -> None:
        """Go on counting from these."""
        for node, part, what, number in rows:
            self._rows[node][part, what] = number
