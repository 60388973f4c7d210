"""The pages of the app: the start page, the way from it to a dashboard, and the dashboard itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import tornado.web
from voila.handler import BaseVoilaHandler
from voila.tornado.handler import TornadoVoilaHandler

from evanalytics.app.choice import (
    checked_log,
    dashboards,
    folder_with_logs,
    is_folder,
    log_of_query,
    logs_in,
    typed_path,
)
from evanalytics.exceptions import EvAnalyticsError, LogNotFoundError

_LEFT_OUT = {"ci", "lab"}


class Page(BaseVoilaHandler):  # type: ignore[misc]
    """What our own pages share: the folders, and how a choice that cannot be made is told."""

    def initialize(self, *, notebooks: Path, here: Path, log: str, **options: Any) -> None:
        """Take the folder of notebooks, the one that paths are relative to, and the log that stands first."""
        super().initialize(**options)
        self.notebooks, self.here, self.log_at_first = notebooks, here, log

    def show_start(self, *, folder: Path, path: str, problem: str = "") -> None:
        """Write the start page."""
        try:
            logs = logs_in(folder)
        except EvAnalyticsError as error:
            logs, problem = [], problem or str(error)
        page = self.render_template(
            "start.html",
            dashboards=dashboards(self.notebooks),
            logs=logs,
            folder=folder,
            path=path,
            problem=problem,
        )
        self.finish(page)

    def given_path(self, name: str) -> Path | None:
        """Return a path that the request names, made absolute; None if it names none.

        Raises:
            LogNotFoundError: There can be no such path.
        """
        text = self.get_query_argument(name, "").strip()
        return typed_path(text, self.here) if text else None


class StartPage(Page):
    """Where a person chooses a notebook and a log."""

    @tornado.web.authenticated
    def get(self) -> None:
        """Show what there is to choose; a token in the address has become a cookie and is dropped."""
        if self.get_query_argument("token", ""):
            self.redirect(self.base_url)
            return
        folder, problem = self.here, ""
        try:
            folder = self.given_path("folder") or folder_with_logs(self.here)
        except EvAnalyticsError as error:
            problem = str(error)
        self.show_start(folder=folder, path=self.log_at_first, problem=problem)


class OpenPage(Page):
    """Leads from the start page to the dashboard that was chosen there."""

    @tornado.web.authenticated
    def get(self) -> None:
        """Go to the dashboard, or to the logs of a folder, or tell what is wrong with the choice."""
        chosen = self.get_query_argument("log", "")
        asked = "path" if chosen == "typed" else "log"
        folder, path = self.here, None
        try:
            folder = self.given_path("folder") or folder
            path = self.given_path(asked)
            name = self._notebook()
            if chosen == "typed" and path is None:
                raise LogNotFoundError("no path was typed; type the path of a log, or choose another")
            if path is not None and is_folder(path):
                self.redirect(f"{self.base_url}?{urlencode({'folder': str(path)})}")
                return
            query = f"?{urlencode({'log': checked_log(path)})}" if path is not None else ""
            self.redirect(f"{self.base_url}voila/render/{quote(name)}{query}")
        except EvAnalyticsError as error:
            self.set_status(400)
            self.show_start(
                folder=folder, path=str(path or self.get_query_argument(asked, "")), problem=str(error)
            )

    def _notebook(self) -> str:
        wanted = self.get_query_argument("notebook", "")
        for dashboard in dashboards(self.notebooks):
            if dashboard.name == wanted:
                return dashboard.name
        raise LogNotFoundError("no such notebook; choose one of the list")


class DashboardPage(TornadoVoilaHandler):  # type: ignore[misc]
    """A notebook without its code, on the log that its address names."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Check the log before a kernel is started for it, then run the notebook and show what it shows."""
        if self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise tornado.web.HTTPError(403, "a dashboard is opened from its start page")
        try:
            if log := log_of_query(self.request.query):
                checked_log(Path(log))
        except EvAnalyticsError as error:
            self.set_status(400)
            self.finish(self.render_template("problem.html", problem=str(error)))
            return
        await super().get(path)


def prepared(folder: Path) -> Callable[..., Any]:
    """Return the hook that makes a dashboard of a notebook before it runs.

    What is tagged "ci" or "lab" is left out: checks, which would move the controls, and words about code.
    The template learns title and log.
    """
    questions = {dashboard.name: dashboard.question for dashboard in dashboards(folder)}

    def prepare(handler: Any, *, notebook: Any, cwd: str) -> Any:
        name = Path(handler.path_args[0]).name
        log = log_of_query(handler.request.query)
        notebook.cells = [cell for cell in notebook.cells if not _LEFT_OUT & {*cell.metadata.get("tags", [])}]
        notebook.metadata["title"] = questions.get(name, name)
        notebook.metadata["log"] = Path(log).name if log else ""
        return notebook

    return prepare
