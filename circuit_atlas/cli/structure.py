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
    read_store,
)
from circuit_atlas.cli.output import Format, choose_format, emit, print_frame, records
from circuit_atlas.cli.shown import NotedStore, ShowCypherOption, say_cypher
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.analysis.structure import Grouping
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
    float, typer.Option("--node-threshold", min=0, help="Nodes of larger absolute effect only (units of the metric).")
]
EdgeThresholdOption = Annotated[
    float, typer.Option("--edge-threshold", min=0, help="Edges of larger absolute weight only (units of the metric).")
]
LeastZOption = Annotated[
    float,
    typer.Option(
        "--least-z",
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
    min_share: float

    @property
    def cut(self) -> dict[str, Any]:
        """The options that most questions take."""
        return {
            "node_threshold": self.node_threshold,
            "edge_threshold": self.edge_threshold,
            "least_z": self.least_z,
        }


def structure(
    circuit: CircuitArgument,
    question: QuestionArgument = None,
    limit: LimitOption = 10,
    node_threshold: NodeThresholdOption = 0.0,
    edge_threshold: EdgeThresholdOption = 0.0,
    least_z: LeastZOption = 2.0,
    pattern: PatternOption = None,
    groups: GroupsOption = None,
    min_share: ShareOption = 0.1,
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
    groups       nodes alike in what feeds them and what they feed
    group-edges  the edges between groups
    group-paths  the strongest paths of groups
    group-cuts   what each possible number of groups scores

    Flow is the sum of the strengths of all paths, in units of the metric, positive and negative ones apart. It holds
    for one cut, one site or one pair of positions, never over layers.
    """
    chosen = choose_format(form, output)
    asked = Asked(circuit, limit, node_threshold, edge_threshold, least_z, pattern, groups, min_share)
    if question is None and (chosen is not Format.TABLE or output is not None):
        raise QueryError("a table in a file or for a program needs one QUESTION, such as flow")
    if pattern is not None and question is not Question.MOTIFS:
        raise QueryError("--pattern goes with the question motifs")
    with read_store(store, database) as place:
        noted = NotedStore(place)
        if question is None:
            _overview(noted, asked)
        else:
            _answer(noted, asked, question, chosen, output)
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
    row = store.query("circuit", circuit=asked.circuit).iloc[0]
    typer.echo(str(row["name"]))
    for question, title in OVERVIEW.items():
        if question is Question.CROSSINGS and row["positions"] == "sum":
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
            return ask.group_paths(ask.group_nodes(store, name, asked.groups, **cut), limit)
        case Question.THREADS:
            return ask.threads(store, name, asked.min_share, limit, **cut)
        case _:
            return _groups(ask.group_nodes(store, name, asked.groups, **cut), question)


def _groups(found: Grouping, question: Question) -> pd.DataFrame:
    return {Question.GROUPS: found.groups, Question.GROUP_EDGES: found.edges, Question.GROUP_CUTS: found.cuts}[question]


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
