"""Numbers on their way into a figure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

_DIGITS = 6


def floats(values: Any) -> list[float | None]:
    """Return numbers as a list, to six digits; NaN becomes None, which plotly leaves out.

    A list and no array: where the browser answers a `FigureWidget` with an array of its own, plotly 7.1
    asks an array for its truth and fails. Up to some hundred points plain Python is quicker than an engine,
    of which each call costs half a millisecond: 32 of them a redraw were a third of its time.

    Example:
        >>> floats([1 / 3, float("nan")])
        [0.333333, None]
    """
    plain = values.to_list() if isinstance(values, pl.Series) else np.asarray(values, np.float64).tolist()
    return [None if value is None or math.isnan(value) else float(f"{value:.{_DIGITS}g}") for value in plain]
