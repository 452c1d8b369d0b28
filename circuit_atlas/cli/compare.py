"""`circuit-atlas compare`: what two circuits share and what each has alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.names import unit_name
from circuit_atlas.cli.options import CircuitArgument, DatabaseOption, StoreOption, VersionOption, read_store
from circuit_atlas.cli.output import print_frame, print_table, records

if TYPE_CHECKING:
    from circuit_atlas.analysis import Comparison


class Level(StrEnum):
    """Where two units count as the same."""

    FEATURE = "feature"
    ROLE = "role"
    POSITION = "position"


LevelOption = Annotated[
    Level,
    typer.Option(
        "--level",
        help="Where two units count as the same: feature (positions pooled), feature and role, or feature and position "
        "(circuits of one template only).",
    ),
]
NodeThresholdOption = Annotated[
    float, typer.Option("--node-threshold", min=0, help="Units of larger absolute effect only (units of the metric).")
]
EdgeThresholdOption = Annotated[
    float, typer.Option("--edge-threshold", min=0, help="Edges of larger absolute weight only (units of the metric).")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many units and how many edges each table shows.")]

COUNTS = ("kind", "n_a", "n_b", "n_shared", "n_same_sign", "jaccard", "weighted_jaccard")
PARTS = ("shared by both", "only in a", "only in b")


def compare(
    a: CircuitArgument,
    b: CircuitArgument,
    level: LevelOption = Level.FEATURE,
    node_threshold: NodeThresholdOption = 0.0,
    edge_threshold: EdgeThresholdOption = 0.0,
    limit: LimitOption = 8,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Say what two circuits share and what each has alone.

    Counts first: jaccard is the number shared over the number in either; weighted_jaccard weighs each by its absolute
    effect. Features at the first token of the input (which fire on everything) and errors are counted apart.
    Then the strongest units and edges that both have, that a has alone and that b has alone.
    """
    from circuit_atlas import analysis

    with read_store(store, database) as place:
        found = analysis.compare(place, a, b, level.value, node_threshold, edge_threshold)
    typer.echo(f"a: {found.a}\nb: {found.b}")
    if len(found.settings):
        typer.echo("\nsettings that differ")
        print_frame(found.settings)
    typer.echo("\nunits")
    print_frame(found.nodes, COUNTS)
    _units(found, limit)
    typer.echo("\nedges")
    print_frame(found.edges, COUNTS)
    _edges(found, limit)


def _units(found: Comparison, limit: int) -> None:
    columns = ("unit", "effect_a", "effect_b", "top_tokens", "promotes")
    parts = (found.shared_units, found.units_only_a, found.units_only_b)
    for title, part in zip(PARTS, parts, strict=True):
        rows = [row | {"unit": unit_name(row)} for row in records(part)]
        _part(f"units {title}", columns, rows, limit)


def _edges(found: Comparison, limit: int) -> None:
    parts = (found.shared_links, found.links_only_a, found.links_only_b)
    for title, part in zip(PARTS, parts, strict=True):
        rows = [row | {"edge": f"{unit_name(row, 'source_')} → {unit_name(row, 'target_')}"} for row in records(part)]
        _part(f"edges {title}", ("edge", "weight_a", "weight_b"), rows, limit)


def _part(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], limit: int) -> None:
    typer.echo(f"\n{title}: {len(rows)}" + (f", the strongest {limit}" if len(rows) > limit else ""))
    if rows:
        print_table(columns, rows[:limit])
