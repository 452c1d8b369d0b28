"""The folders are the architecture: `ingest → cypher ← analysis ← dashboard`, and torch in ingest alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from tests.source_tree import MAPPED, ROOT, imports, module_name, parse, python_files, tracked

MAY_IMPORT = {
    "cypher": {"cypher"},
    "ingest": {"ingest", "cypher"},
    "analysis": {"analysis", "cypher"},
    "dashboard": {"dashboard", "analysis", "cypher"},
}
FOR_ALL = {"errors", "progress", "_version"}
"""Modules of `circuit_atlas` itself that every folder may import."""

RUNS_MODELS = {"torch", "transformer_lens", "sae_lens", "transformers"}
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
HOST = re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:org|com|net|io|dev|sh)\b", re.IGNORECASE)
MAY_NAME = {"www.w3.org", "purl.org", "creativecommons.org", "matplotlib.org", "semver.org", "example.org", "java.io"}
"""Namespaces of pictures, a standard, an example, and a module of Java: no package is fetched from any of them."""


@pytest.mark.parametrize("folder", MAPPED)
def test_a_folder_imports_only_along_the_arrows(folder: str) -> None:
    allowed = MAY_IMPORT[folder] | FOR_ALL
    for path in python_files(folder):
        parts = [name.split(".") for name in imports(path)]
        inner = {name[1] if len(name) > 1 else "" for name in parts if name[0] == "circuit_atlas"}
        assert inner <= allowed, f"{path} imports circuit_atlas.{sorted(inner - allowed)[0]}"


@pytest.mark.parametrize("folder", MAPPED)
def test_our_folders_are_imported_under_the_package(folder: str) -> None:
    for path in python_files():
        assert folder not in {name.partition(".")[0] for name in imports(path)}, f"{path} imports {folder} bare"


def test_only_ingest_runs_models() -> None:
    for path in python_files("cypher", "analysis", "dashboard"):
        used = {name.partition(".")[0] for name in imports(path)} & RUNS_MODELS
        assert not used, f"{path} imports {used}"


def test_importing_the_package_loads_neither_torch_nor_an_engine() -> None:
    loaded = _loaded_by(["circuit_atlas", "circuit_atlas.ingest.settings"])
    assert not loaded & (RUNS_MODELS | {"ladybug", "neo4j", "streamlit", "pandas"})


@pytest.mark.slow
def test_importing_graph_and_analysis_in_whole_loads_no_torch() -> None:
    modules = [module_name(path) for path in python_files("cypher", "analysis") if not path.endswith("__main__.py")]
    assert not _loaded_by(modules) & RUNS_MODELS


def test_the_distribution_names_every_package_once() -> None:
    folders = {path.rpartition("/")[0] for path in python_files("circuit_atlas", *MAPPED)}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert sorted(declared) == sorted(module_name(f"{folder}/__init__.py") for folder in folders)


def _loaded_by(modules: list[str]) -> set[str]:
    """Return the top-level names in `sys.modules` after a new Python imported `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("path", python_files())
def test_files_and_functions_are_short(path: str) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {length} lines"


def test_no_file_names_a_host_that_packages_could_come_from() -> None:
    for path in tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found = set(HOST.findall(content.decode(errors="replace"))) - MAY_NAME
            assert not found, f"{path} names {sorted(found)[0]}"
