"""The `evanalytics` command."""

from pathlib import Path

import pytest

from evanalytics.app.folder import FIRST
from evanalytics.cli import main
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.settings import Settings


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
    assert command[-1] == f"--LabApp.default_url=/lab/tree/{FIRST}"  # which is printed, too
    assert (path is None) if log is None else path.endswith(log)


def test_report_writes_a_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, out, settings = tmp_path / "orders.ndjson", tmp_path / "r.html", tmp_path / "settings.json"
    settings.write_text(Settings(throttle=ThrottlePolicy(RateLimit(50, "1s"))).to_json(), encoding="utf-8")
    main(["sample", "--events", "300", "--out", str(log)])

    arguments = ["--slo", "p99<=5s, handed_back<=0", "--settings", str(settings), "--title", "A & B"]
    assert main(["report", str(log), "--out", str(out), *arguments]) == 0

    assert f"{out}: " in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert "p99 &lt;= 5 s and handed_back &lt;= 0" in text
    assert "RateLimit(max_requests=50" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--slo", "quick"], "constraint 'quick': cannot be read"),
        (["--settings", "none.json"], "--settings none.json: cannot be read"),
    ],
)
def test_report_refuses_a_slip_before_it_reads_the_log(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "nowhere.ndjson", *arguments]) == 1
    assert message in capsys.readouterr().err
