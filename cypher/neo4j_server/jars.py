"""The server's jars: fetched once by Maven into a cache outside the clone, then reused."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from circuit_atlas.errors import StoreError

VERSION = "5.26.30"
POM = Path(__file__).with_name("pom.xml")


def jars_folder() -> Path:
    """Where the jars are kept: under XDG_CACHE_HOME, else ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "circuit-atlas" / f"neo4j-{VERSION}"


def ensure_jars() -> Path:
    """Return the folder of the jars, fetching them (120 MB) where they are not there yet.

    Raises:
        StoreError: Java or Maven is missing, or Maven cannot fetch them.

    """
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise StoreError(f"Neo4j needs {tool}, which is missing: apt-get install openjdk-17-jre-headless maven")
    folder = jars_folder()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # One process at a time: Maven's own repository is not made for several.
        with folder.with_name(f".{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as fresh:
                    _fetch(Path(fresh) / "jars")
                    # Renamed whole, so that nobody ever sees half a folder.
                    (Path(fresh) / "jars").rename(folder)
    return folder


def _fetch(into: Path) -> None:
    command = [
        "mvn", "-q", "-B", "-f", str(POM), f"-Dneo4j.version={VERSION}",
        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={into}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no message"]
        raise StoreError(f"Maven cannot fetch Neo4j {VERSION}: {lines[0]}")
