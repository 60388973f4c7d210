"""The `evanalytics` command: opens the notebooks, writes and reads logs, serves an event store."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evanalytics.exceptions import EvAnalyticsError

if TYPE_CHECKING:
    from evanalytics.tuning.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    further = []
    if given[:1] == ["lab"] and given[1:2] not in (["-h"], ["--help"]):
        at = 2 if given[1:] and not given[1].startswith("-") else 1  # what follows is JupyterLab's
        given, further = given[:at], given[at:]
    options = _parser().parse_args(given)
    options.further = further
    try:
        return int(options.run(options))
    except EvAnalyticsError as error:
        print(f"evanalytics: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evanalytics", description="A workbench for event pipelines.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lab = commands.add_parser(
        "lab", help="open JupyterLab on the notebooks; further arguments go to JupyterLab"
    )
    lab.add_argument("log", nargs="?", help="the event log the notebooks read; else the sample log")
    lab.set_defaults(run=_lab)
    app = commands.add_parser("app", help="serve the notebooks as dashboards without code, on this machine")
    app.add_argument("log", nargs="?", help="the event log to offer first; else the sample log")
    app.add_argument("--port", type=int, default=8866, help="the port; a free one near it if taken (8866)")
    app.add_argument("--no-browser", dest="browser", action="store_false", help="open no browser")
    app.set_defaults(run=_app)
    sample = commands.add_parser("sample", help="write a made-up order log with known answers")
    sample.add_argument("--events", type=int, default=1_000_000, help="how many events (default: 1000000)")
    sample.add_argument("--seed", type=int, default=7, help="another seed, another log (default: 7)")
    sample.add_argument("--days", type=int, default=3, help="how many days they span (default: 3)")
    sample.add_argument("--out", required=True, help=".parquet, .ndjson[.gz] or .csv[.gz]")
    sample.set_defaults(run=_sample)
    read = commands.add_parser("read", help="read a log and print what was found")
    read.add_argument("log", nargs="+", help="files, globs or folders")
    read.set_defaults(run=_read)
    _add_report(commands)
    _add_serve(commands)
    return parser


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser("report", help="write what there is to say of a log into one HTML file")
    report.add_argument("log", nargs="+", help="files, globs or folders")
    report.add_argument(
        "--slo", default="p99 <= 2s", help='what to keep to (default: "p99 <= 2s"); several: commas'
    )
    report.add_argument("--out", default="report.html", help="the file to write (default: report.html)")
    report.add_argument("--settings", help="JSON of Settings: your service, its slots, your limit")
    report.add_argument("--title", help="the heading (default: the log's file name)")
    report.set_defaults(run=_report)


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve", help="serve an event store over HTTP; the API key comes from EVANALYTICS_API_KEY"
    )
    serve.add_argument("--db", required=True, help="the DuckDB file; made where there is none")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8787, help="the port; 0: a free one (default: 8787)")
    serve.add_argument("--limit", type=int, help="requests per second and operation (default: no limit)")
    serve.add_argument("--max-body", type=int, default=16, help="MiB that a request may have (default: 16)")
    serve.set_defaults(run=_serve)


def _lab(options: argparse.Namespace) -> int:
    from evanalytics.app.lab import run_lab

    _need("jupyterlab")
    return run_lab(options.log, options.further)


def _app(options: argparse.Namespace) -> int:
    _need("voila")
    from evanalytics.app.server import run_app

    log = options.log or os.environ.get("EVANALYTICS_LOG")
    say = partial(print, flush=True)
    return run_app(log=log, port=options.port, browse=options.browser, say=say)


def _need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise EvAnalyticsError(f"this needs {module}, which is not installed; pip install {module}")


def _sample(options: argparse.Namespace) -> int:
    from evanalytics.logs.synthetic import write_sample

    answers = write_sample(options.out, events=options.events, seed=options.seed, days=options.days)
    print(answers)
    return 0


def _read(options: argparse.Namespace) -> int:
    from evanalytics.logs.reader import read_log

    print(read_log(options.log).report)
    return 0


def _report(options: argparse.Namespace) -> int:
    from evanalytics.logs.reader import read_log
    from evanalytics.report import write_report
    from evanalytics.tuning.explore import constraints_of

    constraints_of(options.slo)  # a slip is told before a large log is read
    base = None if options.settings is None else _settings_in(options.settings)
    log = read_log(options.log)
    path = write_report(log, options.out, slo=options.slo, base=base, title=options.title)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; open it in a browser, or send it on")
    return 0


def _settings_in(path: str) -> Settings:
    from evanalytics.tuning.settings import Settings

    try:
        return Settings.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EvAnalyticsError(f"--settings {path}: cannot be read ({error})") from error


def _serve(options: argparse.Namespace) -> int:
    from evanalytics.service.serving import serve
    from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

    limit = None if options.limit is None else RateLimit(options.limit, "1s", kind="token_bucket")
    serving = serve(
        options.db,
        host=options.host,
        port=options.port,
        throttle=ThrottlePolicy(limit),
        max_body_bytes=options.max_body * 2**20,
        say=partial(print, flush=True),
    )
    asyncio.run(serving)
    return 0


if __name__ == "__main__":
    sys.exit(main())
