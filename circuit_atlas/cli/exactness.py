"""`circuit-atlas exactness`: how near effects and weights come to exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuit_atlas.cli.options import (
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    picture,
    read_store,
)
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, records
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd


class Of(StrEnum):
    """What is compared."""

    NODES = "nodes"
    EDGES = "edges"


class By(StrEnum):
    """What the table's rows are."""

    ALL = "all"
    DRAWN = "drawn"
    KIND = "kind"
    COMPONENT = "component"
    LAYER = "layer"
    SITES = "sites"
    DECILE = "decile"
    WORST = "worst"


CircuitsArgument = Annotated[
    list[str], typer.Argument(metavar="CIRCUIT...", help="Names of circuits, their tasks, or unique starts of names.")
]
OfOption = Annotated[Of, typer.Option("--of", help="Effects of nodes, or weights of edges.")]
ByOption = Annotated[
    By | None,
    typer.Option(
        "--by",
        help="What the rows are: all together; drawn (the strongest, and the sample); kind of the ends; component; "
        "layer; sites; decile of the absolute value; or the worst, one by one. Without it, the chief ones.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many of the worst are named.")]
ResamplesOption = Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap samples of each interval.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the resampling.")]
DrawOption = Annotated[
    Path | None,
    typer.Option(
        "--draw", metavar="FILE", callback=picture, help="Draw exact against approximate values too: PNG, SVG or PDF."
    ),
]
JointOption = Annotated[
    bool,
    typer.Option(
        "--joint",
        help="Instead: what ablating all of a circuit's units together did, where `measure` ran, beside sums of their "
        "effects by site and random circuits; --by sites for a row a site.",
    ),
]

OVERVIEW = {
    By.DRAWN: "the strongest, and a sample of the others",
    By.KIND: "by kind of the ends",
    By.DECILE: "by decile of the absolute approximate value (1: the largest)",
}
_NAMED = ("name", "approximate", "exact", "difference", "relative_error")


def exactness(
    circuits: CircuitsArgument,
    of: OfOption = Of.EDGES,
    by: ByOption = None,
    limit: LimitOption = 10,
    resamples: ResamplesOption = 2000,
    seed: SeedOption = 0,
    draw: DrawOption = None,
    joint: JointOption = False,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Say how near effects and weights come to exact ones.

    Compares effects of nodes, or weights of edges, with what an intervention on each alone gave: `discover
    --exact-nodes` and `--exact-edges` measure the strongest, `--exact-node-sample` and `--exact-sample` some of the
    others. The slope is that of exact on approximate values; relative errors are medians of |approximate - exact| /
    |exact|; intervals hold 95 %.

    --joint: what ablating all units of a circuit together does (change), ablating every unit there is (whole), random
    circuits (`measure --ablate-random`). Effects are summed by site; every path crosses a residual site (is_cut).

    \b
    Examples:
      circuit-atlas measure sva/nounpp --ablation patch --ablate-random
      circuit-atlas exactness sva/nounpp --joint
    """
    from circuit_atlas.analysis import exactness as ask
    from circuit_atlas.cli.joint import show_joint

    chosen = choose_format(form, output)
    if joint and draw is not None:
        raise QueryError("--joint is a table of its own; leave out --draw")
    if joint:
        with read_store(store, database) as place:
            noted = NotedStore(place)
            show_joint(noted, circuits, by, chosen, output, resamples=resamples, seed=seed)
        if show_cypher:
            say_cypher(noted)
        return
    if by is None and (chosen is not Format.TABLE or output is not None):
        raise QueryError("a table in a file or for a program needs one --by, such as all")
    with read_store(store, database) as place:
        noted = NotedStore(place)
        found = [ask.measured_points(noted, circuit, of.value) for circuit in circuits]
    if by is None:
        for points in found:
            _overview(points, limit, resamples, seed)
    else:
        tables = [ask.worst(one, limit) if by is By.WORST else _table(one, by, resamples, seed) for one in found]
        rows = [row for table in tables for row in records(table)]
        emit([str(name) for name in tables[0].columns], rows, chosen, output)
    if draw is not None:
        _draw(found, draw)
    if show_cypher:
        say_cypher(noted)


def _table(points: pd.DataFrame, by: By, resamples: int, seed: int) -> pd.DataFrame:
    from circuit_atlas.analysis.exactness import by_group

    return by_group(points, by.value, resamples=resamples, seed=seed)


def _overview(points: pd.DataFrame, limit: int, resamples: int, seed: int) -> None:
    from circuit_atlas.analysis.exactness import worst

    typer.echo(f"\n{points.attrs['circuit']}: {len(points)} {points.attrs['of']} measured by intervention")
    if points.attrs["note"]:
        typer.echo(points.attrs["note"])
    for by, title in OVERVIEW.items():
        typer.echo(f"\n{title}")
        print_frame(_table(points, by, resamples, seed).drop(columns="circuit"))
    typer.echo("\nthe largest differences")
    print_frame(worst(points, limit), _NAMED)


def _draw(circuits: Sequence[pd.DataFrame], path: Path) -> None:
    from circuit_atlas.analysis.plots import save
    from circuit_atlas.analysis.plots.exactness import draw_exactness

    save(draw_exactness(*circuits), path)
    typer.echo(f"drawn in {path}", err=True)
