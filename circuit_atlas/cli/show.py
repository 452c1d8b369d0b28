"""`circuit-atlas show`: one circuit, its figures, its strongest nodes and paths."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.names import unit_name
from circuit_atlas.cli.options import CircuitArgument, DatabaseOption, StoreOption, VersionOption, read_store, say_next
from circuit_atlas.cli.output import cell, print_frame, print_table
from circuit_atlas.cli.stated import stated
from circuit_atlas.cli.structure import say_unsure
from circuit_atlas.cli.undefined import say_undefined

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many nodes and how many paths to show.")]

SETTINGS = (
    "task", "model", "suite", "metric", "metric_sign", "method", "steps", "ablation", "positions", "selection",
    "outer_gradient", "node_floor", "edge_floor", "n_nodes", "n_edges", "n_examples", "n_items", "split", "seed",
    "metric_clean", "metric_patch", "accuracy",
)  # fmt: skip
MADE = ("created_at", "code_version")
MEASURED = (
    "errors", "n_nodes", "n_active", "node_threshold", "faithfulness", "low", "high", "n_random", "random_95",
    "completeness",
)  # fmt: skip


LEAST_Z = 2.0
"""Paths through effects that cannot be told from zero are noise of any size: see `analysis.graph.fetch_graph`."""


def show(
    circuit: CircuitArgument,
    limit: LimitOption = 10,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Show one circuit: figures, strongest features and paths.

    Effects are in units of the metric. In the table of faithfulness, errors says whether error units are left as the
    circuit says (default) or removed; n_nodes of the n_active units on an average example are kept; low and high are
    the 95 % bootstrap interval; random_95 is the 95th percentile of n_random circuits of as many random features with
    the same errors (of 20 or fewer, a value between the two largest).
    """
    from circuit_atlas.cypher.schema import GROUPS

    with read_store(store, database) as place:
        found = ask(place, "circuit", circuit=circuit).rows[0]
        name = found["name"]
        typer.echo(name)
        digests = [row["weights_digest"] for row in ask(place, "circuit_dictionaries", circuit=name).rows]
        told = {setting: found[setting] for setting in SETTINGS} | stated(found, found, digests)
        told |= {"recipe": _recipe(found["settings"])} | {setting: found[setting] for setting in MADE}
        for setting, value in told.items():
            if value is not None:
                typer.echo(f"  {setting + ':':<17}{cell(value)}")
        _sites(found)
        grouped = found["units"] == GROUPS
        if grouped:
            _groups(place, name, limit)
        else:
            _faithfulness(place, name)
            _features(place, name, limit)
        _paths(place, name, limit)
        more = "group_members" if grouped else "error_share"
        say_next([["query", more, "-p", f"circuit={name}"], ["dashboard"]], place, store)


def _recipe(settings: str) -> str | None:
    """Say how a derived circuit was made; None of one that was discovered."""
    recipe = json.loads(settings).get("recipe")
    if recipe is None:
        return None
    of = f"{recipe['operation']} of {' and '.join(recipe['operands'])}"
    more = [f"{key} {cell(value)}" for key, value in recipe.items() if key not in ("operation", "operands")]
    return ", ".join([of, *more])


def _sites(found: Mapping[str, Any]) -> None:
    """Say of each site what its error carries, and whether its effects add up."""
    lists = {column: found[f"site_{column}"] for column in ("survival", "total", "patched", "inactive")}
    if not found["sites"] or None in lists.values():
        return
    typer.echo(
        "\nsites: metric left without the site's error (survival); effects of its units together (total) beside the\n"
        "effect of patching the whole site (patched); share of effect in features inactive on clean (inactive)"
    )
    columns = zip(*lists.values(), strict=True)
    rows = [
        {"site": site} | dict(zip(lists, row, strict=True)) for site, row in zip(found["sites"], columns, strict=True)
    ]
    print_table(("site", *lists), rows)


def _faithfulness(store: Store, circuit: str) -> None:
    from circuit_atlas.analysis import faithfulness_table

    table = faithfulness_table(store, circuit, own=True)
    typer.echo("\nfaithfulness on held-out examples (1: as the whole model, 0: as with every unit ablated)")
    if len(table):
        print_frame(table, MEASURED)
        say_undefined(table["faithfulness"])
    else:
        typer.echo(f"  {_unmeasured(store, circuit)}")


def _unmeasured(store: Store, circuit: str) -> str:
    """Say where a circuit was measured that has no figures on its own task as discovery measures them."""
    every = ask(store, "measurement_items", circuit=circuit).rows
    tasks = sorted({row["task"] for row in every if row["kind"] == "circuit"})
    if not tasks:
        return "not measured"
    own = ask(store, "circuit", circuit=circuit).rows[0]["task"]
    again = shlex.join(["circuit-atlas", "curve", circuit, "--ablation", "all"])
    if own in tasks:
        return f"not measured on held-out examples by mean ablation, but otherwise: {again}"
    return f"not measured on its own task; measured on {', '.join(tasks)}: {again}"


def _features(store: Store, circuit: str, limit: int) -> None:
    rows = ask(store, "strongest_features", circuit=circuit, limit=limit).rows
    typer.echo("\nstrongest features (positions pooled): effect, tokens they fire on, tokens they promote")
    named = [row | {"unit": unit_name(row)} for row in rows]
    print_table(("unit", "label", "effect", "top_tokens", "promotes"), named)


def _groups(store: Store, circuit: str, limit: int) -> None:
    rows = ask(store, "group_members", circuit=circuit, limit=limit).rows
    typer.echo("\nstrongest groups (the strongest feature and how many others): effect, features that it holds")
    named = [
        row
        | {"unit": unit_name(row | {"kind": "group", "feature_index": None})}
        | {"members": " ".join(sorted((key.rpartition("/")[2] for key in row["members"]), key=int))}
        for row in rows
    ]
    print_table(("unit", "effect", "n_members", "members"), named)


def _paths(store: Store, circuit: str, limit: int) -> None:
    from circuit_atlas.analysis import strongest_paths

    table = strongest_paths(store, circuit, k=limit, through_errors=False, least_z=LEAST_Z)
    typer.echo(
        "\nstrongest paths of features to the metric (strength in its units), through no node whose effect is less\n"
        f"than {LEAST_Z:g} standard errors from zero"
    )
    print_frame(table, ("strength", "path"))
    say_unsure(table)
