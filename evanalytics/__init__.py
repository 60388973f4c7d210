"""A flight simulator and workbench for event pipelines.

    import evanalytics as ev

    log = ev.read_log("orders.ndjson.gz")
    print(log.report)

Names are loaded when they are first used, so that the import itself costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evanalytics import plots as plots
    from evanalytics import widgets as widgets
    from evanalytics.batching.policy import BatchPolicy as BatchPolicy
    from evanalytics.batching.processor import BatchProcessor as BatchProcessor
    from evanalytics.bloom.dedupe import IdTraffic as IdTraffic
    from evanalytics.bloom.dedupe import dedupe_costs as dedupe_costs
    from evanalytics.bloom.index import BloomFilterIndex as BloomFilterIndex
    from evanalytics.bloom.measurement import measure_error_rate as measure_error_rate
    from evanalytics.bloom.parquet import read_filters as read_filters
    from evanalytics.bloom.parquet import write_parquet_with_filters as write_parquet_with_filters
    from evanalytics.bloom.rotating import RotatingBloomFilterIndex as RotatingBloomFilterIndex
    from evanalytics.bloom.scalable import ScalableBloomFilterIndex as ScalableBloomFilterIndex
    from evanalytics.bloom.spark import index_on_spark as index_on_spark
    from evanalytics.clock import Clock as Clock
    from evanalytics.clock import ManualClock as ManualClock
    from evanalytics.clock import ScaledClock as ScaledClock
    from evanalytics.clock import SystemClock as SystemClock
    from evanalytics.delivery.dispatcher import Dispatcher as Dispatcher
    from evanalytics.delivery.policy import DeliveryPolicy as DeliveryPolicy
    from evanalytics.delivery.policy import Retry as Retry
    from evanalytics.delivery.service_model import ServiceModel as ServiceModel
    from evanalytics.delivery.simulate import simulate as simulate
    from evanalytics.durations import parse_duration as parse_duration
    from evanalytics.event import Event as Event
    from evanalytics.event import events_from_json as events_from_json
    from evanalytics.event import events_to_json as events_to_json
    from evanalytics.exceptions import EvAnalyticsError as EvAnalyticsError
    from evanalytics.filters import EventFilterBuilder as EventFilterBuilder
    from evanalytics.filters import Filter as Filter
    from evanalytics.filters import FilterOptimizer as FilterOptimizer
    from evanalytics.filters import filter as filter
    from evanalytics.filters import from_cloudevents as from_cloudevents
    from evanalytics.filters import from_eventbridge as from_eventbridge
    from evanalytics.logs.log import EventLog as EventLog
    from evanalytics.logs.log import LogSchema as LogSchema
    from evanalytics.logs.matching import matching as matching
    from evanalytics.logs.reader import read_log as read_log
    from evanalytics.logs.report import ReadReport as ReadReport
    from evanalytics.logs.sources import ReadLimits as ReadLimits
    from evanalytics.logs.synthetic import write_sample as write_sample
    from evanalytics.lookup.catalog import LogCatalog as LogCatalog
    from evanalytics.lookup.existence import EventFilterService as EventFilterService
    from evanalytics.publisher import EventPublisher as EventPublisher
    from evanalytics.replay import Replay as Replay
    from evanalytics.report import write_report as write_report
    from evanalytics.service import EmbeddedEventService as EmbeddedEventService
    from evanalytics.service import EventServiceClient as EventServiceClient
    from evanalytics.service.http import HttpEventServiceClient as HttpEventServiceClient
    from evanalytics.streams.aggregators import WindowedCounter as WindowedCounter
    from evanalytics.streams.aggregators import WindowedDistinct as WindowedDistinct
    from evanalytics.streams.aggregators import WindowedMax as WindowedMax
    from evanalytics.streams.aggregators import WindowedMean as WindowedMean
    from evanalytics.streams.aggregators import WindowedMin as WindowedMin
    from evanalytics.streams.aggregators import WindowedQuantile as WindowedQuantile
    from evanalytics.streams.aggregators import WindowedSum as WindowedSum
    from evanalytics.streams.columns import col as col
    from evanalytics.streams.columns import left as left
    from evanalytics.streams.columns import original_event as original_event
    from evanalytics.streams.columns import right as right
    from evanalytics.streams.costs import engine_costs as engine_costs
    from evanalytics.streams.live import LiveRun as LiveRun
    from evanalytics.streams.memory_nodes import AggregatorNode as AggregatorNode
    from evanalytics.streams.memory_nodes import DedupeNode as DedupeNode
    from evanalytics.streams.memory_nodes import JoinNode as JoinNode
    from evanalytics.streams.nodes import FilterNode as FilterNode
    from evanalytics.streams.nodes import SinkNode as SinkNode
    from evanalytics.streams.nodes import TransformNode as TransformNode
    from evanalytics.streams.nodes import python_column as python_column
    from evanalytics.streams.processor import StreamProcessor as StreamProcessor
    from evanalytics.streams.result import StreamResult as StreamResult
    from evanalytics.streams.watermark import Watermark as Watermark
    from evanalytics.streams.windows import HoppingWindow as HoppingWindow
    from evanalytics.streams.windows import SessionWindow as SessionWindow
    from evanalytics.streams.windows import TumblingWindow as TumblingWindow
    from evanalytics.throttling.manager import ThrottleManager as ThrottleManager
    from evanalytics.throttling.policy import RateLimit as RateLimit
    from evanalytics.throttling.policy import ThrottlePolicy as ThrottlePolicy
    from evanalytics.tuning.by_source import sweep_by_source as sweep_by_source
    from evanalytics.tuning.calibrate import calibrate as calibrate
    from evanalytics.tuning.pareto import pareto_front as pareto_front
    from evanalytics.tuning.recommend import recommend as recommend
    from evanalytics.tuning.rehearsal import rehearsal_speed as rehearsal_speed
    from evanalytics.tuning.rehearsal import rehearse as rehearse
    from evanalytics.tuning.settings import Grid as Grid
    from evanalytics.tuning.settings import Settings as Settings
    from evanalytics.tuning.stretch import busiest_stretch as busiest_stretch
    from evanalytics.tuning.sweep import sweep as sweep
    from evanalytics.tuning.what_if import Burst as Burst
    from evanalytics.tuning.what_if import what_if as what_if

_HOMES = {
    # events and time
    "Event": "event",
    "events_from_json": "event",
    "events_to_json": "event",
    "Clock": "clock",
    "ManualClock": "clock",
    "ScaledClock": "clock",
    "SystemClock": "clock",
    "parse_duration": "durations",
    "EvAnalyticsError": "exceptions",
    # logs
    "read_log": "logs.reader",
    "ReadLimits": "logs.sources",
    "ReadReport": "logs.report",
    "EventLog": "logs.log",
    "matching": "logs.matching",
    "LogSchema": "logs.log",
    "write_sample": "logs.synthetic",
    # replay and service
    "Replay": "replay",
    "EventServiceClient": "service",
    "EmbeddedEventService": "service",
    "HttpEventServiceClient": "service.http",
    "EventPublisher": "publisher",
    # batching, throttling, delivery
    "BatchPolicy": "batching.policy",
    "BatchProcessor": "batching.processor",
    "RateLimit": "throttling.policy",
    "ThrottlePolicy": "throttling.policy",
    "ThrottleManager": "throttling.manager",
    "DeliveryPolicy": "delivery.policy",
    "Retry": "delivery.policy",
    "ServiceModel": "delivery.service_model",
    "Dispatcher": "delivery.dispatcher",
    "simulate": "delivery.simulate",
    # tuning
    "Settings": "tuning.settings",
    "Grid": "tuning.settings",
    "sweep": "tuning.sweep",
    "sweep_by_source": "tuning.by_source",
    "pareto_front": "tuning.pareto",
    "recommend": "tuning.recommend",
    "what_if": "tuning.what_if",
    "Burst": "tuning.what_if",
    "calibrate": "tuning.calibrate",
    "busiest_stretch": "tuning.stretch",
    "rehearse": "tuning.rehearsal",
    "rehearsal_speed": "tuning.rehearsal",
    # filters
    "filter": "filters",
    "Filter": "filters",
    "EventFilterBuilder": "filters",
    "FilterOptimizer": "filters",
    "from_cloudevents": "filters",
    "from_eventbridge": "filters",
    # Bloom filters and lookup
    "BloomFilterIndex": "bloom.index",
    "ScalableBloomFilterIndex": "bloom.scalable",
    "RotatingBloomFilterIndex": "bloom.rotating",
    "index_on_spark": "bloom.spark",
    "read_filters": "bloom.parquet",
    "write_parquet_with_filters": "bloom.parquet",
    "measure_error_rate": "bloom.measurement",
    "IdTraffic": "bloom.dedupe",
    "dedupe_costs": "bloom.dedupe",
    "LogCatalog": "lookup.catalog",
    "EventFilterService": "lookup.existence",
    # streams
    "StreamProcessor": "streams.processor",
    "StreamResult": "streams.result",
    "LiveRun": "streams.live",
    "Watermark": "streams.watermark",
    "FilterNode": "streams.nodes",
    "TransformNode": "streams.nodes",
    "JoinNode": "streams.memory_nodes",
    "AggregatorNode": "streams.memory_nodes",
    "DedupeNode": "streams.memory_nodes",
    "SinkNode": "streams.nodes",
    "python_column": "streams.nodes",
    "TumblingWindow": "streams.windows",
    "HoppingWindow": "streams.windows",
    "SessionWindow": "streams.windows",
    "WindowedCounter": "streams.aggregators",
    "WindowedSum": "streams.aggregators",
    "WindowedMin": "streams.aggregators",
    "WindowedMax": "streams.aggregators",
    "WindowedMean": "streams.aggregators",
    "WindowedQuantile": "streams.aggregators",
    "WindowedDistinct": "streams.aggregators",
    "engine_costs": "streams.costs",
    "col": "streams.columns",
    "left": "streams.columns",
    "right": "streams.columns",
    "original_event": "streams.columns",
    # pictures, controls, and a report of it all
    "write_report": "report",
    "plots": "plots",
    "widgets": "widgets",
}
_CHAPTERS = ("plots", "widgets")

__all__ = tuple(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evanalytics' has no attribute {name!r}")
    module = importlib.import_module(f"evanalytics.{_HOMES[name]}")
    value = module if name in _CHAPTERS else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
