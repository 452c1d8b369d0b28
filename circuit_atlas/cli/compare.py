"""`circuit-atlas compare`: what two circuits share and what each has alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.names import unit_name
from circuit_atlas.cli.options import CircuitArgument, DatabaseOption, StoreOption, VersionOption, read_store
from circuit_atlas.cli.output import print_frame, print_table, records
from circuit_atlas.cli.overlap_options import (
    DrawsOption,
    EdgeThresholdOption,
    Level,
    LevelOption,
    NodeThresholdOption,
    NullOption,
    SeedOption,
)
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from circuit_atlas.analysis import Comparison

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many units and how many edges each table shows.")]
SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=1,
        help="Compare so many units of each kind, the strongest of each circuit, or as many as both have.",
    ),
]
EdgeSizeOption = Annotated[
    int | None, typer.Option("--edge-size", min=1, help="Compare so many edges of each kind, the strongest, likewise.")
]
BySiteOption = Annotated[bool, typer.Option("--by-site", help="Also say what they share at each layer and component.")]
CurveOption = Annotated[
    bool, typer.Option("--curve", help="Also say what they share at sizes from 10 up: the strongest of each circuit.")
]

COUNTS = ("kind", "n_a", "n_b", "n_shared", "jaccard", "containment_a", "containment_b")
WEIGHTS = ("weighted_jaccard", "weighted_containment_a", "weighted_containment_b", "same_sign", "rank_correlation")
SITES = ("layer", "component", *COUNTS[1:5], "weighted_jaccard", "same_sign", "rank_correlation")
CURVE = ("size", "n_shared", "expected", "z", "p_value", "jaccard", "weighted_jaccard", "same_sign", "rank_correlation")
FIGURES = tuple(name for name in CURVE if name not in ("expected", "z", "p_value"))
PARTS = ("shared by both", "only in a", "only in b")


def compare(
    a: CircuitArgument,
    b: CircuitArgument,
    level: LevelOption = Level.FEATURE,
    node_threshold: NodeThresholdOption = 0.0,
    edge_threshold: EdgeThresholdOption = 0.0,
    size: SizeOption = None,
    edge_size: EdgeSizeOption = None,
    null: NullOption = True,
    draws: DrawsOption = 2000,
    seed: SeedOption = 0,
    by_site: BySiteOption = False,
    curve: CurveOption = False,
    limit: LimitOption = 8,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Say what two circuits share and what each has alone.

    \b
    jaccard              the number shared over the number in either
    containment          the number shared over the number in the one (a, b)
    weighted_...         the same with each counted by its absolute effect or weight
    same_sign            share of the shared whose effects have the same sign
    rank_correlation     Spearman's, of absolute effects over the shared

    Features at the first token of the input (which fire on everything) and errors are counted apart. Against chance:
    what two circuits would share that choose features only by how often and how strongly they are active on their
    own data (docs/overlap.md). Then the strongest units and edges that both have, that a has alone and that b has
    alone.
    """
    from circuit_atlas import analysis

    with read_store(store, database) as place:
        noted = NotedStore(place)
        cut: dict[str, Any] = {"node_threshold": node_threshold, "edge_threshold": edge_threshold}
        sizes: dict[str, Any] = {"size": size, "edge_size": edge_size}
        found = analysis.compare(noted, a, b, level.value, **cut, **sizes, limit=None)
        typer.echo(f"a: {found.a}\nb: {found.b}")
        if len(found.settings):
            typer.echo("\nsettings that differ")
            print_frame(found.settings)
        for name, lost in zip((found.a, found.b), found.nodes.attrs["compared"].get("without_role", ()), strict=False):
            if lost:
                typer.echo(f"left out: {lost} nodes of {name} that have no role")
        _figures(found, by_site=by_site)
        with_null = null and _chance(noted, found, {**cut, **sizes, "count": draws, "seed": seed})
        if curve:
            _curve(noted, found, {**cut, "null": with_null, "count": draws, "seed": seed})
        _units(found, limit)
        _edges(found, limit)
    if show_cypher:
        say_cypher(noted)


def _figures(found: Comparison, *, by_site: bool) -> None:
    tables = (("units", found.nodes, found.node_sites), ("edges", found.edges, found.edge_sites))
    for title, kinds, sites in tables:
        typer.echo(f"\n{title}")
        print_frame(kinds, COUNTS)
        typer.echo(f"\n{title}, weighted")
        print_frame(kinds, ("kind", *WEIGHTS))
        if by_site:
            typer.echo(f"\n{title} of features, by site")
            print_frame(sites, SITES)


def _chance(store: NotedStore, found: Comparison, options: dict[str, Any]) -> bool:
    """Print what chance alone would make of the overlap, or why there is no null; say whether there is one."""
    from circuit_atlas.analysis import sharing_null

    typer.echo("\nagainst chance (features active on both circuits' data, matched on activity)")
    try:
        table = sharing_null(store, found.a, found.b, found.level, **options)
    except QueryError as error:
        typer.echo(f"  {error}")
        return False
    print_frame(table)
    for name, outside in zip((found.a, found.b), table.attrs["outside"], strict=True):
        if outside:
            typer.echo(f"  {outside} features of {name} are not among those stored as active: left out")
    return True


def _curve(store: NotedStore, found: Comparison, options: dict[str, Any]) -> None:
    """Print what both share at each size; circuits without features above the thresholds have no sizes."""
    from circuit_atlas.analysis import overlap_curve

    typer.echo("\nfeatures at each size")
    try:
        table = overlap_curve(store, found.a, found.b, found.level, **options)
    except QueryError as error:
        typer.echo(f"  {error}")
        return
    print_frame(table, CURVE if options["null"] else FIGURES)


def _units(found: Comparison, limit: int) -> None:
    columns = ("unit", "effect_a", "effect_b", "top_tokens", "promotes")
    parts = (found.shared_units, found.units_only_a, found.units_only_b)
    for title, part in zip(PARTS, parts, strict=True):
        rows = [row | {"unit": unit_name(row)} for row in records(part.head(limit))]
        _part(f"units {title}", columns, rows, len(part))


def _edges(found: Comparison, limit: int) -> None:
    parts = (found.shared_links, found.links_only_a, found.links_only_b)
    for title, part in zip(PARTS, parts, strict=True):
        first = records(part.head(limit))
        rows = [row | {"edge": f"{unit_name(row, 'source_')} → {unit_name(row, 'target_')}"} for row in first]
        _part(f"edges {title}", ("edge", "weight_a", "weight_b"), rows, len(part))


def _part(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], of: int) -> None:
    """Print the strongest rows of so many."""
    typer.echo(f"\n{title}: {of}" + (f", the strongest {len(rows)}" if of > len(rows) else ""))
    if rows:
        print_table(columns, rows)
