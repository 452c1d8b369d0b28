"""`circuit-atlas check`: is the store what the schema says?"""

from __future__ import annotations

import typer

from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, read_store
from circuit_atlas.errors import StoreError


def check(store: StoreOption = None, database: DatabaseOption = None, version: VersionOption = False) -> None:
    """Verify a store against the schema.

    Looks for nodes that hang on nothing, missing properties, duplicate keys, circuits without target. Prints one line
    a problem and leaves with exit code 2 where there are any.
    """
    with read_store(store, database) as place:
        problems = place.check()
        for problem in problems:
            typer.echo(problem)
        if problems:
            raise StoreError(f"{place.url} does not fit the schema: {len(problems)} problems, listed above")
        typer.echo(f"{place.url} is sound")
