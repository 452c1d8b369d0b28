"""`circuit-atlas overlap`: how much every two circuits of a store share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, print_table, records
from circuit_atlas.cli.overlap_options import (
    Derived,
    DerivedOption,
    DrawsOption,
    EdgeThresholdOption,
    Level,
    LevelOption,
    NodeThresholdOption,
    SeedOption,
)
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.analysis import Overlap


class Of(StrEnum):
    """What is compared."""

    NODES = "nodes"
    EDGES = "edges"


class Measure(StrEnum):
    """What a cell of the matrix holds."""

    JACCARD = "jaccard"
    WEIGHTED_JACCARD = "weighted_jaccard"
    CONTAINMENT = "containment"
    WEIGHTED_CONTAINMENT = "weighted_containment"
    SAME_SIGN = "same_sign"
    RANK_CORRELATION = "rank_correlation"


OfOption = Annotated[Of, typer.Option("--of", help="Compare features, or edges between features.")]
MeasureOption = Annotated[
    Measure,
    typer.Option(
        "--measure",
        help="What a cell holds: number shared over number of either, or of the row's; weighted by absolute effect; "
        "share of the shared with the same sign; rank correlation over the shared.",
    ),
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size", min=1, help="Of each circuit so many features (or edges) only, the strongest; all where fewer."
    ),
]
NullOfAllOption = Annotated[
    bool | None,
    typer.Option(
        "--null/--no-null",
        help="Compare with what chance alone would make circuits share; without a word, where there are at most 2,000 "
        "pairs.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many pairs the table shows.")]
MatrixOption = Annotated[
    bool, typer.Option("--matrix", help="Write the matrix, a row a circuit, in place of a row a pair.")
]
DrawOption = Annotated[
    Path | None,
    typer.Option(
        "--draw",
        metavar="FILE",
        callback=picture,
        help="Draw matrix and dendrogram into this file (.png, .svg or .pdf).",
    ),
]

MOST = 30
"""Circuits up to which a table shows the matrix."""


def overlap(
    of: OfOption = Of.NODES,
    measure: MeasureOption = Measure.JACCARD,
    level: LevelOption = Level.FEATURE,
    node_threshold: NodeThresholdOption = 0.0,
    edge_threshold: EdgeThresholdOption = 0.0,
    size: SizeOption = None,
    null: NullOfAllOption = None,
    draws: DrawsOption = 2000,
    seed: SeedOption = 0,
    derived: DerivedOption = Derived.DROP,
    limit: LimitOption = 15,
    matrix: MatrixOption = False,
    draw: DrawOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Compare all circuits pair by pair.

    The matrix stands in the order of a clustering (average linkage), like beside like. Below it the pairs most alike:
    expected, z and p_value are those of the null, in which circuits choose features only by how often and how strongly
    they are active on their own data; q_value is the false discovery rate over all pairs (docs/overlap.md). Features at
    the first token of the input, errors and the target take no part. Pairs that cannot be compared at the level, such
    as those of different templates at level position, are left out, and said to be; so are circuits made of others.
    """
    from circuit_atlas import analysis

    chosen = choose_format(form, output)
    cut: dict[str, Any] = {"node_threshold": node_threshold, "edge_threshold": edge_threshold, "size": size}
    test: dict[str, Any] = {"null": null, "count": draws, "seed": seed, "derived": derived.value}
    with read_store(store, database) as place:
        noted = NotedStore(place)
        found = analysis.overlap(noted, level.value, of=of.value, measure=measure.value, **cut, **test)
        left_out = len(place.query("comparable", derived="keep")) - len(found.order)
    if draw is not None:
        from circuit_atlas.analysis.plots import draw_overlap

        typer.echo(f"drew {draw_overlap(found, draw)}", err=True)
    if chosen is Format.TABLE and output is None:
        _print(found, limit, matrix=matrix, asked=null)
        if left_out:
            typer.echo(f"left out: {left_out} circuits made of others; --derived keep compares them too")
    else:
        table = _as_table(found) if matrix else found.pairs
        emit([str(name) for name in table.columns], records(table), chosen, output)
    if show_cypher:
        say_cypher(noted)


def _print(found: Overlap, limit: int, *, matrix: bool, asked: bool | None) -> None:
    if matrix or len(found.order) <= MOST:
        _print_matrix(found)
        typer.echo()
    if left_out := found.pairs.attrs["left_out"]:
        typer.echo(f"pairs left out: {len(left_out)}; {left_out[0]}" + (" …" if len(left_out) > 1 else ""))
    if roleless := found.pairs.attrs["without_role"]:
        name, lost = next(iter(roleless.items()))
        more = f" (and others of {len(roleless) - 1} more circuits)" if len(roleless) > 1 else ""
        typer.echo(f"left out: {lost} nodes of {name} that have no role{more}")
    if not len(found.pairs):
        typer.echo("no two circuits are of the same model and dictionaries")
        return
    typer.echo(f"pairs: {len(found.pairs)}" + (f", the {limit} most alike" if len(found.pairs) > limit else ""))
    null = found.pairs.attrs["tested"]
    tested = ("expected", "z", "p_value", "q_value") if null else ()
    print_frame(found.pairs.head(limit), ("circuit_a", "circuit_b", "n_a", "n_b", "n_shared", "value", *tested))
    if not null and asked is None:
        typer.echo("so many pairs are compared with chance only where it is asked for: --null")
    if without := found.pairs.attrs["without_null"]:
        typer.echo(
            f"no null for {', '.join(without[:5])}{', …' if len(without) > 5 else ''}: stored without what was active "
            "on their data"
        )


def _print_matrix(found: Overlap) -> None:
    numbers = {name: str(number) for number, name in enumerate(found.order, start=1)}
    rows = [
        {"": numbers[str(name)], "circuit": name}
        | {numbers[other]: round(float(row[other]), 2) for other in found.order}
        for name, row in found.clustered.iterrows()
    ]
    print_table(("", "circuit", *numbers.values()), rows)


def _as_table(found: Overlap) -> pd.DataFrame:
    return found.clustered.reset_index()
