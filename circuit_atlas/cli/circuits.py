"""`circuit-atlas circuits`: what the store holds."""

from __future__ import annotations

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.options import DatabaseOption, FormatOption, OutputOption, StoreOption, VersionOption, read_store
from circuit_atlas.cli.output import Format, choose_format, emit

SHOWN = (
    "name",
    "task",
    "model",
    "suite",
    "method",
    "positions",
    "n_examples",
    "n_nodes",
    "n_edges",
    "accuracy",
    "measured_nodes",
    "faithfulness",
)
"""Columns that a person's table has; every other format has them all."""


def circuits(
    form: FormatOption = None,
    output: OutputOption = None,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """List the circuits of a store, their sizes and faithfulness.

    Faithfulness is that of the largest node set measured (measured_nodes units, errors as the circuit says): 1 is the
    whole model, 0 the model with everything ablated. `show CIRCUIT` has the other sizes.
    """
    chosen = choose_format(form, output)
    with read_store(store, database) as place:
        columns, rows = ask(place, "circuits")
        if not rows and chosen is Format.TABLE:
            typer.echo(f"{place.url} holds no circuits yet; make some with circuit-atlas demo or discover", err=True)
            return
        emit(SHOWN if chosen is Format.TABLE else columns, rows, chosen, output)
