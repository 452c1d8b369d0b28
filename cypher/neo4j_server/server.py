"""Start a server in a folder of its own, wait until it answers, and stop it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import neo4j
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from circuit_atlas.cypher.neo4j_server.jars import ensure_jars
from circuit_atlas.errors import StoreError

USER = "neo4j"
GUARDED = 'exec 3<&0 </dev/null; (read -r _ <&3; kill $$) & exec 3<&-; exec "$@"'
"""Runs a command that ends when our end of its input is closed, which the kernel does even where we are killed."""

START_SECONDS = 90.0
STOP_SECONDS = 30.0

SETTINGS = """\
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size=256m
dbms.usage_report.enabled=false
dbms.security.auth_minimum_password_length=1
"""


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Neo4jServer:
    """A server with a password, in the foreground of a `with` block; its data stays in the folder.

    Args:
        folder: home of the server; data, settings and logs go beneath it.
        password: of the user `neo4j`; a folder keeps the one it was made with.
        port: where it listens for bolt on this machine; 0: a free one.

    """

    def __init__(self, folder: Path, password: str, port: int = 0) -> None:
        self.folder = folder.resolve()
        self.password = password
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address without the password."""
        return f"bolt://127.0.0.1:{self.port}"

    @property
    def url_with_password(self) -> str:
        """Address with user and password, as `connect` takes it."""
        return f"bolt://{USER}:{self.password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and return once it answers.

        Raises:
            StoreError: the jars cannot be had, the server stops at once, or its data has another password.

        """
        is_new = not (self.folder / "data" / "databases").exists()
        jars = ensure_jars()
        for name in ("conf", "data", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "conf" / "neo4j.conf").write_text(SETTINGS.format(port=self.port), encoding="utf-8")
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", GUARDED, "sh", *self._command(jars)],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(is_new=is_new)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def wait(self) -> None:
        """Return when the server ends by itself."""
        if self._process is not None:
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _console(self) -> Path:
        return self.folder / "logs" / "console.log"

    def _command(self, jars: Path) -> Sequence[str]:
        opened = (
            f"--add-opens=java.base/{package}=ALL-UNNAMED"
            for package in ("java.nio", "java.io", "sun.nio.ch", "java.lang")
        )
        return [
            "java", "-Xms256m", "-Xmx1g", "-cp", f"{jars}/*", *opened, "org.neo4j.server.CommunityEntryPoint",
            f"--home-dir={self.folder}", f"--config-dir={self.folder / 'conf'}", "--console-mode",
        ]  # fmt: skip

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):  # what guards it too
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _wait(self, *, is_new: bool) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process is None or self._process.poll() is not None:
                raise StoreError(f"Neo4j did not start: {self._last_words()} (see {self._console})")
            if time.monotonic() > deadline:
                raise StoreError(f"Neo4j did not answer within {START_SECONDS:.0f} s (see {self._console})")
            time.sleep(0.1)
        while not self._answers(is_new=is_new):
            if time.monotonic() > deadline:
                raise StoreError(f"Neo4j did not answer within {START_SECONDS:.0f} s (see {self._console})")
            time.sleep(0.2)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _answers(self, *, is_new: bool) -> bool:
        try:
            if is_new:
                self._set_password()
            with neo4j.GraphDatabase.driver(self.url, auth=(USER, self.password)) as driver:
                driver.execute_query("RETURN 1")
        except AuthError:
            if is_new:  # the initial user appears a moment after the port does
                return False
            raise StoreError(f"the data in {self.folder} has another password than the one given") from None
        except (DriverError, Neo4jError):
            return False
        return True

    def _set_password(self) -> None:
        try:
            with (
                neo4j.GraphDatabase.driver(self.url, auth=(USER, "neo4j")) as driver,
                driver.session(database="system") as session,
            ):
                session.run("ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $new", new=self.password).consume()
        except AuthError:
            return  # set already, in an earlier attempt

    def _last_words(self) -> str:
        lines = self._console.read_text(encoding="utf-8", errors="replace").split(os.linesep)
        wrong = (
            [line for line in lines if "ERROR" in line] or [line for line in lines if line.strip()] or ["no message"]
        )
        return wrong[0][:300]
