"""`circuit-atlas structure`: how one circuit is built."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.options import (
    CircuitArgument,
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    change_store,
    finite,
    read_store,
    say_next,
)
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, records
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.analysis.structure import Grouping
    from circuit_atlas.cypher.base import GraphStore
    from circuit_atlas.cypher.store import Store


class Question(StrEnum):
    """What may be asked of a circuit's structure."""

    FLOW = "flow"
    CUTS = "cuts"
    BOTTLENECKS = "bottlenecks"
    PATHS = "paths"
    CROSSINGS = "crossings"
    MOTIFS = "motifs"
    ERRORS = "errors"
    SUPPRESSORS = "suppressors"
    THREADS = "threads"
    GROUPS = "groups"
    GROUP_EDGES = "group-edges"
    GROUP_PATHS = "group-paths"
    GROUP_CUTS = "group-cuts"


QuestionArgument = Annotated[
    Question | None,
    typer.Argument(metavar="[QUESTION]", help="One of the questions above; without it, the chief ones."),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many rows a ranking shows.")]
NodeThresholdOption = Annotated[
    float,
    typer.Option(
        "--node-threshold", callback=finite, min=0, help="Nodes of larger absolute effect only (units of the metric)."
    ),
]
EdgeThresholdOption = Annotated[
    float,
    typer.Option(
        "--edge-threshold", callback=finite, min=0, help="Edges of larger absolute weight only (units of the metric)."
    ),
]
LeastZOption = Annotated[
    float,
    typer.Option(
        "--least-z",
        callback=finite,
        min=0,
        help="No paths through nodes whose effect is fewer standard errors from zero: dividing by it makes noise of "
        "any size. 0 divides by every effect.",
    ),
]
PatternOption = Annotated[
    str | None,
    typer.Option(
        "--pattern",
        metavar="STEPS",
        help="With motifs: the strongest chains of these steps, such as 'feature attn feature'. A step is any, "
        "feature, error, target, embed, attn, mlp, resid or a site such as attn_1; /error means its errors, @ROLE "
        "those at that role.",
    ),
]
GroupsOption = Annotated[
    int | None,
    typer.Option("--groups", min=1, help="Groups of features to make; without it, the cut that scores best."),
]
DirectionsOption = Annotated[
    float,
    typer.Option(
        "--directions",
        min=0,
        max=1,
        show_default="1/3",
        help="With groups: how much of what makes two features alike is their decoder directions; the rest is their "
        "edges, in and out alike. 0 groups by edges alone.",
    ),
]
StoreAsOption = Annotated[
    str | None,
    typer.Option(
        "--store-as", metavar="NAME", help="With groups: store the grouped graph as a circuit of this name as well."
    ),
]
CosineOption = Annotated[
    float | None,
    typer.Option(
        "--min-cosine",
        min=-1,
        max=1,
        help="With threads: least cosine of the decoder directions of an edge's ends; without it, any.",
    ),
]
ShareOption = Annotated[
    float, typer.Option("--min-share", min=0, max=1, help="With threads: least share of both ends' effect on an edge.")
]


@dataclass(frozen=True)
class Asked:
    """A circuit and how it is asked about; a field for each option."""

    circuit: str
    limit: int
    node_threshold: float
    edge_threshold: float
    least_z: float
    pattern: str | None
    groups: int | None
    directions: float
    store_as: str | None
    min_share: float
    min_cosine: float | None

    @property
    def cut(self) -> dict[str, Any]:
        """The options that most questions take."""
        return {
            "node_threshold": self.node_threshold,
            "edge_threshold": self.edge_threshold,
            "least_z": self.least_z,
        }

    def grouped(self, store: Store) -> Grouping:
        """Group the circuit's nodes."""
        from circuit_atlas.analysis.structure import group_nodes

        return group_nodes(store, self.circuit, self.groups, directions=self.directions, **self.cut)


def structure(
    circuit: CircuitArgument,
    question: QuestionArgument = None,
    limit: LimitOption = 10,
    node_threshold: NodeThresholdOption = 0.0,
    edge_threshold: EdgeThresholdOption = 0.0,
    least_z: LeastZOption = 2.0,
    pattern: PatternOption = None,
    groups: GroupsOption = None,
    directions: DirectionsOption = 1 / 3,
    store_as: StoreAsOption = None,
    min_share: ShareOption = 0.1,
    min_cosine: CosineOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    show_cypher: ShowCypherOption = False,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Say how one circuit is built, and where its effect flows.

    \b
    flow         the edges that most of the flow from the embedding to the target runs along
    cuts         where the flow stands after each layer: in which role, features or errors
    bottlenecks  the nodes whose removal cuts most of the flow
    paths        the strongest paths
    crossings    between which roles an effect crosses, and at which site it arrives
    motifs       how many chains of each kind, such as feature to attention to feature (--pattern: the strongest)
    errors       what the errors of each site are fed by, and what they feed
    suppressors  features that work against the right answer
    threads      features that persist over layers
    groups       features alike in what feeds them, what they feed and how they write (--store-as: as a circuit)
    group-edges  the edges between groups
    group-paths  the strongest paths of groups
    group-cuts   what each possible number of groups scores

    Flow is the sum of the strengths of all paths, in units of the metric, positive and negative ones apart. It holds
    for one cut, one site or one pair of positions, never over layers.
    """
    chosen = choose_format(form, output)
    cut = (node_threshold, edge_threshold, least_z)
    asked = Asked(circuit, limit, *cut, pattern, groups, directions, store_as, min_share, min_cosine)
    if question is None and (chosen is not Format.TABLE or output is not None):
        raise QueryError("a table in a file or for a program needs one QUESTION, such as flow")
    if pattern is not None and question is not Question.MOTIFS:
        raise QueryError("--pattern goes with the question motifs")
    if store_as is not None and question is not Question.GROUPS:
        raise QueryError("--store-as goes with the question groups")
    with change_store(store, database) if store_as else read_store(store, database) as place:
        noted = NotedStore(place)
        if question is None:
            _overview(noted, asked)
        else:
            _answer(noted, asked, question, chosen, output)
        if store_as is not None:
            _store(place, asked, store, err=chosen is not Format.TABLE)
    if show_cypher:
        say_cypher(noted)


OVERVIEW = {
    Question.CUTS: "where the flow to the target stands after each layer (-1: the embedding)",
    Question.BOTTLENECKS: "bottlenecks: what their removal cuts of the flow",
    Question.CROSSINGS: "crossings between roles",
    Question.MOTIFS: "chains of two edges, by kind",
    Question.SUPPRESSORS: "features that work against the right answer",
    Question.GROUPS: "groups of alike nodes, by absolute effect within their site",
}


def _overview(store: Store, asked: Asked) -> None:
    from circuit_atlas.cypher.schema import GROUPS

    row = store.query("circuit", circuit=asked.circuit).iloc[0]
    typer.echo(str(row["name"]))
    for question, title in OVERVIEW.items():
        if question is Question.CROSSINGS and row["positions"] == "sum":
            continue
        if question in (Question.SUPPRESSORS, Question.GROUPS) and row["units"] == GROUPS:
            continue
        typer.echo(f"\n{title}")
        _print(question, _table(store, asked, question), asked.limit)
    cuts = _table(store, asked, Question.CUTS)
    _say_total(cuts)
    say_unsure(cuts)


def _answer(store: Store, asked: Asked, question: Question, form: Format, output: Path | None) -> None:
    table = _table(store, asked, question)
    if form is Format.TABLE and output is None:
        _print(question, table, asked.limit)
        if "count" in table.attrs:
            typer.echo(f"\n{table.attrs['count']} chains fit")
        _say_total(table)
        say_unsure(table)
    else:
        emit([str(name) for name in table.columns], records(table), form, output)


def _table(store: Store, asked: Asked, question: Question) -> pd.DataFrame:
    from circuit_atlas import analysis
    from circuit_atlas.analysis import structure as ask

    name, limit, cut = asked.circuit, asked.limit, asked.cut
    by_limit = {
        Question.FLOW: ask.edge_flow,
        Question.BOTTLENECKS: analysis.bottlenecks,
        Question.MOTIFS: ask.motifs,
    }
    match question:
        case Question.MOTIFS if asked.pattern is not None:
            return ask.motif_chains(store, name, asked.pattern, k=limit, **cut)
        case Question.FLOW | Question.BOTTLENECKS | Question.MOTIFS:
            return by_limit[question](store, name, limit=limit, **cut)
        case Question.PATHS:
            return analysis.strongest_paths(store, name, k=limit, **cut)
        case Question.CUTS:
            return ask.cut_flow(store, name, **cut)
        case Question.CROSSINGS:
            return ask.role_crossings(store, name, **cut)
        case Question.ERRORS:
            return ask.error_exchange(store, name, asked.node_threshold, asked.edge_threshold)
        case Question.SUPPRESSORS:
            return ask.suppressors(store, name, limit, asked.node_threshold)
        case Question.GROUP_PATHS:
            return ask.group_paths(asked.grouped(store), limit)
        case Question.THREADS:
            return ask.threads(store, name, asked.min_share, limit, min_cosine=asked.min_cosine, **cut)
        case _:
            return _groups(asked.grouped(store), question)


def _groups(found: Grouping, question: Question) -> pd.DataFrame:
    return {Question.GROUPS: found.groups, Question.GROUP_EDGES: found.edges, Question.GROUP_CUTS: found.cuts}[question]


def _store(place: GraphStore, asked: Asked, given: str | None, *, err: bool) -> None:
    """Store the grouped graph as a circuit."""
    from circuit_atlas.analysis.structure import group_circuit

    rows = group_circuit(place, asked.grouped(place), asked.store_as or "")
    place.write([rows])
    circuit = rows.nodes["Circuit"][0]
    said = f"wrote {circuit['name']} to {place.url}: {circuit['n_nodes']} nodes, {circuit['n_edges']} edges"
    typer.echo(f"\n{said}", err=err)
    if not err:
        say_next([["show", circuit["name"]], ["structure", circuit["name"], "paths"]], place, given)


def _print(question: Question, table: pd.DataFrame, limit: int) -> None:
    """Print a table without keys; of what is not ranked by the question itself the first rows in its own order."""
    if question is Question.GROUPS:
        table = table[table["kind"] != "target"].sort_values("absolute_effect", ascending=False, kind="stable")
        table = table.assign(members=[_some(members) for members in table["members"]])
    if question is Question.GROUP_CUTS:
        table = table[table["chosen"]]
    if question in _RANKED:
        table = table.head(limit)
    if len(table):
        print_frame(table, [str(name) for name in table.columns if name not in _KEYS])
    else:
        typer.echo(f"  no {question.value} above the thresholds")


def _some(members: list[str]) -> str:
    return " ".join(members[:FEW]) + (" …" if len(members) > FEW else "")


def _say_total(table: pd.DataFrame) -> None:
    """Say how large the whole flow is, and warn where its two parts all but cancel."""
    total = table.attrs.get("total")
    if not total:
        return
    positive, negative = total["positive"], total["negative"]
    left_out, least_z = len(table.attrs["left_out"]), table.attrs["least_z"]
    typer.echo(f"\nall paths (units of the metric): positive {positive:.4g}, negative {negative:.4g}")
    if left_out:
        typer.echo(f"none through {left_out} nodes whose effect is less than {least_z:g} standard errors from zero")


def say_unsure(table: pd.DataFrame) -> None:
    """Say how many nodes have no standard error, so that --least-z lets paths pass them whatever they are."""
    unsure, least_z = len(table.attrs.get("unsure", ())), table.attrs.get("least_z", 0.0)
    if unsure and least_z:
        typer.echo(f"paths pass {unsure} nodes however small their effect is, for its standard error is not known")


FEW = 5
"""Members of a group that a table names."""

_KEYS = frozenset({"node", "nodes", "source_node", "target_node"})
_RANKED = frozenset({Question.CROSSINGS, Question.GROUPS, Question.GROUP_EDGES})
"""Questions whose functions give every row: tables show the first of them."""
