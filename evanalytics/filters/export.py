"""Filters as Python that asks a log."""

from __future__ import annotations

import pprint

from evanalytics.filters.filter import Filter

_PROGRAM = """\
import evanalytics as ev

chosen = ev.filter(
{document}
)
log = ev.read_log("events.parquet")  # your log
print(log.where(chosen))
"""


def to_python(condition: Filter) -> str:
    """Return a Python program that asks a log by a filter.

    Example:
        >>> print(to_python(Filter.from_json('{"data.coupon": null}')).splitlines()[3].strip())
        {'data.coupon': None}
    """
    text = pprint.pformat(condition.to_dict(), width=96, sort_dicts=False)
    return _PROGRAM.format(document="\n".join(f"    {line}" for line in text.splitlines()))
