"""`circuit-atlas discover`: one circuit from a model, its dictionaries and examples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, change_store, say_next
from circuit_atlas.cli.output import cell
from circuit_atlas.cli.quiet import silence_libraries
from circuit_atlas.cli.reporting import reporter
from circuit_atlas.cli.settings_options import settings_parameters
from circuit_atlas.cli.stated import stated
from circuit_atlas.ingest.settings import FIELDS, DiscoverSettings, load_settings
from circuit_atlas.ingest.texts import read_texts

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="TOML file of settings, named as the options with underscores; options win over it. "
        "Paths in it are relative to it.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what the run would do and cost; run and write nothing.")
]


def discover(settings: Path | None, dry_run: bool, store: str | None, database: str | None, **given: Any) -> None:
    """Find the circuit of one behaviour and write it to the store.

    Runs the model on pairs of prompts, attributes the difference of their answers to the features of the dictionaries,
    keeps the strongest and the edges between them, measures how faithful they are, and writes it all as one circuit.
    Running it again with the same settings replaces the circuit.

    \b
    Examples, in a file of JSON lines:
      {"clean_prefix": "The man", "patch_prefix": "The men", "clean_answer": " runs", "patch_answer": " run"}

    \b
      circuit-atlas discover --model ./gpt --dictionaries ./saes --examples agreement.jsonl --dry-run
      circuit-atlas discover --settings agreement.toml --method atp --store neo4j://localhost:7687
    """
    silence_libraries()
    chosen = load_settings(settings, {name: given[name] for name in FIELDS if given.get(name) is not None})
    read_texts(chosen)  # what is wrong with the examples is told before torch is loaded
    if dry_run:
        _say_plan(chosen)
    else:
        _discover(chosen, store, database)


def _say_plan(settings: DiscoverSettings) -> None:
    from circuit_atlas.ingest import plan

    for line in plan(settings).lines:
        typer.echo(line)


def _discover(settings: DiscoverSettings, store: str | None, database: str | None) -> None:
    from circuit_atlas.ingest import discover as run

    # Opened first: a store that cannot be written is said before the model runs, not after.
    with change_store(store, database, create=True) as place:
        circuit = run(settings, store=place, reporter=reporter())
        typer.echo(f"wrote {circuit.name} to {place.url}")
        made = circuit.rows.nodes
        digests = [row["weights_digest"] for row in made["Sae"]]
        for name, value in (circuit.summary | stated(made["Circuit"][0], made["Model"][0], digests)).items():
            if value is not None:
                typer.echo(f"  {name + ':':<17}{_figure(value)}")
        say_next([["show", circuit.name]], place, store)


def _figure(value: Any) -> str:
    """Show a figure; of several sizes of one circuit, each with its size."""
    if isinstance(value, Mapping):
        return ", ".join(f"{cell(figure)} ({size} nodes)" for size, figure in value.items())
    return cell(value)


def _signature() -> inspect.Signature:
    own = (
        ("settings", SettingsOption, None),
        ("dry_run", DryRunOption, False),
        ("store", StoreOption, None),
        ("database", DatabaseOption, None),
        ("version", VersionOption, False),
    )
    mine = [Parameter(name, Parameter.KEYWORD_ONLY, default=value, annotation=kind) for name, kind, value in own]
    return inspect.Signature([*settings_parameters(), *mine])


# Typer reads options from the signature; this one is made from the settings' fields.
discover.__signature__ = _signature()  # type: ignore[attr-defined]
