"""Replay: a log as live events, on a clock."""

from evanalytics.replay.replay import Replay, ReplayProgress

__all__ = ["Replay", "ReplayProgress"]
