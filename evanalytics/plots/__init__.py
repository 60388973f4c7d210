"""Figures in one template, each made from a small plain frame; nothing here computes a result."""

from evanalytics.plots.bloom import bits_per_id, error_rate_while_filling
from evanalytics.plots.bloom_boards import filter_beside_exact
from evanalytics.plots.bloom_costs import dedupe_cost
from evanalytics.plots.engines import engine_costs
from evanalytics.plots.filters import selectivity_waterfall
from evanalytics.plots.live_run import live_run
from evanalytics.plots.queueing import queue_depth, tokens_over_time, waits
from evanalytics.plots.stream_graph import stream_graph
from evanalytics.plots.theme import TEMPLATE
from evanalytics.plots.tradeoff import pareto, settings_map
from evanalytics.plots.traffic import burstiness, events_over_time, gaps, lateness, top_names
from evanalytics.plots.tuning import batch_sizes, latency, live_beside_simulated
from evanalytics.plots.windows import (
    allowed_lateness,
    join_completeness,
    joins_and_lateness,
    windows_heatmap,
)

__all__ = [
    "TEMPLATE",
    "allowed_lateness",
    "batch_sizes",
    "bits_per_id",
    "burstiness",
    "dedupe_cost",
    "engine_costs",
    "error_rate_while_filling",
    "events_over_time",
    "filter_beside_exact",
    "gaps",
    "join_completeness",
    "joins_and_lateness",
    "latency",
    "lateness",
    "live_beside_simulated",
    "live_run",
    "pareto",
    "queue_depth",
    "selectivity_waterfall",
    "settings_map",
    "stream_graph",
    "tokens_over_time",
    "top_names",
    "waits",
    "windows_heatmap",
]
