"""The Bloom explorer's controls, and how its numbers are told."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets

from evanalytics.bloom.dedupe import DedupeCost, IdTraffic
from evanalytics.bloom.plan import FilterPlan
from evanalytics.bloom.sizing import SplitBlock
from evanalytics.widgets.controls import Slider, log_stops

LOADS = (
    0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5,
    1.7, 2.0, 2.5, 3.0,
)  # fmt: skip
"""How full a filter is measured, as shares of its capacity."""

_CAPACITIES = (1_000, 10_000_000)
_PERCENT = (0.0001, 30)


class FilterKnobs(ipywidgets.VBox):  # type: ignore[misc]
    """The three sliders.

    Attributes:
        capacity: How many ids the filter is made for.
        error_rate: What it promises, in percent.
        load: How many ids it holds, in percent of the capacity.
    """

    def __init__(self, plan: FilterPlan) -> None:
        """Build the controls where a plan is."""
        self.capacity = Slider("capacity", stops=log_stops(*_CAPACITIES), unit="ids")
        self.error_rate = Slider("error rate", stops=log_stops(*_PERCENT), unit="%")
        self.load = Slider("load", stops=[round(100 * load, 6) for load in LOADS], unit="% of capacity")
        super().__init__([self.capacity, self.error_rate, self.load])
        self.add_class("ev-knobs")
        self.show(plan)

    def show(self, plan: FilterPlan) -> None:
        """Put every slider at the stop nearest to a plan."""
        self.capacity.value = plan.capacity
        self.error_rate.value = 100 * plan.error_rate
        self.load.value = 100 * plan.load

    def plan(self) -> FilterPlan:
        """Return what the sliders say."""
        return FilterPlan(
            capacity=int(self.capacity.value),
            error_rate=round(self.error_rate.value / 100, 12),
            load=round(self.load.value / 100, 6),
        )


def capacity_for(ids: int) -> int:
    """Return the least capacity at which the slider can stand that holds so many ids, or its largest."""
    stops = log_stops(*_CAPACITIES)
    return int(next((stop for stop in stops if stop >= ids), stops[-1]))


def filter_text(plan: FilterPlan) -> str:
    """Return what the filter is made of, in a sentence."""
    shape = plan.shape
    parts = (
        f"{shape.blocks:,} blocks of 32 bytes"
        if isinstance(shape, SplitBlock)
        else f"classic, {shape.hashes} bits set per id"
    )
    return (
        f"{size_text(shape.bytes)}: {parts}, {plan.bits_per_id:.1f} bits an id "
        f"(the classic optimum is {plan.classic_bits_per_id:.1f})"
    )


def rate_text(plan: FilterPlan, now: Mapping[str, Any] | None) -> str:
    """Return how often it is mistaken, by formula and as measured."""
    told = f"Holding {plan.held:,} ids it is mistaken for {share_text(plan.formula)} of absent ids by formula"
    if now is None:
        return f"{told}; a real one is being filled …"
    told += (
        f", {share_text(now['own_bits'])} by its own bits, {share_text(now['rate'])} as measured "
        f"({share_text(now['low'])} to {share_text(now['high'])}: the 99.9 % interval of "
        f"{now['probes']:,} probes)"
    )
    if now["given_probes"]:
        own = now["given_hits"] / now["given_probes"]
        told += f"; asked for {now['given_probes']:,} ids of your log, {share_text(own)}"
    return told


def dedupe_text(plan: FilterPlan, traffic: IdTraffic, cost: DedupeCost, whose: str) -> str:
    """Return what it costs in front of a log."""
    events, again = traffic.per_day(traffic.events), traffic.per_day(traffic.duplicates)
    return (
        f"{whose}: {_count(events)} events a day, {_count(again)} of them with an id that came before. The "
        f"filter remembers the ids of {_days(traffic.days_of(plan.held))}. Trusted, it loses "
        f"{_count(cost.false_drops)} new events a day; checked, it costs {_count(cost.lookups)} exact "
        f"lookups a day instead of {_count(events)}"
    )


def paragraphs(texts: Mapping[str, str]) -> str:
    """Return named sentences as HTML."""
    lines = "".join(
        f"<p style='margin:2px 0'><b>{html.escape(name)}</b> {html.escape(text)}.</p>"
        for name, text in texts.items()
    )
    return f"<div class='ev-told'>{lines}</div>"


def size_text(size: float) -> str:
    """Return bytes as people write them.

    Example:
        >>> size_text(1_316_160), size_text(1_344)
        ('1.32 MB', '1.34 kB')
    """
    return f"{size / 1e6:,.3g} MB" if size >= 1e5 else f"{size / 1e3:,.3g} kB"


def share_text(share: float) -> str:
    """Return a share in percent, to three digits.

    Example:
        >>> share_text(0.0099752), share_text(3.21e-9), share_text(0)
        ('0.998 %', '3.21e-07 %', '0 %')
    """
    return f"{100 * share:.3g} %"


def _count(value: float) -> str:
    """Return an expected number of events."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _days(days: float) -> str:
    return f"{days:,.3g} days" if days >= 2 else f"{24 * days:,.3g} hours"
