"""`circuit-atlas compare`: what two circuits share and what each has alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.names import unit_name
from circuit_atlas.cli.options import CircuitArgument, DatabaseOption, StoreOption, VersionOption, read_store
from circuit_atlas.cli.output import print_table

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store


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
PARTS = (("shared by both", True, True), ("only in a", True, False), ("only in b", False, True))


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
    with read_store(store, database) as place:
        names = {side: ask(place, "circuit", circuit=name).rows[0]["name"] for side, name in (("a", a), ("b", b))}
        typer.echo(f"a: {names['a']}\nb: {names['b']}")
        params = {f"circuit_{side}": name for side, name in names.items()}
        params |= {"level": level.value, "node_threshold": node_threshold}
        _units(place, params, limit)
        _edges(place, params | {"edge_threshold": edge_threshold}, limit)


def _units(store: Store, params: dict[str, Any], limit: int) -> None:
    typer.echo("\nunits")
    print_table(COUNTS, ask(store, "overlap_nodes", **params).rows)
    rows = [row | {"name": unit_name(row)} for row in ask(store, "compare_nodes", **params).rows]
    _parts("units", ("name", "effect_a", "effect_b", "top_tokens", "promotes"), rows, limit)


def _edges(store: Store, params: dict[str, Any], limit: int) -> None:
    typer.echo("\nedges")
    print_table(COUNTS, ask(store, "overlap_edges", **params).rows)
    rows = [
        row | {"edge": f"{unit_name(row, 'source_')} → {unit_name(row, 'target_')}"}
        for row in ask(store, "compare_edges", **params).rows
    ]
    _parts("edges", ("edge", "weight_a", "weight_b"), rows, limit)


def _parts(what: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], limit: int) -> None:
    for title, in_a, in_b in PARTS:
        found = [row for row in rows if (row["in_a"], row["in_b"]) == (in_a, in_b)]
        typer.echo(f"\n{what} {title}: {len(found)}" + (f", the strongest {limit}" if len(found) > limit else ""))
        if found:
            print_table(columns, found[:limit])
