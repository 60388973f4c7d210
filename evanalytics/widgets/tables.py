"""Small frames as HTML tables in the look of our widgets: every text escaped, long ones shortened."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any

import polars as pl

from evanalytics.plots.theme import shorten
from evanalytics.widgets.base import written

_LONGEST = 60


def frame_table(frame: pl.DataFrame, name: str, *, with_dtypes: bool = False) -> str:
    """Return a frame as a table that scrolls, by keyboard as well.

    Args:
        frame: Few rows.
        name: What it shows, for screen readers.
        with_dtypes: Whether to say each column's dtype below its name.
    """
    head = "".join(
        f"<th scope='col'>{_text(column)}{_dtype(dtype) if with_dtypes else ''}</th>"
        for column, dtype in frame.schema.items()
    )
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(value)}</td>' for value in row)}</tr>" for row in frame.iter_rows()
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    label = html.escape(name, quote=True)
    return f"<div class='ev-rows' role='region' tabindex='0' aria-label='{label}'>{table}</div>"


def _dtype(dtype: pl.DataType) -> str:
    return f"<br><span class='ev-unit'>{html.escape(str(dtype))}</span>"


def _text(value: Any) -> str:
    if value is None:
        return "<span class='ev-unit'>null</span>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond:06}"
    if isinstance(value, float):
        return written(value)
    return html.escape(shorten(str(value), _LONGEST)) if value != "" else ""
