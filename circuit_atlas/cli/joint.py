"""`circuit-atlas exactness --joint`: what ablating a circuit's units together does, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from circuit_atlas.analysis.curves import QUARTER
from circuit_atlas.cli.output import Format, emit, print_frame, print_settings, records
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.analysis.joint import Joint
    from circuit_atlas.cli.shown import NotedStore

_SETS = (
    "ablation", "start_layer", "n_nodes", "change", "low", "high", "whole", "share", "n_random", "random_change",
    "random_most", "cut", "cut_effect",
)  # fmt: skip
_SITES = ("ablation", "start_layer", "n_nodes", "change", "site", "is_cut", "n_site", "effect", "absolute_effect")


def show_joint(
    store: NotedStore,
    circuits: Sequence[str],
    by: str | None,
    form: Format,
    output: Path | None,
    *,
    resamples: int,
    seed: int,
) -> None:
    """Print what ablating the units of each circuit together did, or write it as a table for a program.

    Raises:
        QueryError: there is no table by that, or a circuit was not measured so.

    """
    from circuit_atlas.analysis.joint import joint_ablation

    if by not in (None, "all", "sites"):
        raise QueryError(f"--joint has no rows by {by}; choose --by all (a row a node set) or sites")
    found = [joint_ablation(store, circuit, resamples=resamples, seed=seed) for circuit in circuits]
    tables = [one.sites if by == "sites" else one.sets for one in found]
    if form is Format.TABLE and output is None:
        for one, table in zip(found, tables, strict=True):
            _say(one, table, by)
    else:
        rows = [row for table in tables for row in records(table)]
        emit([str(name) for name in tables[0].columns], rows, form, output)


def _say(found: Joint, table: pd.DataFrame, by: str | None) -> None:
    typer.echo(f"\n{table['circuit'].iloc[0]}: its units ablated together (units of the metric)")
    print_settings(table, _SITES if by == "sites" else _SETS)
    if by is None:
        sites = _near_a_quarter(found.sites)
        typer.echo(f"\nof {sites['n_nodes'].iloc[0]} units, site by site: their effects, each of patching one alone")
        print_frame(sites, _SITES[4:])


def _near_a_quarter(sites: pd.DataFrame) -> pd.DataFrame:
    """The sites of one measurement: of those by patching (or else of all) nearest a quarter of the active units."""
    apart = (sites["n_nodes"] / sites["n_active"] / QUARTER).map(math.log).abs()
    order = sites.assign(other=sites["ablation"] != "patch", apart=apart)
    chosen = order.sort_values(["other", "start_layer", "apart"], kind="stable").iloc[0]
    same = ["ablation", "means_over", "split", "start_layer", "node_threshold", "change"]
    found: pd.DataFrame = sites[(sites[same] == chosen[same]).all(axis=1)]
    return found.drop_duplicates("site")  # the same set may have been measured twice, on other examples
