"""The page as users start it: in a process of its own, on a free port of this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

_START = """
import sys
from circuit_atlas.dashboard.launch import run
sys.exit(run(sys.argv[1], int(sys.argv[2]), False))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(store_url: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        command = [sys.executable, "-c", _START, store_url, str(port)]
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)


def wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path, patience: float = 60.0) -> None:
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + patience
    while time.monotonic() < until and process.poll() is None:
        try:
            with opener.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the page did not come up:\n{log.read_text()}")


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=20)


@contextmanager
def served(store_url: str, folder: Path) -> Iterator[str]:
    """Serve the page of a store; gives its address, and expects the server to end when its starter is ended."""
    port, log = free_port(), folder / "server.log"
    process = start(store_url, port, log)
    try:
        wait_until_up(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        code = stop(process)
    assert code == 0, log.read_text()
    assert not listens(port)
