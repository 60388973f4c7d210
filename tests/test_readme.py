"""Every Python block of the README, of CONTRIBUTING and of docs/bloom.md runs, one after the other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/bloom.md"])
def test_its_code_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = "\n".join(BLOCK.findall((ROOT / name).read_text(encoding="utf-8")))

    exec(compile(code, name, "exec"), {"__name__": name})


def test_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    local = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]

    assert [link for link in local if not (ROOT / link).exists()] == []
