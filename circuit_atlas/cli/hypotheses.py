"""`circuit-atlas hypotheses`: does a circuit do what the model does, is the rest idle, is every unit needed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from circuit_atlas.cli.options import (
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    change_store,
    finite,
    read_store,
)
from circuit_atlas.cli.output import Format, choose_format, emit, print_settings, records
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store


class Hypothesis(StrEnum):
    """What is tested."""

    EQUIVALENCE = "equivalence"
    INDEPENDENCE = "independence"
    MINIMALITY = "minimality"


CircuitsArgument = Annotated[
    list[str],
    typer.Argument(metavar="CIRCUIT...", help="Names of circuits, their tasks, or unique starts of names."),
]
OfOption = Annotated[
    Hypothesis | None,
    typer.Option("--of", help="One test: equivalence, independence or minimality. Without it, all that can be made."),
]
MarginShareOption = Annotated[
    float | None,
    typer.Option(
        "--margin-share",
        callback=finite,
        help="Margin of equivalence as a share of m(model) - m(nothing). Without it: 0.1.",
    ),
]
MarginOption = Annotated[
    float | None, typer.Option("--margin", callback=finite, help="In its place, the margin in units of the metric.")
]
AlphaOption = Annotated[
    float,
    typer.Option(
        "--alpha", callback=finite, help="False discovery rate up to which a row counts, over all rows of a table."
    ),
]
LeaveOutOption = Annotated[
    float | None,
    typer.Option(
        "--leave-out",
        callback=finite,
        min=0,
        metavar="THRESHOLD",
        help="First run the model with the nodes of larger absolute effect, leaving out each in turn, and store that: "
        "what minimality is tested on.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many rows of minimality a table shows.")]


def hypotheses(
    circuits: CircuitsArgument,
    of: OfOption = None,
    margin_share: MarginShareOption = None,
    margin: MarginOption = None,
    alpha: AlphaOption = 0.05,
    leave_out: LeaveOutOption = None,
    limit: LimitOption = 20,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Test circuits on what was measured of them.

    \b
    equivalence   the circuit does what the model does: two one-sided tests within the margin
    independence  whether what is left without it carries anything: a two-sided test against nothing
    minimality    each unit is needed: leaving it out hurts, one-sided (needs --leave-out once)

    Tests are paired, on the metric of every example. Standard errors are over distinct items; q-values hold the false
    discovery rate over the rows of a table.
    """
    chosen = choose_format(form, output)
    if of is None and (chosen is not Format.TABLE or output is not None):
        raise QueryError("a table in a file or for a program needs one --of, such as equivalence")
    if margin is not None and margin_share is not None:
        raise QueryError("--margin and --margin-share both say how far off is equivalent: give one of them")
    with (read_store if leave_out is None else change_store)(store, database) as place:
        noted = NotedStore(place)
        if leave_out is not None:
            _leave_out(place, circuits, leave_out)
        tables = {
            one: _table(noted, circuits, one, 0.1 if margin_share is None else margin_share, margin, alpha)
            for one in ([of] if of else _possible(noted, circuits))
        }
    for one, table in tables.items():
        if of is None:
            typer.echo(f"\n{one.value}")
            print_settings(table.head(limit) if one is Hypothesis.MINIMALITY else table)
        else:
            emit([str(name) for name in table.columns], records(table), chosen, output)
    if show_cypher:
        say_cypher(noted)


def _possible(store: Store, circuits: Sequence[str]) -> list[Hypothesis]:
    """Return every test, minimality only where all circuits have removals."""
    has = all((store.query("measurement_items", circuit=name)["kind"] == "removal").any() for name in circuits)
    return [one for one in Hypothesis if has or one is not Hypothesis.MINIMALITY]


def _table(
    store: Store, circuits: Sequence[str], of: Hypothesis, margin_share: float, margin: float | None, alpha: float
) -> pd.DataFrame:
    from circuit_atlas.analysis import hypotheses as ask

    match of:
        case Hypothesis.EQUIVALENCE:
            return ask.equivalence(store, circuits, margin_share=margin_share, margin=margin, alpha=alpha)
        case Hypothesis.INDEPENDENCE:
            return ask.independence(store, circuits, alpha=alpha)
        case Hypothesis.MINIMALITY:
            return ask.minimality(store, circuits, alpha=alpha)


def _leave_out(store: Store, circuits: Sequence[str], threshold: float) -> None:
    from circuit_atlas.cli.quiet import silence_libraries
    from circuit_atlas.cli.reporting import reporter

    silence_libraries()
    from circuit_atlas.ingest import MeasureSettings, measure_removals
    from circuit_atlas.ingest.measuring.layout import Loader

    loader = Loader()
    for name in circuits:
        settings = MeasureSettings(circuit=name, thresholds=(threshold,))
        found = measure_removals(store, settings, reporter=reporter(), load_subject=loader)
        typer.echo(f"left out each of {len(found.rows) - 1} units of {found.circuit} on {found.task}", err=True)
