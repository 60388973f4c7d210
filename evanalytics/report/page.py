"""The page: one file with everything in it, which asks nothing of anybody and lets no other script run."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from importlib.resources import files

from plotly.offline import get_plotlyjs

from evanalytics.logs.profile import TrafficProfile
from evanalytics.report.findings import Findings
from evanalytics.report.ids import ids_section, ids_sentence
from evanalytics.report.markup import listed, named, section, tag
from evanalytics.report.quality import quality_section, quality_sentence
from evanalytics.report.settings import settings_section, settings_sentence
from evanalytics.report.traffic import traffic_section
from evanalytics.report.wording import counted, instant, lasting, rate

_SECTIONS = {
    "summary": "In short",
    "traffic": "Traffic",
    "quality": "Data quality",
    "settings": "Batching and throttling",
    "ids": "Filters for its ids",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
{title}
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
{scripts}
</body>
</html>
"""


def page(findings: Findings, *, title: str, made: datetime) -> str:
    """Return findings as an HTML page that needs no other file.

    A policy in its head names the two scripts that may run, by their hashes, and allows no request.

    Args:
        findings: What to say.
        title: The heading.
        made: When it was made (UTC).
    """
    scripts = [get_plotlyjs(), _own("report.js")]
    return _PAGE.format(
        policy=_policy(scripts),
        title=tag("title", named(title)),
        style=_own("report.css"),
        body=_body(findings, title, made),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _body(findings: Findings, title: str, made: datetime) -> str:
    links = [tag("li", tag("a", heading, href=f"#{name}")) for name, heading in _SECTIONS.items()]
    files = ", ".join(map(named, findings.read.files[:5])) or "a frame"
    more = len(findings.read.files) - 5
    read_from = f"Read from {files}" + (f" and {counted(more, 'further file')}" if more > 0 else "") + ". "
    header = tag(
        "header",
        tag("h1", named(title)),
        tag("p", f"{read_from}Made by evanalytics on {instant(made)} UTC. All times are UTC."),
    )
    parts = (
        tag("a", "Skip to the report", href="#report", class_="skip"),
        header,
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag("noscript", tag("p", "The pictures need JavaScript. What they show is also said in words.")),
        tag(
            "main",
            section("summary", _SECTIONS["summary"], listed(_summary(findings))),
            traffic_section(findings.profile),
            quality_section(findings),
            settings_section(findings.advice),
            ids_section(findings.ids),
            id="report",
        ),
        tag("footer", tag("p", "This page holds all it needs and sends nothing anywhere.")),
    )
    return "\n".join(parts)


def _summary(findings: Findings) -> list[str]:
    return [
        _traffic_sentence(findings.profile),
        quality_sentence(findings.read),
        settings_sentence(findings.advice),
        ids_sentence(findings.ids),
    ]


def _traffic_sentence(profile: TrafficProfile) -> str:
    if len(profile) == 0:
        return "The log holds no events."
    span = profile.end_us - profile.start_us - 1
    text = f"{counted(len(profile), 'event')} of {counted(len(profile.types), 'type')}"
    if not span:
        return f"{text}, all at one instant."
    lasted = lasting(timedelta(microseconds=span))
    return f"{text} in {lasted}, {rate(len(profile) / (span / 1e6))} on the mean."


def _policy(scripts: list[str]) -> str:
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _own(name: str) -> str:
    return (files("evanalytics.report") / "static" / name).read_text(encoding="utf-8").strip()
