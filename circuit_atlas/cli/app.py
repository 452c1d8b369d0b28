"""All commands, in the order in which one meets them."""

from __future__ import annotations

import typer

from circuit_atlas.cli.check import check
from circuit_atlas.cli.circuits import circuits
from circuit_atlas.cli.combine import combine, sharing
from circuit_atlas.cli.communities import communities, families
from circuit_atlas.cli.compare import compare
from circuit_atlas.cli.copy import copy
from circuit_atlas.cli.curve import curve
from circuit_atlas.cli.dashboard import dashboard
from circuit_atlas.cli.delete import delete
from circuit_atlas.cli.demo import demo
from circuit_atlas.cli.discover import discover
from circuit_atlas.cli.exactness import exactness
from circuit_atlas.cli.hypotheses import hypotheses
from circuit_atlas.cli.measure import measure
from circuit_atlas.cli.models import models
from circuit_atlas.cli.options import RootStoreOption, VersionOption
from circuit_atlas.cli.overlap import overlap
from circuit_atlas.cli.query import query
from circuit_atlas.cli.show import show
from circuit_atlas.cli.stability import stability
from circuit_atlas.cli.structure import structure

# Plain help: the same on a terminal, in a pipe and in the docs; and rich's traceback would hide our one line.
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def root(context: typer.Context, store: RootStoreOption = None, version: VersionOption = False) -> None:
    """Every sparse feature circuit in one graph, asked in Cypher.

    \b
    Start with:
      circuit-atlas demo        finds the circuits of a model that is shipped (2-3 minutes)
      circuit-atlas circuits    lists them
      circuit-atlas query       lists the questions that have a name

    Results go to standard output, progress and messages to standard error. An error is one line and exit code 2;
    CIRCUIT_ATLAS_DEBUG=1 shows where it came from. COMMAND --help explains each command.
    """
    context.obj = store


COMMANDS = (
    *(demo, models, discover, circuits, show, measure, curve, structure, query),
    *(compare, overlap, combine, sharing, communities, families),
    *(exactness, stability, hypotheses, copy, delete, check, dashboard),
)
for command in COMMANDS:
    app.command()(command)
