"""The repository's own files, as tests of its form read them."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("ingest", "cypher", "analysis", "dashboard")
"""Top-level folders that are installed inside the package."""

_MODULE = re.compile(r"circuit_atlas(\.\w+)+")


@cache
def tracked() -> tuple[str, ...]:
    """Return the paths of all files under version control, and of those that are about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return tuple(path for path in sorted(set(listed.stdout.splitlines())) if (ROOT / path).is_file())


def python_files(*folders: str) -> list[str]:
    """Return the tracked Python files, of some top-level folders or of all."""
    files = [path for path in tracked() if path.endswith(".py")]
    return [path for path in files if not folders or path.partition("/")[0] in folders]


def parse(path: str) -> ast.Module:
    """Return the syntax tree of a tracked file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def module_name(path: str) -> str:
    """Return the name under which a tracked file is imported."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(["circuit_atlas", *parts] if parts[0] in MAPPED else parts)


def imports(path: str) -> Iterator[str]:
    """Yield the dotted names that a file imports, absolute; a name in a string, as for `import_module`, counts too."""
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            yield node.value
