"""`circuit-atlas demo`: the circuits of the model that is shipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.headline import COLUMNS, headline
from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, change_store
from circuit_atlas.cli.output import print_table
from circuit_atlas.cli.quiet import silence_libraries
from circuit_atlas.cli.reporting import reporter

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store
    from circuit_atlas.ingest import DiscoverSettings


def demo(store: StoreOption = None, database: DatabaseOption = None, version: VersionOption = False) -> None:
    """Find, measure and compare the circuits of the shipped model.

    Takes 2 to 3 minutes on two cores. Each circuit is written as soon as it is found, so that Ctrl-C loses only the
    one at work; running it again replaces what is there.
    """
    silence_libraries()
    typer.echo("loading the shipped model and its dictionaries", err=True)
    with change_store(store, database, create=True) as place:
        names = _discover_all(place)
        typer.echo(f"\n{len(names)} circuits in {place.url}\n")
        _say_circuits(place, names)
        _say_overlap(place, names)
    _say_next(names, store)


def shipped_settings() -> list[DiscoverSettings]:
    """Return the settings of one discovery a shipped task."""
    from circuit_atlas import shipped_files
    from circuit_atlas.ingest import DiscoverSettings

    return [
        DiscoverSettings(
            model=str(shipped_files.model_path()),
            dictionaries=str(shipped_files.dictionaries_path()),
            examples=str(task.train),
            held_out=str(task.test),
            task=task.name,
            name=task.name,
        )
        for task in shipped_files.tasks()
    ]


def _discover_all(store: Store) -> list[str]:
    from circuit_atlas.ingest import discover, load

    every = shipped_settings()
    loaded = load(every[0])
    names = []
    for number, settings in enumerate(every, start=1):
        typer.echo(f"{number} of {len(every)}: {settings.task}", err=True)
        names.append(discover(settings, store=store, reporter=reporter(), loaded=loaded).name)
    return names


def _say_circuits(store: Store, names: Sequence[str]) -> None:
    rows = []
    for name in names:
        circuit = ask(store, "circuit", circuit=name).rows[0]
        rows.append(circuit | headline(ask(store, "measurements", circuit=name).rows))
    print_table(("name", "n_nodes", "n_edges", "accuracy", *COLUMNS), rows)
    typer.echo(
        "\nfaithfulness on held-out examples: 1 is the whole model, 0 the model with every unit at its mean.\n"
        "Kept were `kept` units, of about `of_active` active on one example; `without_errors` leaves the error units\n"
        "out, `random` is the mean of random circuits as large with the same errors."
    )


def _say_overlap(store: Store, names: Sequence[str]) -> None:
    pairs = {(r["circuit_a"], r["circuit_b"]): r["weighted_jaccard"] for r in ask(store, "overlap_all_nodes").rows}
    typer.echo("\nwhat they share: features of both over features of either, weighted by absolute effect\n")
    numbered = {name: str(number) for number, name in enumerate(names, start=1)}
    rows: list[dict[str, Any]] = []
    for name, number in numbered.items():
        shared = {n: _share(pairs, name, other) for other, n in numbered.items()}
        rows.append({"": number, "circuit": name} | shared)
    print_table(("", "circuit", *numbered.values()), rows)


def _share(pairs: dict[tuple[str, str], float], one: str, other: str) -> float:
    return 1.0 if one == other else round(pairs.get((one, other), pairs.get((other, one), 0.0)), 2)


def _say_next(names: Sequence[str], store: str | None) -> None:
    where = f" --store {store}" if store else ""
    typer.echo(
        f"\nnext:\n  circuit-atlas circuits{where}\n  circuit-atlas show {names[0]}{where}\n"
        f"  circuit-atlas compare {names[0]} {names[1]}{where}\n"
        f"  circuit-atlas query hubs{where}\n  circuit-atlas dashboard{where}"
    )
