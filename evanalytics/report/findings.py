"""Everything a report says, as records and frames, before any of it becomes a page."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from tqdm.auto import tqdm

from evanalytics.bloom.dedupe import IdTraffic, dedupe_costs, filter_sizes
from evanalytics.logs.log import EventLog
from evanalytics.logs.profile import TrafficProfile
from evanalytics.logs.report import ReadReport
from evanalytics.logs.schema import ID, TS
from evanalytics.tuning.advise import Advice, advise
from evanalytics.tuning.explore import constraints_of
from evanalytics.tuning.settings import Settings, spread_out

_PATHS = 60
_HISTORY_DAYS = 30
_SIZES = 24


@dataclass(frozen=True, eq=False, kw_only=True)
class IdFindings:
    """What a log's ids need of a filter.

    Attributes:
        traffic: How many ids come, and come again.
        log: Filters for the log's own ids, as from `filter_sizes`.
        month: The same for as many ids as come in 30 days at this rate.
        costs: What filters of several sizes cost per day, as from `dedupe_costs`.
    """

    traffic: IdTraffic
    log: pl.DataFrame
    month: pl.DataFrame
    costs: pl.DataFrame


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """What a report says of a log.

    Attributes:
        read: What reading it found.
        filled: Of payload paths with a column: path, dtype, filled (share of events); at most 60.
        profile: Its traffic.
        advice: Which settings keep to the goal.
        ids: What its ids need; None without events.
    """

    read: ReadReport
    filled: pl.DataFrame
    profile: TrafficProfile
    advice: Advice
    ids: IdFindings | None


def find(
    log: EventLog, *, slo: str = "p99 <= 2s", base: Settings | None = None, progress: bool = True
) -> Findings:
    """Return what there is to say of a log.

    Args:
        log: The log.
        slo: What settings must keep to, as in `advise`.
        base: What is given: the service, its slots, its limit.
        progress: Whether to show progress bars.

    Raises:
        TuningError: The SLO cannot be read; nothing was computed then.
    """
    constraints_of(slo)
    with tqdm(total=4, desc="report", disable=not progress, delay=0.5) as bar:
        filled, ids = _filled(log), _ids(log)
        bar.update(2)
        profile = TrafficProfile.of(log)
        bar.update()
        advice = advise(log, slo, base=base, progress=progress)
        bar.update()
    return Findings(read=log.report, filled=filled, profile=profile, advice=advice, ids=ids)


def _filled(log: EventLog) -> pl.DataFrame:
    paths = dict(list(log.schema.paths.items())[:_PATHS])
    events = max(len(log), 1)
    counts = log.lazy.select(pl.col(column).count() for column in paths.values()).collect()
    rows = [
        (path, str(log.schema.columns[column]), counts[column][0] / events) for path, column in paths.items()
    ]
    schema = {"path": pl.String, "dtype": pl.String, "filled": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _ids(log: EventLog) -> IdFindings | None:
    frame = log.lazy.select(ID, TS).collect()
    if frame.is_empty():
        return None
    traffic = IdTraffic.of(frame[ID], frame[TS])
    sizes = [max(traffic.ids * bits // 8, 32) for bits in spread_out(4, 32, _SIZES)]
    return IdFindings(
        traffic=traffic,
        log=filter_sizes(traffic),
        month=filter_sizes(traffic, days=_HISTORY_DAYS),
        costs=dedupe_costs(traffic, capacity=traffic.ids, sizes=sorted(set(sizes))),
    )
