"""`circuit-atlas communities` and `circuit-atlas families`: what many circuits have in common."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from circuit_atlas.cli.options import (
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    finite,
    read_store,
)
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, records
from circuit_atlas.cli.overlap_options import Derived, DerivedOption
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher


class Links(StrEnum):
    """What links two circuits."""

    EXCESS = "excess"
    LIKENESS = "likeness"


LinksOption = Annotated[
    Links | None,
    typer.Option(
        "--links",
        help="Link circuits by what they share beyond what activity on their prompts makes them share, or by likeness "
        "(weighted Jaccard index). Without it: excess, where there are at most 2,000 pairs.",
    ),
]
NodeThresholdOption = Annotated[
    float,
    typer.Option(
        "--node-threshold",
        callback=finite,
        min=0,
        help="Features of larger absolute pooled effect in a circuit (units of the metric).",
    ),
]
ResolutionOption = Annotated[
    float,
    typer.Option(
        "--resolution", callback=finite, min=0, help="Above 1 for smaller communities, below 1 for larger ones."
    ),
]
LeastShareOption = Annotated[
    float,
    typer.Option(
        "--least-share", min=0, max=1, help="A circuit mixes communities that each share this part of it alone."
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="First of the seeds that communities are looked for from.")
]
DrawsOption = Annotated[
    int,
    typer.Option(
        "--null",
        min=0,
        help="With --links likeness: compare with so many stores whose features are dealt anew, which keeps hubs.",
    ),
]
MixturesOption = Annotated[
    bool, typer.Option("--mixtures", help="A row a circuit and community: which features they share, and share alone.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many families to show.")]
MinCircuitsOption = Annotated[
    int, typer.Option("--min-circuits", min=1, help="Families that at least so many circuits use.")
]


def communities(
    node_threshold: NodeThresholdOption = 0.0,
    links: LinksOption = None,
    resolution: ResolutionOption = 1.0,
    least_share: LeastShareOption = 0.05,
    seed: SeedOption = 0,
    draws: DrawsOption = 0,
    mixtures: MixturesOption = False,
    derived: DerivedOption = Derived.DROP,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Group circuits by the features they share.

    Two circuits are linked where they share more features than circuits would that chose theirs only by how active
    they are on their own data (false discovery rate 0.05 over all pairs); the link weighs what is shared beyond that
    over the features of either. So circuits that are alike only because their prompts are form no community. A circuit
    mixes communities where it is linked to each of several and shares features with each alone.

    within and outside are a circuit's mean links to the others of its community and to all outside; stability is how
    far other seeds of the search agree on it.
    """
    from circuit_atlas.analysis.structure import communities as find

    chosen = choose_format(form, output)
    with read_store(store, database) as place:
        noted = NotedStore(place)
        by = None if links is None else links.value
        how: dict[str, Any] = {"resolution": resolution, "least_share": least_share, "seed": seed, "draws": draws}
        found = find(noted, node_threshold, links=by, **how, derived=derived.value)
    table = found.mixtures if mixtures else found.circuits
    emit([str(name) for name in table.columns], records(table), chosen, output)
    if chosen is Format.TABLE and output is None:
        _say(found.circuits.attrs, draws)
    if show_cypher:
        say_cypher(noted)


def _say(about: Mapping[Hashable, Any], draws: int) -> None:
    """Say below the table what linked the circuits, and how well they fall apart."""
    if about["links"] == "excess":
        pairs = f"{about['n_linked']} of {about['n_pairs']} pairs"
        typer.echo(f"\nlinks: {pairs} share more features than their activity makes them share")
    else:
        typer.echo("\nlinks: likeness, of like prompts or of one mechanism; --links excess tells these apart")
    if without := about["without_null"]:
        typer.echo(f"no links of {', '.join(without)}: stored without what was active on their data")
    if about["n_linked"]:
        typer.echo(f"modularity {about['modularity']:.4g}")
    if draws:
        typer.echo(
            f"with features dealt anew, {draws} times: 95th percentile {about['null_95']:.4g}, "
            f"p-value {about['p_value']:.3g}"
        )


def families(
    min_circuits: MinCircuitsOption = 2,
    limit: LimitOption = 10,
    node_threshold: NodeThresholdOption = 0.0,
    derived: DerivedOption = Derived.DROP,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Group features by the circuits that use them.

    positive and negative name the circuits in which the pooled effect of each feature of the family is so. Effects at
    the first token of the input are left out.
    """
    from circuit_atlas.analysis.structure import feature_families

    chosen = choose_format(form, output)
    with read_store(store, database) as place:
        noted = NotedStore(place)
        table = feature_families(noted, min_circuits, limit, node_threshold, derived=derived.value)
    if chosen is Format.TABLE and output is None:
        print_frame(table, [str(name) for name in table.columns if name != "features"])
    else:
        emit([str(name) for name in table.columns], records(table), chosen, output)
    if show_cypher:
        say_cypher(noted)
