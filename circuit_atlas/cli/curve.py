"""`circuit-atlas curve`: faithfulness of circuits over their size, as a table and as a picture."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.measure import CircuitsArgument, measure_all
from circuit_atlas.cli.options import (
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    change_store,
    finite,
    picture,
    read_store,
)
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, print_settings, records
from circuit_atlas.cli.quiet import silence_libraries
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.cli.undefined import say_undefined
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

DrawOption = Annotated[
    Path | None,
    typer.Option(
        "--draw", metavar="FILE", callback=picture, help="Draw the curves; PNG, SVG or PDF by the file's name."
    ),
]
MeasureOption = Annotated[
    bool, typer.Option("--measure", help="First measure the circuits, as `circuit-atlas measure` does without options.")
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        "--target",
        callback=finite,
        help="Faithfulness of which the smallest circuit measured is named. Without it: 0.8.",
    ),
]
ErrorsOption = Annotated[
    list[str] | None, typer.Option("--errors", help="Only this treatment of error units; repeatable. Without it: all.")
]
AblationOption = Annotated[
    str | None,
    typer.Option("--ablation", help="Only this ablation; all: every one measured. Without it: mean."),
]
OnTaskOption = Annotated[str, typer.Option("--task", metavar="TASK", help="Only what was measured on this task.")]
SensitivityOption = Annotated[
    bool,
    typer.Option(
        "--sensitivity",
        help="Instead: how much each choice, changed alone, moves faithfulness, of the node set nearest a quarter of "
        "the active units among those measured under several choices.",
    ),
]
EdgesOption = Annotated[
    bool, typer.Option("--edges", help="Instead: faithfulness of the strongest edges, where `measure --edges` ran.")
]
SHOWN = (
    "circuit", "task", "errors", "n_nodes", "share", "faithfulness", "low", "high", "without_errors", "n_random",
    "random_95", "completeness",
)  # fmt: skip


def curve(
    circuits: CircuitsArgument,
    draw: DrawOption = None,
    measure: MeasureOption = False,
    target: TargetOption = None,
    errors: ErrorsOption = None,
    ablation: AblationOption = None,
    task: OnTaskOption = "",
    sensitivity: SensitivityOption = False,
    edges: EdgesOption = False,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Show how faithful circuits are, size by size, and draw it.

    share is n_nodes over the units active on an average example; low and high are the 95 % bootstrap interval over
    distinct items; without_errors is the same circuit with every error unit ablated; random_95 the 95th percentile of
    n_random random circuits with the same errors (of 20 or fewer, a value between the two largest). Below the points,
    each curve without its thresholds: cpr and cmd (integrals of faithfulness and of its distance to 1 over the share
    kept, arXiv 2504.13151), log_area (mean faithfulness over the logarithm of the size), and the smallest circuit
    measured that reaches --target.

    \b
    Examples:
      circuit-atlas curve sva/nounpp sva/within_rc --measure --draw figure3.png
      circuit-atlas curve sva/nounpp --sensitivity
    """
    chosen = choose_format(form, output)
    if sensitivity and (edges or draw is not None):
        raise QueryError("--sensitivity is a table of its own; leave out --edges and --draw")
    if sensitivity:
        _refuse("--sensitivity", {"errors": errors, "ablation": ablation, "task": task, "target": target})
    if edges:
        _refuse("--edges", {"target": target})
    if measure:
        _measure(circuits, store, database)
    with read_store(store, database) as place:
        noted = NotedStore(place)
        if edges:
            table = _edges(noted, circuits, errors, _only(ablation, task))
        elif sensitivity:
            table = _sensitivity(noted, circuits)
        else:
            table = _curves(noted, circuits, errors, _only(ablation, task))
        if chosen is not Format.TABLE or output is not None:
            emit([str(name) for name in table.columns], records(table), chosen, output)
        elif edges:
            print_settings(table)
        elif sensitivity:
            print_frame(table)
        else:
            _say(table, 0.8 if target is None else target)
        if draw is not None:
            _draw(table, draw, edges=edges)
    if show_cypher:
        say_cypher(noted)


def _measure(circuits: list[str], store: str | None, database: str | None) -> None:
    silence_libraries()
    from circuit_atlas.ingest import MeasureSettings

    with change_store(store, database) as place:
        measure_all(place, [MeasureSettings(circuit=circuit) for circuit in circuits])


def _refuse(what: str, given: dict[str, Any]) -> None:
    """Refuse options that would change nothing."""
    for name, value in given.items():
        if value not in (None, "", []):
            raise QueryError(f"--{name} does not choose among the rows of {what}: leave it out")


def _only(ablation: str | None, task: str) -> dict[str, Any]:
    """Values that columns must have."""
    chosen = {} if ablation == "all" else {"ablation": ablation or "mean"}
    return chosen | ({"task": task} if task else {})


def _curves(store: NotedStore, circuits: list[str], errors: list[str] | None, only: dict[str, Any]) -> pd.DataFrame:
    from circuit_atlas.analysis import faithfulness_curves
    from circuit_atlas.analysis.curves import of_errors

    table = faithfulness_curves(store, circuits, **only)
    if not errors:
        return table
    found = of_errors(table, errors)
    if found.empty:
        raise QueryError(f"nothing was measured with errors {' or '.join(errors)}: {_again(circuits, errors)}")
    return found


def _again(circuits: list[str], errors: list[str]) -> str:
    """Say how to measure circuits under treatments of errors."""
    options = [word for one in errors for word in ("--errors", one)]
    return f"run `{shlex.join(['circuit-atlas', 'measure', *circuits, *options])}` first"


def _sensitivity(store: NotedStore, circuits: list[str]) -> pd.DataFrame:
    from circuit_atlas.analysis import sensitivity

    if len(circuits) > 1:
        raise QueryError("--sensitivity is of one circuit; name one")
    return sensitivity(store, circuits[0])


def _edges(store: NotedStore, circuits: list[str], errors: list[str] | None, only: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from circuit_atlas.analysis import edge_curve

    table = pd.concat([edge_curve(store, circuit, **only) for circuit in circuits], ignore_index=True)
    if errors:
        table = table[table["errors"].isin(errors)]
        if table.empty:
            way = "they are measured with errors default and remove alone"
            raise QueryError(f"no edges were measured with errors {' or '.join(errors)}: {way}")
    return table


def _draw(table: pd.DataFrame, path: Path, *, edges: bool) -> None:
    from circuit_atlas.analysis.plots import draw_curves, draw_edge_curves, save

    save(draw_edge_curves(table) if edges else draw_curves(table), path)
    typer.echo(f"\ndrew {path}", err=True)


def _say(table: pd.DataFrame, target: float) -> None:
    from circuit_atlas.analysis import summarise_curves

    print_settings(table, SHOWN)
    say_undefined(table["faithfulness"])
    typer.echo()
    summary = summarise_curves(table, target)
    named = ("circuit", "task", "errors", "points", "to_share", "cpr", "cmd", "log_area", "target_nodes")
    print_settings(summary, named)
