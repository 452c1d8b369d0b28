"""Start the page in a process of its own: `circuit-atlas dashboard` is this.

The server listens on this machine alone, sends no usage statistics, and watches no files.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from circuit_atlas.errors import AtlasError

HOST = "127.0.0.1"
_PATIENCE = 60.0
"""Seconds the server may take to start; a cold start reads many files."""

_SETTINGS: Mapping[str, str] = {
    "server.address": HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "browser.serverAddress": HOST,
    "client.toolbarMode": "viewer",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "theme.base": "light",
    "theme.primaryColor": "#0072B2",
}


class DashboardError(AtlasError):
    """The page cannot be served."""


def command(port: int) -> list[str]:
    """The command that serves the page on a port; `-P` keeps the folder it is called from out of the imports."""
    script = Path(__file__).with_name("app.py")
    settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "server.port": str(port)}.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(script), *settings]


def run(store_url: str | None, port: int = 8501, open_browser: bool = True) -> int:
    """Serve the page of a store until it is stopped (Ctrl-C), and return the exit code.

    Args:
        store_url: the store; None for CIRCUIT_ATLAS_STORE, else the default one. It is handed over in the
            environment, where other users of the machine cannot read a password in it.
        port: port on this machine.
        open_browser: whether to open the page in the browser once it answers.

    Raises:
        DashboardError: the port is taken, or the server ends before it answers.

    """
    _refuse_taken(port)
    environment = {**os.environ, **({"CIRCUIT_ATLAS_STORE": store_url} if store_url else {})}
    with _termination_as_interrupt():
        process = subprocess.Popen(command(port), env=environment)
        try:
            _wait_until_it_answers(process, port)
            if open_browser:
                webbrowser.open(f"http://{HOST}:{port}")
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(process)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C meanwhile, so that the server never outlives us (in the main thread alone)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # As the server does, so that a port is not called taken by connections that are closing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise DashboardError(
                f"the dashboard cannot listen on port {port} of {HOST} ({error}): choose another with --port"
            ) from None


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    # Never through a proxy: the page is on this machine.
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise DashboardError(f"the dashboard's server ended with code {process.returncode} before it answered")
        try:
            with opener.open(f"http://{HOST}:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise DashboardError(f"the dashboard's server did not answer on port {port} within {_PATIENCE:.0f} seconds")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
