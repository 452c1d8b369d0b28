"""Options that every command shares, and the store they name."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuit_atlas._version import __version__
from circuit_atlas.cli.output import Format

if TYPE_CHECKING:
    from circuit_atlas.cypher import Store
    from circuit_atlas.cypher.base import GraphStore

PLACES = "ladybug:PATH, a plain path, neo4j://HOST:PORT, bolt://HOST:PORT or neo4j+s://HOST:PORT"


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"circuit-atlas {__version__}")
        raise typer.Exit


def _or_given_before(context: typer.Context, value: str | None) -> str | None:
    """Take the `--store` written before the command where the command has none of its own."""
    return context.obj if value is None else value


def picture(path: Path | None) -> Path | None:
    """Refuse what is no picture by its name, for options that take one."""
    if path is None:
        return None
    from circuit_atlas.analysis.plots.style import require_picture

    return require_picture(path)


def finite(value: float | list[float] | None) -> float | list[float] | None:
    """Refuse what is no finite number, for options that take one: nan is neither above nor below anything."""
    for one in value if isinstance(value, list) else [value]:
        if one is not None and not math.isfinite(one):
            raise typer.BadParameter(f"{one}; give a finite number")
    return value


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
]

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="STORE",
        callback=_or_given_before,
        help=f"Where the graph is: {PLACES}. Without it: CIRCUIT_ATLAS_STORE, else ./atlas.lbug. Neo4j's user and "
        "password come from NEO4J_USERNAME and NEO4J_PASSWORD, or from the URL.",
    ),
]

RootStoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="STORE", help=f"Where the graph is: {PLACES}. May stand after the command too."),
]

DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", metavar="NAME", help="Neo4j only: the database, where not the default."),
]

CircuitArgument = Annotated[
    str, typer.Argument(metavar="CIRCUIT", help="A circuit's name, its task, or a unique start of its name.")
]

FormatOption = Annotated[
    Format | None,
    typer.Option("--format", "-f", help="How to write the result; without it as FILE ends, else a table."),
]

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file, whole or not at all."),
]


def say_next(commands: Sequence[Sequence[str]], store: Store, given: str | None) -> None:
    """Say which commands to type next, with the store where it was given (its password never)."""
    where = ["--store", store.url] if given else []
    typer.echo("\nnext:")
    for command in commands:
        typer.echo(f"  {shlex.join(['circuit-atlas', *command, *where])}")


def read_store(url: str | None, database: str | None) -> GraphStore:
    """Open a store that must be there, for reading."""
    from circuit_atlas.cypher import connect

    return connect(url, database=database, create=False, read_only=True)


def change_store(url: str | None, database: str | None, *, create: bool = False) -> GraphStore:
    """Open a store for writing; `create` makes one where there is none."""
    from circuit_atlas.cypher import connect

    return connect(url, database=database, create=create)
