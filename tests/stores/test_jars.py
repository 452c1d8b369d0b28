"""Neo4j's jars are fetched once, whoever asks for them at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from circuit_atlas.cypher.neo4j_server.jars import VERSION
from tests.stores.processes import ROOT

ASK = "from circuit_atlas.cypher.neo4j_server.jars import ensure_jars; print(ensure_jars())"
MAVEN = """#!/bin/sh
# Takes its time, leaves one jar where it is told to, and a line beside itself.
echo fetched >> "$0.log"
sleep 1
for word in "$@"; do case "$word" in -DoutputDirectory=*) into="${word#*=}";; esac; done
mkdir -p "$into" && touch "$into/neo4j.jar"
"""


def test_processes_that_ask_at_once_fetch_once(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("mvn", MAVEN), ("java", "#!/bin/sh\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    place = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    asked = [
        subprocess.Popen([sys.executable, "-c", ASK], env=place, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    folder = tmp_path / "cache" / "circuit-atlas" / f"neo4j-{VERSION}"
    assert [one.communicate(timeout=60)[0].strip() for one in asked] == [str(folder)] * 3
    assert (tools / "mvn.log").read_text().splitlines() == ["fetched"]
    assert [file.name for file in folder.iterdir()] == ["neo4j.jar"]
