"""A log whose every name and value is an attack, a blank, or ten thousand characters long."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

MARK = "evHit"
"""A script that runs sets `window.evHit`; an alert is a dialog."""
_HIT = f"window.{MARK}=1;alert(1)"
SCRIPTS = [
    f"<script>{_HIT}</script>",
    f"</script><script>{_HIT}</script>",
    f"<img src=x onerror='{_HIT}'>",
    f"<svg/onload={_HIT}>",
    f"<a href='javascript:{_HIT}'>click</a>",
    f"javascript:{_HIT}",
    f"'\"><img src=x onerror={_HIT}>",
    f"`${{{_HIT}}}`",
    f"{{{{constructor.constructor('{_HIT}')()}}}}",
    f"$\\href{{javascript:{_HIT}}}{{x}}$",
    f"<iframe srcdoc='<script>parent.{MARK}=1</script>'></iframe>",
    f"--></style></title></textarea><script>{_HIT}</script>",
    f"<b onmouseover={_HIT}>bold</b><br>",
    f"%{{customdata}}<extra></extra><img src=x onerror={_HIT}>",
]
NAUGHTY = [
    "a" * 10_000, "<" * 10_000, "é" * 10_000, "\u202eright to left\u202c", "\u200b", " ", "line\nbreak", "tab\t", "null", "undefined",
    "NaN", "-1", "0", "__proto__", "constructor", "'; DROP TABLE log; --", "%s%n", "{0}", "{x}", "../../etc/passwd", "&amp;", "日本語",
    "\U0001f469\u200d\U0001f467", "Z͑ͫ̓a͒l̷g̶o̴", "\\", "\"", "$", "#", "?", "file:///etc/passwd", "data:text/html,<script>alert(1)</script>", "\x01\x1b[31m",
]  # fmt: skip
STRINGS = [*SCRIPTS, *NAUGHTY]
START = datetime(2026, 1, 1, tzinfo=UTC)


def write_hostile_log(path: Path, *, rounds: int = 3) -> Path:
    """Write each string as type, source, id, value, and (where it may be one) as the name of a field."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rounds):
            for place, text in enumerate(STRINGS):
                other = STRINGS[place - 1]
                time = START + timedelta(minutes=number * 60 + place, seconds=-(place % 7) * 70)
                data = {"text": text, "number": place, other[:200]: place, "nested": {text[:50]: [text]}}
                record = {
                    "id": f"{text}{number}",
                    "type": text,
                    "source": other,
                    "time": time.isoformat(),
                    "data": data,
                }
                file.write(json.dumps(record) + "\n")
            file.write(f"{SCRIPTS[0]} this is no JSON\n")
    return path
