"""The section on the data: what could not be read, repeats or came late, and what payloads hold."""

from __future__ import annotations

from collections.abc import Iterator

from evanalytics.logs.report import ReadReport
from evanalytics.report.findings import Findings
from evanalytics.report.markup import Markup, folded, listed, named, section, sentence, table, tag
from evanalytics.report.wording import counted, share

_SHOWN = 40


def quality_section(findings: Findings) -> Markup:
    """Return the section on what reading the log found."""
    read = findings.read
    flaws = list(_flaws(read))
    return section(
        "quality",
        "Data quality",
        listed(flaws) if flaws else tag("p", "Nothing was found wrong with the records."),
        *_records(read),
        *_payload(findings),
        *([tag("h3", "What was assumed"), listed(map(sentence, read.notes))] if read.notes else []),
    )


def quality_sentence(read: ReadReport) -> str:
    """Return how good the data are, in one sentence."""
    if read.read == 0:
        return "The log holds no records."
    told = [f"{read.good:,} of {read.read:,} records became events"]
    told += [f"{read.duplicate_ids:,} of them repeat an id"] if read.duplicate_ids else []
    told += [f"{share(read.out_of_order)} came out of order"] if read.out_of_order else []
    return f"{', '.join(told)}."


def _flaws(read: ReadReport) -> Iterator[str]:
    """Yield what should be looked at, one sentence each."""
    if read.quarantined:
        yield (
            f"{counted(read.quarantined, 'record')} ({share(read.quarantined, read.read)}) could not "
            "become events "
            "and are set aside in the quarantine file beside the log, each with its line and reason."
        )
    if read.duplicate_ids is None:
        yield "There are too many events to count repeated ids."
    elif read.duplicate_ids:
        yield (
            f"{counted(read.duplicate_ids, 'event')} ({share(read.duplicate_ids, read.good)}) have an "
            "id that "
            "came before: drop them by id before counting or joining."
        )
    if read.out_of_order:
        yield (
            f"{share(read.out_of_order)} of the events came after one with a later time: windows need "
            "an allowed "
            "lateness."
        )
    if read.json_paths:
        yield f"{counted(len(read.json_paths), 'payload path')} have no single type and stay JSON."
    if read.nan_to_null:
        yield f"{counted(sum(read.nan_to_null.values()), 'value')} were NaN and are read as null."


def _records(read: ReadReport) -> Iterator[Markup]:
    repeated = "not counted" if read.duplicate_ids is None else f"{read.duplicate_ids:,}"
    rows = [
        ("records read", f"{read.read:,}"),
        ("became events", f"{read.good:,}"),
        ("quarantined", f"{read.quarantined:,}"),
        ("events with a repeated id", repeated),
        ("events out of order", share(read.out_of_order)),
    ]
    yield table("Records", ("what", "how many"), rows)
    if read.reasons:
        reasons = [(sentence(reason), f"{count:,}") for reason, count in list(read.reasons.items())[:_SHOWN]]
        yield table("Why records were quarantined", ("reason", "records"), reasons)


def _payload(findings: Findings) -> Iterator[Markup]:
    read, filled = findings.read, findings.filled
    yield tag("h3", "Payload")
    if filled.is_empty() and not read.json_paths:
        yield tag("p", "The events carry no payload.")
    if not filled.is_empty():
        rows = [(named(path), kind, share(part)) for path, kind, part in filled.rows()]
        more = len(read.typed) - len(rows)
        title = "Paths with one type" + (f" (the first {len(rows)} of {len(read.typed)})" if more > 0 else "")
        yield table(title, ("path", "type", "events that have it"), rows, left=2)
    if read.json_paths:
        paths = [(named(path), sentence(why)) for path, why in list(read.json_paths.items())[:_SHOWN]]
        title = "Paths that stay JSON"
        yield folded(f"{title}: {len(read.json_paths):,}", table(title, ("path", "why"), paths, left=2))
    if read.null_paths:
        nulls = [named(path) for path in read.null_paths[:_SHOWN]]
        yield tag("p", f"Explicit nulls were seen at {', '.join(nulls)}.")
