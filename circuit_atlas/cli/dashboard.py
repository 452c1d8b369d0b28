"""`circuit-atlas dashboard`: the page, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, read_store
from circuit_atlas.errors import SettingsError

PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of this machine to serve the page on.")]
BrowserOption = Annotated[bool, typer.Option("--no-browser", help="Serve the page and open no browser.")]
PAGE = "circuit_atlas.dashboard.page"


def dashboard(
    port: PortOption = 8501,
    no_browser: BrowserOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Open the page that lists circuits and draws them.

    It is served on this machine alone (127.0.0.1) until Ctrl-C; nothing is loaded from elsewhere, nothing is sent.
    """
    with read_store(store, database) as place:
        url = place.url
    page = find_spec(PAGE)
    if page is None or page.origin is None:
        raise SettingsError(f"the page {PAGE} is not installed; install circuit-atlas again")
    options = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "server.headless": str(no_browser).lower(),
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    environment = os.environ | {"CIRCUIT_ATLAS_STORE": url} | ({"CIRCUIT_ATLAS_DATABASE": database} if database else {})
    command = [sys.executable, "-m", "streamlit", "run", page.origin, *flags]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise SettingsError(f"the page ended with exit code {code}; what streamlit said stands above")
