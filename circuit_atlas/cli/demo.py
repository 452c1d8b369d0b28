"""`circuit-atlas demo`: the circuits of the model that is shipped."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from circuit_atlas.cli.ask import ask
from circuit_atlas.cli.headline import COLUMNS, headline
from circuit_atlas.cli.options import DatabaseOption, StoreOption, VersionOption, change_store, say_next
from circuit_atlas.cli.output import print_table, records
from circuit_atlas.cli.quiet import silence_libraries
from circuit_atlas.cli.reporting import reporter

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store
    from circuit_atlas.ingest import DiscoverSettings


def demo(store: StoreOption = None, database: DatabaseOption = None, version: VersionOption = False) -> None:
    """Find, measure and compare the circuits of the shipped model.

    Takes about 2 minutes on two cores. Each circuit is written as soon as it is found, so that Ctrl-C loses only the
    one at work; running it again replaces what is there.
    """
    silence_libraries()
    typer.echo("loading the shipped model and its dictionaries", err=True)
    with change_store(store, database, create=True) as place:
        names = _discover_all(place)
        typer.echo(f"\n{len(names)} circuits in {place.url}\n")
        _say_circuits(place, names)
        alike = _say_overlap(place, names)
        after = [["circuits"], ["show", alike[0]], ["compare", *alike], ["query", "hubs"], ["dashboard"]]
        say_next(after, place, store)


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
            task=task.id,
            name=task.id,
            model_id="atlas-demo",
            suite="topk16",
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
    from circuit_atlas.analysis import faithfulness_table

    rows = []
    for name in names:
        circuit = ask(store, "circuit", circuit=name).rows[0]
        rows.append(circuit | headline(records(faithfulness_table(store, name, own=True))))
    print_table(("name", "n_nodes", "n_edges", "accuracy", *COLUMNS), rows)
    typer.echo(
        "\nfaithfulness on held-out examples, with its 95 % interval: 1 is the whole model, 0 every unit at its mean.\n"
        "`kept` units were left, of about `of_active` active on one example. `random_95` is the 95th percentile of\n"
        "`n_random` random circuits as large with the same error units (of 20 or fewer: between the two largest);\n"
        "`without_errors` leaves the error units out."
    )


def _say_overlap(store: Store, names: Sequence[str]) -> tuple[str, str]:
    """Print what each pair of circuits shares; return the two that are most alike."""
    from circuit_atlas.analysis import overlap_matrix

    shares = overlap_matrix(store, measure="weighted_jaccard").to_dict("index")
    typer.echo("\nwhat they share: features of both over features of either, weighted by absolute effect\n")
    numbers = {name: str(number) for number, name in enumerate(names, start=1)}
    rows = [
        {"": number, "circuit": name} | {n: round(float(shares[name][other]), 2) for other, n in numbers.items()}
        for name, number in numbers.items()
    ]
    print_table(("", "circuit", *numbers.values()), rows)
    return max(itertools.combinations(names, 2), key=lambda pair: float(shares[pair[0]][pair[1]]))
