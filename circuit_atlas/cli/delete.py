"""`circuit-atlas delete`: one circuit less."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.options import CircuitArgument, DatabaseOption, StoreOption, VersionOption, change_store
from circuit_atlas.errors import SettingsError

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")]


def delete(
    circuit: CircuitArgument,
    yes: YesOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Remove one circuit from a store.

    Its nodes, edges and measurements go with it, in one transaction. Features, dictionaries and the model stay, for
    other circuits use them.
    """
    with change_store(store, database) as place:
        found = ask(place, "circuit", circuit=circuit).rows[0]
        if not yes:
            _confirm(f"{found['name']} ({found['n_nodes']} nodes, {found['n_edges']} edges) from {place.url}")
        place.delete_circuit(found["id"])
        typer.echo(f"deleted {found['name']}")


def _confirm(what: str) -> None:
    if not sys.stdin.isatty():
        raise SettingsError(f"nobody is there to ask whether to delete {what}; give --yes where it is meant")
    if not typer.confirm(f"Delete {what}?", err=True):
        raise typer.Exit
