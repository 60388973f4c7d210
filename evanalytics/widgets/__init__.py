"""Widgets for notebooks: they hold state and call plots; they compute nothing."""

from evanalytics.kernel import mend_replies
from evanalytics.widgets.bloom_explorer import BloomExplorer
from evanalytics.widgets.controls import Slider, Tally, log_stops
from evanalytics.widgets.filter_editor import FilterEditor
from evanalytics.widgets.live_monitor import LiveMonitor
from evanalytics.widgets.replay_controls import ReplayControls
from evanalytics.widgets.stream_inspector import StreamInspector
from evanalytics.widgets.timeline import Timeline
from evanalytics.widgets.traffic_explorer import TrafficExplorer
from evanalytics.widgets.tuner import Tuner

__all__ = [
    "BloomExplorer",
    "FilterEditor",
    "LiveMonitor",
    "ReplayControls",
    "Slider",
    "StreamInspector",
    "Tally",
    "Timeline",
    "TrafficExplorer",
    "Tuner",
    "log_stops",
]

mend_replies()
