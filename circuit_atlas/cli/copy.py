"""`circuit-atlas copy`: circuits of one store into another."""

from __future__ import annotations

from typing import Annotated

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.options import PLACES, VersionOption, change_store, read_store
from circuit_atlas.cli.reporting import reporter
from circuit_atlas.errors import SettingsError

SourceArgument = Annotated[str, typer.Argument(metavar="FROM", help=f"The store to read: {PLACES}.")]
TargetArgument = Annotated[
    str, typer.Argument(metavar="TO", help="The store to write, in the same forms; made where there is none.")
]
CircuitsOption = Annotated[
    list[str] | None,
    typer.Option("--circuit", "-c", metavar="CIRCUIT", help="Copy this circuit alone; may be given more than once."),
]
FromDatabaseOption = Annotated[
    str | None, typer.Option("--from-database", metavar="NAME", help="The database to read, where FROM is a Neo4j.")
]
ToDatabaseOption = Annotated[
    str | None, typer.Option("--to-database", metavar="NAME", help="The database to write, where TO is a Neo4j.")
]


def copy(
    context: typer.Context,
    source: SourceArgument,
    target: TargetArgument,
    circuit: CircuitsOption = None,
    from_database: FromDatabaseOption = None,
    to_database: ToDatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Copy circuits from one store into another.

    All of them, or those named. A circuit that is there already is replaced. Each is copied whole, in one transaction.

    \b
      circuit-atlas copy atlas.lbug neo4j://localhost:7687
      circuit-atlas copy atlas.lbug other.lbug --circuit agreement_simple --circuit ioi
    """
    from circuit_atlas.cypher.copy import copy as copy_circuits

    if context.obj is not None:
        raise SettingsError("copy names its stores as FROM and TO; leave --store out")
    with read_store(source, from_database) as origin:
        wanted = [ask(origin, "circuit", circuit=name).rows[0]["name"] for name in circuit] if circuit else None
        with change_store(target, to_database, create=True) as place:
            copied = copy_circuits(origin, place, wanted, reporter=reporter())
            typer.echo(f"copied {len(copied)} circuits from {origin.url} to {place.url}")
