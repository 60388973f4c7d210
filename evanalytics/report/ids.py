"""The section on ids: how large a Bloom filter of them is, and what it costs to use one."""

from __future__ import annotations

import polars as pl

from evanalytics.plots.bloom_costs import dedupe_cost
from evanalytics.report.charts import chart
from evanalytics.report.findings import IdFindings
from evanalytics.report.markup import Markup, pairs, section, table, tag
from evanalytics.report.wording import counted, number, seconds_lasting, share, size

_HEADS = (
    "error rate",
    "layout",
    "size",
    "bits per id",
    "lost per day, if trusted",
    "lookups per day, if checked",
)


def ids_section(ids: IdFindings | None) -> Markup:
    """Return the section on filters for a log's ids."""
    heading = "Filters for its ids"
    if ids is None:
        return section("ids", heading, tag("p", "There are no events, so there are no ids to hold."))
    traffic = ids.traffic
    rows = [
        ("different ids", f"{traffic.ids:,}"),
        (
            "events whose id came before",
            f"{traffic.duplicates:,} ({share(traffic.duplicates, traffic.events)})",
        ),
        (
            "different ids per day",
            f"{number(traffic.per_day(traffic.ids))}, from {seconds_lasting(traffic.span_s)}",
        ),
    ]
    low, high = ids.costs.row(0, named=True), ids.costs.row(-1, named=True)
    return section(
        "ids",
        heading,
        tag(
            "p",
            "A Bloom filter knows ids in about ten bits each. Its no is certain; its perhaps is wrong "
            "for a share of "
            "the new ids, the error rate. Trusted, it loses those events; checked in an exact store, "
            "it costs a lookup "
            "for each of them and for each duplicate.",
        ),
        pairs(rows),
        _sizes(f"Filters for this log's {counted(traffic.ids, 'id')}", ids.log),
        _sizes(f"Filters for 30 days at this rate, {counted(ids.month['capacity'][0], 'id')}", ids.month),
        chart(
            "dedupe",
            dedupe_cost(ids.costs),
            caption="What a filter in front of this log costs per day, by its size",
            says=f"With {size(low['bytes'])} it takes {share(low['error_rate'])} of the new ids for "
            "known ones, "
            f"with {size(high['bytes'])} {share(high['error_rate'])}.",
        ),
    )


def ids_sentence(ids: IdFindings | None) -> str:
    """Return how large a filter must be, in one sentence."""
    if ids is None:
        return "There are no ids to hold."
    first = ids.log.row(0, named=True)
    if first["bytes"] is None:
        return f"{counted(ids.traffic.ids, 'id')} are too many for one Bloom filter."
    return (
        f"{counted(ids.traffic.ids, 'different id')} fit into a Bloom filter of {size(first['bytes'])} "
        "that errs for "
        f"{share(first['error_rate'])} of new ids."
    )


def _sizes(caption: str, frame: pl.DataFrame) -> Markup:
    rows = [
        (
            f"{rate * 100:g} %",
            layout or "too many ids for one filter",
            "" if held is None else size(held),
            "" if bits is None else number(bits),
            number(lost),
            number(lookups),
        )
        for rate, layout, held, bits, lost, lookups in frame.select(
            "error_rate", "layout", "bytes", "bits_per_id", "false_drops", "lookups"
        ).rows()
    ]
    return table(caption, _HEADS, rows, left=2)
