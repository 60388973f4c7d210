"""From a log to its report, as text or as a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from evanalytics.exceptions import ReportError
from evanalytics.logs.log import EventLog
from evanalytics.report.findings import find
from evanalytics.report.page import page
from evanalytics.tuning.settings import Settings


def report_html(
    log: EventLog,
    *,
    slo: str = "p99 <= 2s",
    base: Settings | None = None,
    title: str | None = None,
    made: datetime | None = None,
    progress: bool = True,
) -> str:
    """Return a log's report as one HTML page; the arguments are those of `write_report`."""
    name = title or f"Event log {log.report.files[0] if log.report.files else ''}".strip()
    findings = find(log, slo=slo, base=base, progress=progress)
    return page(findings, title=name, made=made or datetime.now(UTC))


def write_report(
    log: EventLog,
    path: str | Path,
    *,
    slo: str = "p99 <= 2s",
    base: Settings | None = None,
    title: str | None = None,
    made: datetime | None = None,
    progress: bool = True,
) -> Path:
    """Write a log's report as one HTML file for a colleague, and return its path.

    It holds the traffic profile, what reading the log found, the batching and throttling settings that
    keep to the SLO with the fewest requests, and Bloom filters for its ids. The file needs no other one
    and no network; text from the log is escaped. An SLO that nothing keeps to is a sentence in it.

    Args:
        log: The log.
        path: Where to write; a file there is replaced.
        slo: What settings must keep to: "p99 <= 2s", or several with commas between them.
        base: What is given: the service model (measure yours with `calibrate`), its slots, a rate limit.
        title: The heading; by default the log's file name.
        made: The time written on it; now by default.
        progress: Whether to show progress bars.

    Raises:
        TuningError: The SLO cannot be read.
        ReportError: The file cannot be written.
    """
    text = report_html(log, slo=slo, base=base, title=title, made=made, progress=progress)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{path}: the report cannot be written there ({error.strerror})") from error
    return Path(path)
