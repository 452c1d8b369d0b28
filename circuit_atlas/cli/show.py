"""`circuit-atlas show`: one circuit, its figures, its strongest nodes and paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.headline import mean
from circuit_atlas.cli.names import unit_name
from circuit_atlas.cli.options import CircuitArgument, DatabaseOption, StoreOption, VersionOption, read_store
from circuit_atlas.cli.output import cell, print_table

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many nodes and how many paths to show.")]

SETTINGS = (
    "task", "model", "suite", "metric", "metric_sign", "method", "steps", "ablation", "positions", "selection",
    "outer_gradient", "node_floor", "edge_floor", "n_nodes", "n_edges", "n_examples", "n_items", "split", "seed",
    "metric_clean", "metric_patch", "accuracy", "right_sign", "created_at", "code_version",
)  # fmt: skip
MEASURED = ("n_nodes", "node_threshold", "ablation", "errors", "kind", "n", "faithfulness", "completeness")


def show(
    circuit: CircuitArgument,
    limit: LimitOption = 10,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Show one circuit: figures, strongest features and paths.

    Effects are in units of the metric. In the table of faithfulness, `errors` says what was done with the error nodes
    and `random` stands for circuits of as many random features with the same errors (mean of n of them).
    """
    with read_store(store, database) as place:
        found = ask(place, "circuit", circuit=circuit).rows[0]
        name = found["name"]
        typer.echo(name)
        for setting in SETTINGS:
            if found[setting] is not None:
                typer.echo(f"  {setting + ':':<16}{cell(found[setting])}")
        _faithfulness(place, name)
        _features(place, name, limit)
        _paths(place, name, limit)
    typer.echo(f"\nnext: circuit-atlas query subgraph -p circuit='{name}'; circuit-atlas dashboard")


def _faithfulness(store: Store, circuit: str) -> None:
    rows = faithfulness_rows(ask(store, "measurements", circuit=circuit).rows)
    typer.echo("\nfaithfulness (1: as the whole model, 0: as with everything ablated)")
    if rows:
        print_table(MEASURED, rows)
    else:
        typer.echo("  not measured")


def faithfulness_rows(measurements: Any) -> list[dict[str, Any]]:
    """Put random circuits of one size and setting into one row, their mean; `n` says of how many."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in measurements:
        key = (row["n_nodes"], row["node_threshold"], row["ablation"], row["errors"], row["kind"])
        groups.setdefault(key, []).append(row)
    return [_mean_row(key, rows) for key, rows in groups.items()]


def _mean_row(key: tuple[Any, ...], rows: Sequence[Any]) -> dict[str, Any]:
    figures = (mean([row[name] for row in rows]) for name in ("faithfulness", "completeness"))
    return dict(zip(MEASURED, (*key, len(rows), *figures), strict=True))


def _features(store: Store, circuit: str, limit: int) -> None:
    rows = ask(store, "strongest_features", circuit=circuit, limit=limit).rows
    typer.echo("\nstrongest features (positions pooled): effect, tokens they fire on, tokens they promote")
    named = [row | {"unit": unit_name(row)} for row in rows]
    print_table(("unit", "label", "effect", "top_tokens", "promotes"), named)


def _paths(store: Store, circuit: str, limit: int) -> None:
    from circuit_atlas.analysis import strongest_paths

    table = strongest_paths(store, circuit, k=limit)
    typer.echo("\nstrongest paths to the metric (strength in its units)")
    columns = [str(name) for name in table.columns]
    print_table(columns, [dict(zip(columns, row, strict=True)) for row in table.itertuples(index=False)])
