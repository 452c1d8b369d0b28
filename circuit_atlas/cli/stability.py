"""`circuit-atlas stability`: what of a circuit stays when other examples are drawn, or other settings taken."""

from __future__ import annotations

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
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, print_table, records
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.analysis.stability import Stability


class Table(StrEnum):
    """Which table."""

    NODES = "nodes"
    EDGES = "edges"
    VIEWS = "views"


CircuitsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CIRCUIT...",
        help="Circuits of one task, each by its name, its task, or a unique start of its name: the settings compared.",
    ),
]
ThresholdOption = Annotated[
    list[float] | None,
    typer.Option(
        "--threshold",
        callback=finite,
        min=0,
        help="Node threshold, given once or several times: each makes a view of every circuit (units of the metric). "
        "Without it, what is stored.",
    ),
]
SizeOption = Annotated[
    list[int] | None,
    typer.Option(
        "--size", min=1, help="In its place, a number of nodes, once or several times: for metrics of other units."
    ),
]
EdgeThresholdOption = Annotated[
    float,
    typer.Option(
        "--edge-threshold", callback=finite, min=0, help="Edges of larger absolute weight only (units of the metric)."
    ),
]
ResamplesOption = Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap samples of the items.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the drawing.")]
StableOption = Annotated[
    float,
    typer.Option(
        "--stable-share", callback=finite, help="Share of the resamples to survive so as to be stably in a view."
    ),
]
CoreOption = Annotated[
    float,
    typer.Option("--core-share", callback=finite, help="Share of the views to be stably in so as to be core; 1: all."),
]
TableOption = Annotated[
    Table | None, typer.Option("--table", help="One table in whole: nodes, edges or views. Without it, the chief rows.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many units of each standing are shown.")]
WriteOption = Annotated[
    bool,
    typer.Option("--write", help="Write stability and standing to the circuits, as properties to query by."),
]

_SHOWN = ("node", "effect", "n_views", "present", "stability", "least")


def stability(
    circuits: CircuitsArgument,
    threshold: ThresholdOption = None,
    size: SizeOption = None,
    edge_threshold: EdgeThresholdOption = 0.0,
    resamples: ResamplesOption = 2000,
    seed: SeedOption = 0,
    stable_share: StableOption = 0.9,
    core_share: CoreOption = 1.0,
    table: TableOption = None,
    limit: LimitOption = 8,
    write: WriteOption = False,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Say what stays with other examples or settings.

    A view is a circuit at a threshold. A unit survives a resample of the items where its mean effect keeps its sign
    and exceeds the threshold, and is stably in a view where it survives in at least --stable-share of them. It is
    core where it is stably in all views (or --core-share of them), contingent where in some, noise where in none.
    Edges are judged alike where discover kept their weights on every example (--edge-values examples).
    """
    from circuit_atlas.analysis import stability as ask

    chosen = choose_format(form, output)
    if table is None and (chosen is not Format.TABLE or output is not None):
        raise QueryError("a table in a file or for a program needs one --table, such as nodes")
    with (change_store if write else read_store)(store, database) as place:
        noted = NotedStore(place)
        found = ask.stability(
            noted,
            circuits,
            thresholds=threshold or (),
            sizes=size or (),
            edge_threshold=edge_threshold,
            resamples=resamples,
            seed=seed,
            stable_share=stable_share,
            core_share=core_share,
        )
        if write:
            ask.write_stability(place, found)
    if table is None:
        _overview(found, limit)
    else:
        frame = {Table.NODES: found.nodes, Table.EDGES: found.edges, Table.VIEWS: found.views}[table]
        emit([str(name) for name in frame.columns], records(frame), chosen, output)
    if write:
        typer.echo(f"wrote stability and standing of {len(found.circuit_changes)} circuits to {place.url}", err=True)
    if show_cypher:
        say_cypher(noted)


def _overview(found: Stability, limit: int) -> None:
    print_frame(found.views)
    for title, frame in (("nodes", found.nodes), ("edges", found.edges)):
        counts = frame["standing"].value_counts()
        rows = [{"standing": name, "n": int(counts.get(name, 0))} for name in ("core", "contingent", "noise")]
        typer.echo(f"\n{title}")
        if len(frame) and frame["standing"].isna().all():
            typer.echo("  their values on every example were not kept: discover with --edge-values examples")
        else:
            print_table(("standing", "n"), rows)
    for name in ("core", "contingent", "noise"):
        _strongest(found.nodes[found.nodes["standing"] == name], name, limit)


def _strongest(nodes: pd.DataFrame, standing: str, limit: int) -> None:
    if len(nodes):
        typer.echo(f"\n{standing}" + (f", the strongest {limit}" if len(nodes) > limit else ""))
        print_frame(nodes.head(limit), _SHOWN)
