"""`circuit-atlas dashboard`: the page, in a process of its own."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, read_store

PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of this machine to serve the page on.")]
BrowserOption = Annotated[bool, typer.Option("--no-browser", help="Serve the page and open no browser.")]


def dashboard(
    port: PortOption = 8501,
    no_browser: BrowserOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Open the page that lists circuits and draws one.

    It is served on this machine alone (127.0.0.1) until Ctrl-C; nothing is loaded from elsewhere, nothing is sent.
    """
    from circuit_atlas.dashboard import launch

    # Opened once here, so that a wrong store is one line in the terminal and not a page that fails.
    read_store(store, database).close()
    if database is not None:
        os.environ["NEO4J_DATABASE"] = database
    code = launch.run(store, port=port, open_browser=not no_browser)
    if code:
        raise launch.DashboardError(f"the page ended with exit code {code}; what its server said stands above")
