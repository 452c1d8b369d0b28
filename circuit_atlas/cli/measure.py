"""`circuit-atlas measure`: what the model still does with only a circuit's nodes left to compute."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, change_store, say_next
from circuit_atlas.cli.output import print_frame, print_table
from circuit_atlas.cli.quiet import silence_libraries
from circuit_atlas.cli.reporting import reporter
from circuit_atlas.cli.target import smallest_line
from circuit_atlas.cli.undefined import say_undefined
from circuit_atlas.errors import SettingsError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store
    from circuit_atlas.ingest import Measured, MeasureSettings

CircuitsArgument = Annotated[
    list[str], typer.Argument(metavar="CIRCUIT...", help="Names of circuits, their tasks, or unique starts of names.")
]
OnOption = Annotated[str, typer.Option("--on", metavar="CIRCUIT", help="Measure on the examples of this circuit.")]
ExamplesOption = Annotated[
    str,
    typer.Option(
        "--examples", metavar="FILE", help="Measure on these: JSON lines as `discover` takes them. Means are over them."
    ),
]
HeldOutOption = Annotated[
    str, typer.Option("--held-out", metavar="FILE", help="With --examples: measure on these, means over those.")
]
TaskOption = Annotated[
    str, typer.Option("--task", metavar="NAME", help="With --examples: the behaviour; else the file's name.")
]
NExamplesOption = Annotated[
    int | None, typer.Option("--n-examples", min=0, help="Most examples that means are over; 0: all.")
]
NHeldOutOption = Annotated[int | None, typer.Option("--n-held-out", min=0, help="Most examples measured on; 0: all.")]
SplitOption = Annotated[
    str, typer.Option("--split", help="Which examples are measured on: held-out, train (those attributed over) or all.")
]
ThresholdOption = Annotated[
    list[float] | None,
    typer.Option("--threshold", min=0, help="Keep nodes of larger absolute effect (units of the metric); repeatable."),
]
SizesOption = Annotated[
    str | None,
    typer.Option(
        "--sizes",
        help="Without --threshold: so many (8), evenly over the logarithm of the size; or mib: the shares of the "
        "Mechanistic Interpretability Benchmark.",
    ),
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        "--target-faithfulness",
        help="Find, and measure, the smallest circuit at least so faithful; of several --ablation or --start-layer "
        "under the first.",
    ),
]
ErrorsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--errors",
        help="Error units: default (as the circuit says), keep, remove, nb_remove (out of the circuit alone) or "
        "nb_resid_only (all but the residual stream's); repeatable. remove is always measured beside them. Without it: "
        "default.",
    ),
]
AblationOption = Annotated[
    list[str] | None,
    typer.Option("--ablation", help="Ablated units are set to: mean, zero, resample or patch; repeatable. mean."),
]
MeansOverOption = Annotated[
    list[str] | None,
    typer.Option("--means-over", help="Inputs that means are over: clean+patch, clean or patch; repeatable."),
]
StartLayerOption = Annotated[
    list[int] | None,
    typer.Option("--start-layer", min=-1, help="First layer ablated; -1: after the first third; repeatable. 0."),
]
RandomOption = Annotated[
    int, typer.Option("--random-circuits", min=0, help="Random circuits beside each point, with the same errors.")
]
AblateRandomOption = Annotated[
    bool, typer.Option("--ablate-random", help="Ablate random circuits too, in place of the circuit: a null of that.")
]
EdgesOption = Annotated[
    int,
    typer.Option(
        "--edges",
        min=0,
        help="Measure edge faithfulness too: at so many edge thresholds, with permuted and random edges beside each, "
        "under errors default, where --errors names it, and remove.",
    ),
]
EdgeThresholdOption = Annotated[
    list[float] | None,
    typer.Option("--edge-threshold", min=0, help="Edges of larger absolute weight (units of the metric); repeatable."),
]
ActiveSetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--active-set",
        help="Of edges: what TopK dictionaries choose their active features on: mixed (what arrives) or clean (the "
        "clean input, held); repeatable. mixed.",
    ),
]
LastOption = Annotated[
    int,
    typer.Option(
        "--last-features",
        min=0,
        help="Instead: ablate so many of the last layer's strongest features in the whole model, each alone and all at "
        "once, and see how the rank of the right answer moves.",
    ),
]
LevelOption = Annotated[
    str,
    typer.Option(
        "--level",
        help="Where nodes act: keep (their position), role, sum (every position); auto: as the circuit says on its own "
        "examples, sum on others.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of random circuits and resampling.")]
ModelOption = Annotated[str, typer.Option("--model", help="Where the model is, if no longer where it was.")]
DictionariesOption = Annotated[str, typer.Option("--dictionaries", help="Likewise its dictionaries.")]
BatchOption = Annotated[int, typer.Option("--batch-size", min=0, help="Examples that run together; 0: as discovered.")]
DeviceOption = Annotated[str, typer.Option("--device", help="Torch device, if another than the circuit was found on.")]


_GIVEN: tuple[tuple[str, str, Any, Any], ...] = (
    ("on", "on", OnOption, ""),
    ("examples", "examples", ExamplesOption, ""),
    ("held_out", "held_out", HeldOutOption, ""),
    ("task", "task", TaskOption, ""),
    ("n_examples", "n_examples", NExamplesOption, None),
    ("n_held_out", "n_held_out", NHeldOutOption, None),
    ("split", "split", SplitOption, "held-out"),
    ("threshold", "thresholds", ThresholdOption, None),
    ("sizes", "sizes", SizesOption, None),
    ("target_faithfulness", "target_faithfulness", TargetOption, None),
    ("errors", "errors", ErrorsOption, None),
    ("ablation", "ablations", AblationOption, None),
    ("means_over", "means_over", MeansOverOption, None),
    ("start_layer", "start_layers", StartLayerOption, None),
    ("random_circuits", "random_circuits", RandomOption, 5),
    ("ablate_random", "ablate_random", AblateRandomOption, False),
    ("edges", "edges", EdgesOption, 0),
    ("edge_threshold", "edge_thresholds", EdgeThresholdOption, None),
    ("active_set", "active_sets", ActiveSetOption, None),
    ("level", "level", LevelOption, "auto"),
    ("seed", "seed", SeedOption, 0),
    ("model", "model", ModelOption, ""),
    ("dictionaries", "dictionaries", DictionariesOption, ""),
    ("batch_size", "batch_size", BatchOption, 0),
    ("device", "device", DeviceOption, ""),
)
"""Name of each option, the setting that it gives, its declaration and its default."""


def measure(circuits: list[str], last_features: int, store: str | None, database: str | None, **given: Any) -> None:
    """Measure how faithful circuits are, size by size.

    Runs the model with only the circuit's nodes left to compute, all other units ablated, at each threshold, under each
    treatment of errors and each ablation that is named; beside each point runs random circuits with the same errors.
    What is measured is stored beside the circuit, with the metric of every example; measuring the same again replaces
    it. `circuit-atlas curve` shows and draws it.

    \b
    Examples:
      circuit-atlas measure sva/nounpp
      circuit-atlas measure sva/nounpp --target-faithfulness 0.8
      circuit-atlas measure sva/nounpp --on sva/within_rc
      circuit-atlas measure sva/nounpp --threshold 0.05 --ablation mean --ablation zero --start-layer 0 --start-layer -1
    """
    if last_features:
        _refuse_unused(given)
    if given["threshold"] and given["sizes"] is not None:
        raise SettingsError("--threshold and --sizes both say which sizes are measured: give one of them")
    silence_libraries()
    from circuit_atlas.ingest import MeasureSettings

    settings = {setting: given[name] for name, setting, _, _ in _GIVEN if given[name] is not None}
    settings |= {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
    if given["sizes"] is not None:
        settings["sizes"] = _sizes(given["sizes"])
    asked = [MeasureSettings(circuit=circuit, **settings) for circuit in circuits]
    with change_store(store, database) as place:
        if last_features:
            _proximal(place, asked, last_features)
            return
        found = measure_all(place, asked)
        for one in found:
            _say(one, given["target_faithfulness"])
        say_next([["curve", *dict.fromkeys(one.circuit for one in found), "--draw", "curve.png"]], place, store)


_UNUSED = (
    "threshold", "sizes", "target_faithfulness", "errors", "start_layer", "random_circuits", "edges", "edge_threshold",
    "active_set",
)  # fmt: skip
"""What has no meaning where features are ablated in the whole model."""


def _refuse_unused(given: Mapping[str, Any]) -> None:
    usual = {name: default for name, _, _, default in _GIVEN}
    for name in _UNUSED:
        if given[name] != usual[name]:
            raise SettingsError(
                f"--last-features ablates features of the whole model, so --{name.replace('_', '-')} has no meaning "
                "there: leave it out, or measure twice"
            )
    for name in ("ablation", "means_over"):
        if len(given[name] or ()) > 1:
            raise SettingsError(f"--last-features takes one --{name.replace('_', '-')}: leave out all but one")


def _proximal(store: Store, asked: Sequence[MeasureSettings], features: int) -> None:
    from circuit_atlas.analysis import proximal_causes
    from circuit_atlas.ingest import measure_proximal
    from circuit_atlas.ingest.measuring.layout import Loader

    _refuse_unknown(store, asked)
    loader = Loader()
    for settings in asked:
        found = measure_proximal(store, settings, features=features, reporter=reporter(), load_subject=loader)
        typer.echo(f"{found.circuit} on {found.task}")
        print_frame(proximal_causes(store, found.circuit), _PROXIMAL)


_PROXIMAL = (
    "removed", "n_removed", "ablation", "effect", "change", "change_low", "change_high", "rank", "rank_without",
    "fell", "rose", "as_credited",
)  # fmt: skip


def _sizes(text: str) -> Any:
    if text != "mib" and not text.isdigit():
        raise SettingsError(f"--sizes is {text!r}; give a number, or mib")
    return int(text) if text.isdigit() else text


def measure_all(store: Store, asked: Sequence[MeasureSettings]) -> list[Measured]:
    """Measure circuits one after the other; those of one model and dictionaries load them once.

    Names are looked up first: one that is wrong is told before minutes are spent on those before it.
    """
    from circuit_atlas.ingest import measure as run
    from circuit_atlas.ingest.measuring.layout import Loader

    _refuse_unknown(store, asked)
    loader, found = Loader(), []
    for settings in asked:
        found.append(run(store, settings, reporter=reporter(), load_subject=loader))
    return found


def _refuse_unknown(store: Store, asked: Sequence[MeasureSettings]) -> None:
    for name in dict.fromkeys(name for one in asked for name in (one.circuit, one.on) if name):
        store.query("circuit", circuit=name)


def _say(measured: Measured, target: float | None) -> None:
    typer.echo(f"measured {measured.circuit} on {measured.task}: {len(measured.rows)} rows")
    columns = ("errors", "ablation", "start_layer", "n_nodes", "node_threshold", "faithfulness", "completeness")
    rows = [row for row in measured.rows if row["kind"] == "circuit"]
    print_table(
        columns, sorted(rows, key=lambda row: (row["errors"], row["ablation"], row["start_layer"], row["n_nodes"]))
    )
    say_undefined(row["faithfulness"] for row in rows)
    if target is not None:
        typer.echo(smallest_line(measured.rows, target))
    of_edges = [row for row in measured.rows if row["kind"] == "edges"]
    if of_edges:
        typer.echo()
        settings = ("ablation", "means_over", "start_layer", "active_set", "node_threshold")
        apart = [name for name in settings if len({row[name] for row in of_edges}) > 1]
        print_table(("errors", *apart, "n_nodes", "edge_threshold", "n_edges", "faithfulness"), of_edges)


def _signature() -> inspect.Signature:
    first = Parameter("circuits", Parameter.KEYWORD_ONLY, annotation=CircuitsArgument)
    own = [(name, kind, default) for name, _, kind, default in _GIVEN]
    own += [("last_features", LastOption, 0)]
    own += [("store", StoreOption, None), ("database", DatabaseOption, None), ("version", VersionOption, False)]
    options = [Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind) for name, kind, default in own]
    return inspect.Signature([first, *options])


# Typer reads options from the signature; this one is made from the table above, as the settings are.
measure.__signature__ = _signature()  # type: ignore[attr-defined]
