"""How a graph runs: what `StreamProcessor.start` is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evanalytics.batching.policy import BatchPolicy
from evanalytics.clock import Clock
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.durations import Duration
from evanalytics.logs.log import LogSchema
from evanalytics.streams.graph_state import Outputs
from evanalytics.throttling.manager import ThrottleManager


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """How a graph runs; `StreamProcessor.start` says what each of these means."""

    schema: LogSchema | Mapping[str, Any] | None = None
    micro_batch: BatchPolicy
    checkpoint: Path | None = None
    checkpoint_interval: Duration = "5s"
    delivery: DeliveryPolicy
    throttle: ThrottleManager | None = None
    clock: Clock
    from_beginning: bool = True
    quarantine: Path | None = None
    handle_signals: bool = False
    on_output: Callable[[Outputs], object] | None = None
