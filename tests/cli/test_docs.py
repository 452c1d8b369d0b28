"""What the docs tell people to type exists: commands, options, queries, names of Python, pages."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import circuit_atlas
from circuit_atlas.cli.app import app
from circuit_atlas.cypher.library import load_library
from scripts.doc_output import commands
from tests.source_tree import MAPPED, parse, python_files

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS: dict[str, Any] = dict(typer.main.get_group(app).commands)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def typed(page: Path) -> list[list[str]]:
    """The words of every `circuit-atlas …` that a page shows in a block."""
    shown = [command for block in blocks(page, "console") for command in commands(block)]
    shown += [line for block in blocks(page, "") for line in block.splitlines() if line.lstrip().startswith("circuit-")]
    words = [shlex.split(command, comments=True) for command in shown]
    return [some[: some.index("|")] if "|" in some else some for some in words if some[0] == "circuit-atlas"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_typed_is_known(page: Path) -> None:
    for _, name, *rest in typed(page):
        assert name in COMMANDS, name
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
        used = {word.partition("=")[0] for word in rest if re.fullmatch(r"--?[a-z-]+(=.*)?", word)}
        assert used <= options, f"{name}: {used - options}"
        if name == "query" and rest and re.fullmatch(r"[a-z_]+", rest[0]):
            given = [word.partition("=")[0] for before, word in itertools.pairwise(rest) if before == "-p"]
            assert set(given) <= {param.name for param in load_library()[rest[0]].params}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_docs_is_python_with_names_that_exist(page: Path) -> None:
    indented = (block if block[0] != " " else f"if True:\n{block}" for block in blocks(page, "python"))
    for node in (node for block in indented for node in ast.walk(ast.parse(block))):
        match node:
            case ast.Attribute(value=ast.Name(id="circuit_atlas"), attr=name):
                assert hasattr(circuit_atlas, name)
            case ast.ImportFrom(module=str(module), names=names) if module.partition(".")[0] == "circuit_atlas":
                assert all(hasattr(importlib.import_module(module), name.name) for name in names)
            case ast.Call(func=ast.Attribute(attr="query"), args=[ast.Constant(value=str(name))], keywords=given):
                assert {keyword.arg for keyword in given} <= {param.name for param in load_library()[name].params}


@cache
def functions() -> dict[str, list[ast.arguments]]:
    """What the functions and methods of the package take, by name."""
    found: dict[str, list[ast.arguments]] = {}
    for path in python_files("circuit_atlas", *MAPPED):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node.args)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_functions_that_the_text_names_exist_with_these_arguments(page: Path) -> None:
    for name, arguments in re.findall(r"`(?:\w+\.)*(\w+)\(([^`]*)\)`", page.read_text(encoding="utf-8")):
        given = set(re.findall(r"(\w+)=", arguments))
        takes = [{one.arg for one in (*each.args, *each.kwonlyargs)} for each in functions().get(name, [])]
        free = [each.kwarg is not None for each in functions().get(name, [])]
        assert any(given <= known or anything for known, anything in zip(takes, free, strict=True)), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
