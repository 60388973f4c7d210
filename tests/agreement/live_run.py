"""Runs a scenario through the live classes on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from evanalytics.batching.batch import BatchRecord
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import ManualClock, settle
from evanalytics.delivery.dispatcher import Dispatcher
from evanalytics.delivery.lane import RequestRecord
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.throttling.manager import ThrottleManager
from tests import reference
from tests.strategies import Scenario


@dataclass(frozen=True)
class Item:
    """What stands for an event: its place in the log, its type, its bytes."""

    seq: int
    type: str
    size: int


Request = tuple[int, int, int, int | None, tuple[int, ...], int, str]
"""Index, events, release, first asked for tokens, starts, end, outcome."""


@dataclass(frozen=True)
class Outcome:
    """What is compared: who left when and why, who started when, what became of every event."""

    batches: list[tuple[int, int, str]]
    requests: list[Request]
    queries: list[Request]
    latencies: list[int | None]
    handed_back: list[int]


class CallFailed(Exception):
    """A call that the scenario's service model lets fail."""


class SimulatedService:
    """Answers calls on the clock as a `ServiceModel` says; requests count in order of release."""

    def __init__(self, model: ServiceModel, clock: ManualClock) -> None:
        self._model = model
        self._clock = clock
        self._attempts: dict[int, int] = {}

    async def call(self, request: int, events: int) -> None:
        """Take as long as the request's next attempt takes, and fail if it fails."""
        attempt = self._attempts.get(request, 0)
        self._attempts[request] = attempt + 1
        end_ns = self._clock.monotonic_ns() + self._model.duration_ns(request, attempt, events)
        await self._clock.sleep_until_ns(end_ns)
        if self._model.fails(request, attempt):
            raise CallFailed(f"request {request}, attempt {attempt}")


class LiveRun:
    """One run: a processor in front of a dispatcher, and a simulated service behind it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = ManualClock()
        self.batches: list[BatchRecord] = []
        self.records: list[RequestRecord] = []
        self.numbers: dict[int, int] = {}
        self.finished: dict[int, int] = {}
        self.handed_back: list[int] = []
        self.publishing = SimulatedService(scenario.delivery.service, self.clock)
        self.querying = SimulatedService(scenario.delivery.service, self.clock)
        self.dispatcher = Dispatcher(
            self._send,
            scenario.delivery,
            throttle=ThrottleManager(scenario.throttle, clock=self.clock),
            group_by=scenario.batch.group_by,
            clock=self.clock,
            on_request=self.records.append,
        )
        self.processor = BatchProcessor(
            scenario.batch,
            self._dispatch,
            clock=self.clock,
            size_of=lambda item: item.size,
            on_batch=self.batches.append,
            dead_letter=lambda items, error: self.handed_back.extend(item.seq for item in items),
            on_close=self.dispatcher.close,
        )

    async def run(self) -> Outcome:
        """Feed the scenario in, let time pass until nothing is left to happen, and close."""
        queries = await self._feed()
        await settle()
        while (deadline_ns := self.clock.next_deadline_ns()) is not None:
            await self.clock.advance_to_ns(deadline_ns)
        await self.processor.close()
        await asyncio.gather(*queries, return_exceptions=True)
        return self._outcome()

    async def _feed(self) -> list[asyncio.Future[Any]]:
        scenario, queries = self.scenario, []
        events = [(instant, 0, seq) for seq, instant in enumerate(scenario.arrivals)]
        calls = [(instant, 1, number) for number, (instant, _) in enumerate(scenario.queries)]
        for instant, is_query, place in sorted(events + calls):
            await self.clock.advance_to_ns(instant)
            if is_query:
                call = partial(self.querying.call, place, 0)
                tokens = scenario.queries[place][1]
                queries.append(self.dispatcher.call("query", call, tokens=tokens))
            else:
                await self.processor.add(Item(place, scenario.types[place], scenario.sizes[place]))
        return queries

    def _dispatch(self, items: list[Item]) -> asyncio.Future[list[Any]]:
        """Number the requests as the rule has it, then let the dispatcher do its part."""
        heads: dict[str, int] = {}
        for item in items:
            heads.setdefault(item.type if self.scenario.batch.group_by else "", item.seq)
        for seq in heads.values():
            self.numbers[seq] = len(self.numbers)
        return self.dispatcher.dispatch(items)

    async def _send(self, items: list[Item]) -> None:
        await self.publishing.call(self.numbers[items[0].seq], len(items))
        for item in items:
            assert item.seq not in self.finished, "delivered twice"
            self.finished[item.seq] = self.clock.monotonic_ns()

    def _outcome(self) -> Outcome:
        arrivals, finished = self.scenario.arrivals, self.finished
        return Outcome(
            batches=[(batch.size, batch.left_ns, batch.reason) for batch in self.batches],
            requests=self._requests("publish"),
            queries=self._requests("query"),
            latencies=[finished[i] - t if i in finished else None for i, t in enumerate(arrivals)],
            handed_back=sorted(self.handed_back),
        )

    def _requests(self, operation: str) -> list[Request]:
        return sorted(
            (r.index, r.events, r.released_ns, r.asked_ns, r.starts_ns, r.finished_ns, r.outcome)
            for r in self.records
            if r.operation == operation
        )


def expected(scenario: Scenario) -> Outcome:
    """Return what the rules, said once more by the oracle, make of a scenario."""
    arrivals, throttle = scenario.arrivals, scenario.throttle
    batches = reference.batches(arrivals, scenario.batch, scenario.sizes)
    publishing = reference.requests(batches, scenario.types, scenario.batch, throttle)
    querying = [
        reference.ReferenceRequest(index, [], instant, tokens)
        for index, (instant, tokens) in enumerate(scenario.queries)
    ]
    reference.deliver(publishing, throttle.limit_of("publish"), scenario.delivery)
    reference.deliver(querying, throttle.limit_of("query"), scenario.delivery)
    latencies = reference.latencies(arrivals, publishing)
    return Outcome(
        batches=[(batch.stop - batch.first, batch.left_ns, batch.reason) for batch in batches],
        requests=[_row(request) for request in publishing],
        queries=[_row(request) for request in querying],
        latencies=latencies,
        handed_back=[event for event, latency in enumerate(latencies) if latency is None],
    )


def live(scenario: Scenario) -> Outcome:
    """Return what the live classes make of a scenario."""
    return asyncio.run(LiveRun(scenario).run())


def _row(request: reference.ReferenceRequest) -> Request:
    return (
        request.index,
        len(request.events),
        request.released_ns,
        request.asked_ns,
        tuple(request.starts_ns),
        request.finished_ns,
        request.outcome,
    )
