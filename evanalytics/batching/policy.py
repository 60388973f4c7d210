"""When a batch leaves, stated once for the live processor and for the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from evanalytics.durations import Duration, duration_ns
from evanalytics.exceptions import PolicyError
from evanalytics.records import Record, duration, whole_number

Reason = Literal["size", "age", "bytes", "flush", "close"]
"""Why a batch left; a simulation knows only the first three."""

GroupBy = Literal["type"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class BatchPolicy(Record):
    """When a batch leaves: once it is full, or once its first event has waited long enough.

    There is one open batch. Its first event opens it, and its deadline is that event's arrival
    plus `flush_interval`; nothing moves the deadline afterwards. The edges:

    - **size**: the event that makes it `max_batch_size` long joins, and the batch leaves at
      that very arrival.
    - **bytes**: the same with `max_batch_bytes`: the event with which the batch holds that many
      bytes *or more* joins, and the batch leaves then. So a batch may exceed the bound by a part
      of its last event. When both bounds are reached by one event, the reason is size.
    - **age**: half-open. An event that arrives at the deadline or later does not join: the batch
      leaves at its deadline, then the event opens the next one. So age wins a tie with size.
    - `flush_interval` zero: every event is a batch of its own and leaves at its arrival; the
      reason is age, for the deadline is the arrival (also where `max_batch_size` is 1).
    - `max_batch_size` 1 with a longer interval: the same batches, the reason is size.
    - The end of a log: the last batch leaves at its deadline, by age. A live `close` sends it
      at once instead (reason close), as `flush` does (reason flush). An empty batch never leaves.

    Attributes:
        max_batch_size: Events; at least 1.
        flush_interval: The longest time an event waits for others; 0 to 366 days.
        max_batch_bytes: Bytes of the events' own size; None means no such bound.
        group_by: "type": at the flush, one request per event type, in the order in which the
            types first appear in the batch, events inside keeping the order of their arrival.
            None: the batch is one request. Grouping is the dispatcher's: a `BatchProcessor`
            used alone hands over whole batches.

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> policy = BatchPolicy(max_batch_size=100, flush_interval="5s")
        >>> BatchPolicy.from_json(policy.to_json()) == policy
        True
    """

    max_batch_size: int
    flush_interval: timedelta
    max_batch_bytes: int | None
    group_by: GroupBy | None

    def __init__(
        self,
        *,
        max_batch_size: int = 100,
        flush_interval: Duration = "5s",
        max_batch_bytes: int | None = None,
        group_by: GroupBy | None = "type",
    ) -> None:
        if max_batch_bytes is not None:
            max_batch_bytes = whole_number(max_batch_bytes, "BatchPolicy.max_batch_bytes")
        if group_by not in ("type", None):
            raise PolicyError(f"BatchPolicy.group_by: needs 'type' or None, got {group_by!r}")
        self._fill(
            max_batch_size=whole_number(max_batch_size, "BatchPolicy.max_batch_size"),
            flush_interval=duration(flush_interval, "BatchPolicy.flush_interval"),
            max_batch_bytes=max_batch_bytes,
            group_by=group_by,
        )

    @property
    def flush_interval_ns(self) -> int:
        """The flush interval in nanoseconds."""
        return duration_ns(self.flush_interval)
