"""Start a worker, listen to it, and end it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def worker(role: str, url: str, first: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own; it is killed (SIGKILL) at the end of the block."""
    command = [sys.executable, "-m", "tests.stores.worker", role, url, str(first)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(process: subprocess.Popen[str]) -> str:
    """The next line of a worker."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def drain(process: subprocess.Popen[str]) -> list[str]:
    """Everything that a killed worker said and nobody has read yet."""
    assert process.stdout is not None
    return process.stdout.read().splitlines()
