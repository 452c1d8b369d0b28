"""The benchmarks there are: modules of this folder with `def run(quick: bool) -> list[Figure]`.

A module is a benchmark by defining `run`; it is listed with the first line of its docstring, read without importing it,
so that the list is quick and one benchmark's imports cannot break another's.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from bench.figure import Figure
from circuit_atlas.errors import AtlasError

Run = Callable[[bool], list[Figure]]


class UnknownBenchmarkError(AtlasError):
    """No benchmark has that name; the message lists those there are."""


def benchmarks() -> Mapping[str, str]:
    """Return each benchmark's name with the first line of its docstring, by name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in module.body):
            found[path.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return found


def load(name: str) -> Run:
    """Return the `run` of a benchmark.

    Raises:
        UnknownBenchmarkError: there is none of that name.

    """
    known = benchmarks()
    if name not in known:
        raise UnknownBenchmarkError(f"there is no benchmark {name!r}: choose one of {', '.join([*known, 'all'])}")
    return cast(Run, importlib.import_module(f"bench.{name}").run)
