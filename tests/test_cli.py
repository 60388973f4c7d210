"""The `evanalytics` command."""

from pathlib import Path

import pytest

from evanalytics.cli import main


def test_sample_writes_a_log_that_read_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "orders.parquet"

    assert main(["sample", "--events", "2000", "--out", str(path)]) == 0
    assert main(["read", str(path)]) == 0
    assert "2,000" in capsys.readouterr().out


def test_an_error_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "nowhere.ndjson"]) == 1
    assert capsys.readouterr().err == "evanalytics: nowhere.ndjson: no such file or folder\n"


def test_unknown_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sample", "--out", "x.parquet", "--evnts", "5"])

    assert "unrecognized arguments: --evnts 5" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "module"), [("lab", "jupyterlab"), ("app", "voila")])
def test_what_is_not_installed_is_told_in_a_sentence(
    command: str, module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert main([command]) == 1
    assert f"this needs {module}, which is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "log", "further"),
    [
        (["--no-browser", "--port", "8899"], None, ["--no-browser", "--port", "8899"]),
        (["a.ndjson", "--port", "8899"], "a.ndjson", ["--port", "8899"]),
        ([], None, []),
    ],
)
def test_lab_hands_further_arguments_to_jupyterlab(
    arguments: list[str], log: str | None, further: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], str | None]] = []

    def call(command: list[str], env: dict[str, str]) -> int:
        seen.append((command, env.get("EVANALYTICS_LOG")))
        return 0

    monkeypatch.setattr("subprocess.call", call)
    monkeypatch.delenv("EVANALYTICS_LOG", raising=False)

    assert main(["lab", *arguments]) == 0
    command, path = seen[0]
    assert [part for part in command if part in further] == further
    assert (path is None) if log is None else path.endswith(log)
