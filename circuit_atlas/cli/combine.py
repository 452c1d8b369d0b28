"""`circuit-atlas combine` and `sharing`: circuits made of circuits, and what they do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.measure import measure_all
from circuit_atlas.cli.options import (
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    change_store,
    finite,
    say_next,
)
from circuit_atlas.cli.output import Format, choose_format, emit, records
from circuit_atlas.cli.quiet import silence_libraries
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher

if TYPE_CHECKING:
    from circuit_atlas.cypher.base import GraphStore
    from circuit_atlas.ingest import MeasureSettings

AArgument = Annotated[str, typer.Argument(metavar="A", help="Name of the one circuit.")]
BArgument = Annotated[str, typer.Argument(metavar="B", help="Name of the other.")]
OperationOption = Annotated[
    str, typer.Option("--operation", help="What to make: intersection, difference (what A has and B has not) or union.")
]
LevelOption = Annotated[
    str, typer.Option("--level", help="Where two nodes count as the same: feature (positions pooled) or role.")
]
ThresholdOption = Annotated[
    float,
    typer.Option(
        "--node-threshold", callback=finite, min=0, help="Units of larger absolute pooled effect (units of the metric)."
    ),
]
FirstTokenOption = Annotated[
    str, typer.Option("--first-token", help="Nodes at the first token, before positions are pooled: keep or drop.")
]
NameOption = Annotated[str, typer.Option("--name", help="Name of the new circuit; else made of both.")]
UnrelatedOption = Annotated[
    list[str] | None,
    typer.Option("--unrelated", metavar="CIRCUIT", help="A circuit whose task should not care; repeatable."),
]
SizeOption = Annotated[int, typer.Option("--size", min=1, help="How many of the strongest units of each are taken.")]
RandomOption = Annotated[int, typer.Option("--random-circuits", min=0, help="Random circuits beside each.")]


def combine(
    a: AArgument,
    b: BArgument,
    operation: OperationOption = "intersection",
    level: LevelOption = "feature",
    node_threshold: ThresholdOption = 0.0,
    first_token: FirstTokenOption = "keep",
    name: NameOption = "",
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Make a circuit of two.

    What they share, what one has alone, or what either has. The new circuit is stored with its recipe, and is a
    circuit like any other: compare it, draw it, measure it on any task. Of an intersection a unit's effect is the
    smaller of both by size, of a union the larger, so that thresholds may come before or after.

    \b
    Example:
      circuit-atlas combine sva/nounpp sva/within_rc --name agreement
      circuit-atlas measure agreement --on sva/within_rc
    """
    from circuit_atlas.analysis.algebra import combine as make

    chosen: Any = {"operation": operation, "level": level, "first_token": first_token}
    with change_store(store, database) as place:
        noted = NotedStore(place)
        rows = make(noted, a=a, b=b, node_threshold=node_threshold, name=name, **chosen)
        place.write([rows])
        circuit = rows.nodes["Circuit"][0]
        typer.echo(f"wrote {circuit['name']} to {place.url}: {circuit['n_nodes']} nodes, {circuit['n_edges']} edges")
        for which, lost in zip((a, b), json.loads(circuit["settings"])["recipe"].get("without_role", ()), strict=False):
            if lost:
                typer.echo(f"left out: {lost} nodes of {which} that have no role")
        say_next([["show", circuit["name"]], ["measure", circuit["name"], "--on", b]], place, store)
    if show_cypher:
        say_cypher(noted)


def sharing(
    a: AArgument,
    b: BArgument,
    unrelated: UnrelatedOption = None,
    size: SizeOption = 200,
    random_circuits: RandomOption = 20,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Test whether two circuits share a mechanism.

    Keeps only what they share, and takes only that away: makes A∩B, A∖B, B∖A and A∪B of the strongest units of both
    (positions pooled), and measures these and the two themselves on both tasks and on unrelated ones, each unit at
    every position. kept is the faithfulness of the model with nothing else left; ablated what is left with it alone
    taken away; both beside random circuits with the same errors and as many features that are active on the task,
    about as often. Sharing predicts: A∩B kept serves both tasks, ablated neither, and unrelated tasks do not care:
    random_leaves_more, the share of random circuits that do less harm, is near 1 on the two and not on those. The
    circuits made carry the size in their names; asked again, they replace those of the same size, with what was
    measured of them.
    """
    chosen = choose_format(form, output)
    silence_libraries()
    from circuit_atlas.analysis import sharing_table
    from circuit_atlas.analysis.telling import told_apart
    from circuit_atlas.ingest import MeasureSettings

    with change_store(store, database) as place:
        noted = NotedStore(place)
        measured = _derive(noted, a, b, size)
        on = [str(noted.query("circuit", circuit=name)["name"].iloc[0]) for name in (a, b, *(unrelated or ()))]
        asked: list[MeasureSettings] = [
            MeasureSettings(
                circuit=name, on=task, thresholds=(threshold,), level="sum", random_circuits=random_circuits,
                ablate_random=True,
            )
            for name, threshold in measured
            for task in on
        ]  # fmt: skip
        measure_all(place, asked)
        tasks = [str(noted.query("circuit", circuit=name)["task"].iloc[0]) for name in on]
        table = sharing_table(noted, measured, tasks)
        names = [str(name) for name in table.columns]
        emit(told_apart(table, names) if chosen is Format.TABLE else names, records(table), chosen, output)
    if show_cypher:
        say_cypher(noted)


def _derive(store: GraphStore, a: str, b: str, size: int) -> list[tuple[str, float]]:
    """Write the derived circuits; names of all that is to be measured, with thresholds that leave what is meant."""
    from circuit_atlas.analysis.algebra import refuse_same, threshold_of_size
    from circuit_atlas.analysis.experiment import derive

    one, other = (str(store.query("circuit", circuit=name)["name"].iloc[0]) for name in (a, b))
    refuse_same(one, other)
    thresholds = threshold_of_size(store, one, size), threshold_of_size(store, other, size)
    made, old = derive(store, (one, other), thresholds, size)
    store.replace(old, made)
    names = [one, other, *(str(rows.nodes["Circuit"][0]["name"]) for rows in made)]
    return list(zip(names, (*thresholds, *(0.0 for _ in made)), strict=True))
