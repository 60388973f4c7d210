"""Every block of code in README, CONTRIBUTING, docs/ and data/README.md runs, or says here why it cannot."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import evanalytics as ev
from evanalytics.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
        *("README.md", "CONTRIBUTING.md", "data/README.md"),
    ]
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
KINDS = {"python", "sh", "", "json", "pycon"}
"""What blocks may be; one without a name holds commands, too; `pycon` needs Spark: tests/spark runs the same."""

MOST_EVENTS = 100_000
NOT_RUN = {
    "evanalytics lab": "opens JupyterLab; the browser tests do",
    "evanalytics app": "opens a browser; the browser tests do",
    "evanalytics serve": "serves until it is stopped; tests/service/test_two_processes.py runs it",
    "make": "sets a virtual environment up; its targets are checked below",
    "python start.py": "the same",
    "python -m tests": "is a long run of its own",
    "curl": "needs a server; tests/service/test_server.py asks one the same",
    "export": "sets a variable",
    "pip install": "needs a network",
}
"""Commands that are not run here, by how they begin, and why."""


def blocks(name: str, kinds: set[str]) -> list[str]:
    found = BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
    return [text for kind, text in found if kind in kinds]


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of each page, without variables before it and remarks behind it."""
    for name in PAGES:
        for block in blocks(name, {"sh", ""}):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words:
                    yield name, shlex.join(words)


COMMANDS = list(dict.fromkeys(commands()))
RUN = [(page, text) for page, text in COMMANDS if not text.startswith(tuple(NOT_RUN))]


def known_names(name: str) -> dict[str, Any]:
    """Return what a page takes for granted: a log and an event."""
    if name != "docs/filters.md":
        return {}
    log = ev.read_log(ROOT / "data" / "orders.parquet", progress=False)
    now = datetime.now(UTC)
    return {"log": log, "event": ev.Event(id="1", type="order.created", source="shop", time=now)}


@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, {"python"})])
def test_its_code_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = "\n".join(blocks(name, {"python"}))

    exec(compile(code, name, "exec"), {"__name__": name, **known_names(name)})


@pytest.mark.parametrize("name", PAGES)
def test_its_blocks_are_of_known_kinds(name: str) -> None:
    kinds = {kind for kind, _ in BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))}

    assert kinds <= KINDS


@pytest.mark.parametrize(("page", "command"), RUN)
def test_its_commands_run(page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)
    for place, word in enumerate(words):
        if word == "--events":
            words[place + 1] = str(min(int(words[place + 1]), MOST_EVENTS))
    (tmp_path / "data").mkdir()
    for path in (ROOT / "data").glob("orders*"):
        (tmp_path / "data" / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)

    assert words[0] == "evanalytics", f"{page}: {command}: say in NOT_RUN why it is not run"
    assert main(words[1:]) == 0


def test_every_target_and_option_named_in_a_command_is_there() -> None:
    start = start_py()
    named = [re.fullmatch(r"(?:make|python start\.py) (\w+)( .*)?", command) for _, command in COMMANDS]

    targets = {found[1] for found in named if found}

    assert targets >= {"lab", "test"}
    assert targets <= {*start.COMMANDS, "requirements"}
    assert targets <= set(
        re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    )


@pytest.mark.parametrize("name", PAGES)
def test_its_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    local = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]

    assert [link for link in local if not (ROOT / name).parent.joinpath(link).exists()] == []


def start_py() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("[detn]*/**/*.*")]
    named = re.findall(r"`([\w/.]+\.(?:py|json|md))`", text)
    members = re.findall(r"`(\w+)` \(`([\w/.]+\.py)`\)", text)

    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []
    assert len(members) >= 7
    assert [(m, name) for m, name in members if not re.search(rf"\b{m}\b", source_of(name))] == []


def test_each_recipe_takes_less_than_ten_steps() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^### (A new [^\n]+)\n((?:[^#\n][^\n]*\n)+)", text, re.MULTILINE))

    assert set(recipes) == {
        f"A new {what}"
        for what in ("file format", "engine", "limiter kind", "filter operator", "kind of node")
    }
    assert all(recipe.count("\n") < 10 for recipe in recipes.values())


def source_of(name: str) -> str:
    return next(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "evanalytics" / name, ROOT / name)
        if path.exists()
    )
