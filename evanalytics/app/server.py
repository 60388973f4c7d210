"""The server of the app: Voila with pages of our own, on this machine only, behind a token."""

from __future__ import annotations

import logging
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import StaticFileHandler
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.contentshandler import VoilaContentsHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from evanalytics.app.choice import log_of_query
from evanalytics.app.folder import notebooks_folder, packed_notebooks
from evanalytics.app.pages import DashboardPage, OpenPage, StartPage, prepared

_HOME = Path(__file__).parent
_PATIENCE = _HOME / "jupyter" / "labextensions" / "evanalytics-patience" / "static"
_REPLACED = (TornadoVoilaTreeHandler, VoilaContentsHandler)
_SENTENCES = "--ext=evanalytics.app.sentences"


class DashboardKernels(AsyncMappingKernelManager):
    """Kernels that read the log which the dashboard's address names, and tell errors in sentences."""

    async def start_kernel(  # type: ignore[override]
        self, *, kernel_id: str | None = None, path: Any = None, **options: Any
    ) -> str:
        """Start a kernel for a request; `env` has the request's query as Voila puts it there."""
        given = options.pop("env")
        env = {name: value for name, value in given.items() if name != "EVANALYTICS_LOG"}
        if log := log_of_query(given.get("QUERY_STRING", "")):
            env["EVANALYTICS_LOG"] = log
        options |= {"env": env, "extra_arguments": [_SENTENCES]}
        return await super().start_kernel(kernel_id=kernel_id, path=path, **options)


class DashboardServer(Voila):  # type: ignore[misc]
    """Voila on a folder of notebooks, with a start page."""

    def __init__(
        self, *, notebooks: Path, here: Path, log: str, port: int, say: Callable[[str], None], browse: bool
    ) -> None:
        """Set up without starting; `say` is told the address once it can be visited."""
        super().__init__(
            config=_configuration(notebooks),
            root_dir=str(notebooks),
            port=port,
            auto_token=True,
            config_file_paths=[],
            log_level=logging.ERROR,
            tornado_settings={"allow_remote_access": False, "local_hostnames": ["localhost"]},
        )
        self._pages = {"notebooks": notebooks, "here": here, "log": log}
        self._say, self._browse = say, browse

    def setup_template_dirs(self) -> None:
        """Put our templates in front of Voila's."""
        super().setup_template_dirs()
        self.template_paths.insert(0, str(_HOME / "templates"))

    def init_handlers(self) -> list[Any]:
        """Return the pages, ours in place of Voila's."""
        pages = {**self._pages, "voila_configuration": self.voila_configuration}
        own = [
            (self.server_url, StartPage, pages),
            (f"{self.server_url}open", OpenPage, pages),
            (f"{self.server_url}app/static/(.*)", StaticFileHandler, {"path": str(_HOME / "static")}),
            (f"{self.server_url}app/patience/(.*)", StaticFileHandler, {"path": str(_PATIENCE)}),
        ]
        theirs = [handler for handler in super().init_handlers() if handler[1] not in _REPLACED]
        return own + [
            (handler[0], DashboardPage, *handler[2:]) if handler[1] is TornadoVoilaHandler else handler
            for handler in theirs
        ]

    def launch_browser(self) -> None:
        """Say where the start page is, and open it if wanted."""
        address = f"{self.connection_url}?token={self.identity_provider.token}"
        self._say(f"The dashboards are at {address}\nCtrl-C ends them.")
        if self._browse:
            webbrowser.open(address)


def run_app(*, log: str | None, port: int, browse: bool, say: Callable[[str], None]) -> int:
    """Serve the notebooks as dashboards until interrupted; returns the exit status.

    Args:
        log: The log that stands on the start page at first; None: the sample log.
        port: Where to listen; where it is taken, a free one near it.
        browse: Whether to open a browser.
        say: Is told the address.
    """
    here = Path.cwd()
    server = DashboardServer(
        notebooks=notebooks_folder(here) or packed_notebooks(),
        here=here,
        log=str(Path(log).resolve()) if log else "",
        port=port,
        say=say,
        browse=browse,
    )
    server.initialize([])
    server.start()
    return 0


def _configuration(notebooks: Path) -> Config:
    return Config(
        VoilaConfiguration={
            "prelaunch_hook": prepared(notebooks),
            "page_config_hook": _without_network,
            "multi_kernel_manager_class": DashboardKernels,
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "progressive_rendering": True,
            "show_tracebacks": True,
        },
    )


def _without_network(page_config: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Leave out the typesetter of formulas, which is fetched from elsewhere as soon as a page opens."""
    return {**page_config, "fullMathjaxUrl": ""}
