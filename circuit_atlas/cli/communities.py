"""`circuit-atlas communities` and `circuit-atlas families`: what many circuits have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from circuit_atlas.cli.options import DatabaseOption, FormatOption, OutputOption, StoreOption, VersionOption, read_store
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, records
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher

NodeThresholdOption = Annotated[
    float,
    typer.Option(
        "--node-threshold", min=0, help="Features of larger absolute pooled effect in a circuit (units of the metric)."
    ),
]
ResolutionOption = Annotated[
    float, typer.Option("--resolution", min=0, help="Above 1 for smaller communities, below 1 for larger ones.")
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
        help="Compare with so many stores whose features are dealt anew: more than hubs alone would make.",
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
    resolution: ResolutionOption = 1.0,
    least_share: LeastShareOption = 0.05,
    seed: SeedOption = 0,
    draws: DrawsOption = 0,
    mixtures: MixturesOption = False,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Group circuits by the features they share.

    A circuit mixes communities where it shares features with each of several alone.

    within and outside are a circuit's mean likeness (weighted Jaccard index of features, first token left out) to the
    others of its community and to all outside; stability is how far other seeds of the search agree on it.
    """
    from circuit_atlas.analysis.structure import communities as find

    chosen = choose_format(form, output)
    with read_store(store, database) as place:
        noted = NotedStore(place)
        found = find(noted, node_threshold, resolution=resolution, least_share=least_share, seed=seed, draws=draws)
    table = found.mixtures if mixtures else found.circuits
    emit([str(name) for name in table.columns], records(table), chosen, output)
    if chosen is Format.TABLE and output is None:
        about = found.circuits.attrs
        typer.echo(f"\nmodularity {about['modularity']:.4g}")
        if draws:
            typer.echo(
                f"with features dealt anew, {draws} times: 95th percentile {about['null_95']:.4g}, "
                f"p-value {about['p_value']:.3g}"
            )
    if show_cypher:
        say_cypher(noted)


def families(
    min_circuits: MinCircuitsOption = 2,
    limit: LimitOption = 10,
    node_threshold: NodeThresholdOption = 0.0,
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
        table = feature_families(noted, min_circuits, limit, node_threshold)
    if chosen is Format.TABLE and output is None:
        print_frame(table, [str(name) for name in table.columns if name != "features"])
    else:
        emit([str(name) for name in table.columns], records(table), chosen, output)
    if show_cypher:
        say_cypher(noted)
