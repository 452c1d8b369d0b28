"""`circuit-atlas models`: the presets, what each needs, and where its dictionaries sit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.options import FormatOption, OutputOption, StoreOption, VersionOption
from circuit_atlas.cli.output import Format, choose_format, emit

if TYPE_CHECKING:
    from circuit_atlas.ingest.presets import Entry, Preset

PresetArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[PRESET]", help="A preset's name, or a TOML file of your own; without it, the presets are listed."
    ),
]

COLUMNS = (
    "preset",
    "model",
    "sites",
    "dictionaries",
    "hooks",
    "releases",
    "dtype",
    "batch_size",
    "parameters",
    "download_gb",
    "disk_gb",
    "memory_gb",
    "summary",
)
SHOWN = ("preset", "model", "sites", "dictionaries", "download_gb", "disk_gb", "memory_gb")
"""Columns that a person's table has; every other format has them all."""

SITE_COLUMNS = (
    "site",
    "hook",
    "release",
    "id",
    "d_in",
    "d_sae",
    "l0",
    "trained_on",
    "download_gb",
    "repository",
    "files",
)
SITE_SHOWN = ("site", "hook", "release", "id", "d_in", "d_sae", "trained_on", "download_gb")


def models(
    preset: PresetArgument = None,
    form: FormatOption = None,
    output: OutputOption = None,
    store: StoreOption = None,
    version: VersionOption = False,
) -> None:
    """List the presets: a model with its dictionaries, by name.

    A preset's name stands for --dictionaries of discover, and then --model may be left out. Sizes are computed from
    shapes, in GB (1e9 bytes): of the files to download, of the disk with one circuit stored, and of the memory of a run
    on a CPU beside some 0.7 GB for programs. With a name, every dictionary and its files are listed.

    \b
      circuit-atlas models
      circuit-atlas models gemma-2-2b
      circuit-atlas models gemma-2-2b --format json
      circuit-atlas discover --dictionaries pythia-70m-deduped --examples agreement.jsonl
    """
    from circuit_atlas.ingest.presets import demand_preset, presets

    chosen = choose_format(form, output)
    if preset is None:
        rows = [_row(found) for found in presets().values()]
        emit(SHOWN if chosen is Format.TABLE else COLUMNS, rows, chosen, output)
        return
    found = demand_preset(preset)
    if chosen is Format.TABLE and output is None:
        _say(found)
    rows = [_site_row(entry) for entry in found.entries]
    emit(SITE_SHOWN if chosen is Format.TABLE else SITE_COLUMNS, rows, chosen, output)


def _say(preset: Preset) -> None:
    """Print a preset's own figures, one a line."""
    row = _row(preset)
    typer.echo(f"{preset.name}: {preset.summary}")
    for name in ("model", "dtype", "batch_size", "parameters", "download_gb", "disk_gb", "memory_gb"):
        shown = f"{row[name]:,}" if isinstance(row[name], int) else row[name]
        typer.echo(f"  {name + ':':<14}{shown}")
    typer.echo("")


def _row(preset: Preset) -> dict[str, Any]:
    from circuit_atlas.ingest.footprint import footprint, parameters

    needs = footprint(preset)
    return {
        "preset": preset.name,
        "model": preset.model,
        "sites": _sites(preset.entries),
        "dictionaries": len(preset.entries),
        "hooks": list(dict.fromkeys(_pattern(entry.hook) for entry in preset.entries)),
        "releases": list(dict.fromkeys(entry.release for entry in preset.entries)),
        "dtype": preset.dtype,
        "batch_size": preset.batch_size,
        "parameters": parameters(preset.shape),
        "download_gb": _gigabytes(needs.download),
        "disk_gb": _gigabytes(needs.disk),
        "memory_gb": _gigabytes(needs.memory),
        "summary": preset.summary,
    }


def _site_row(entry: Entry) -> dict[str, Any]:
    from circuit_atlas.ingest.footprint import dictionary_bytes

    repository, files = entry.place
    return {
        "site": entry.site.name,
        "hook": entry.hook,
        "release": entry.release,
        "id": entry.id,
        "d_in": entry.d_in,
        "d_sae": entry.d_sae,
        "l0": entry.l0,
        "trained_on": entry.trained_on,
        "download_gb": _gigabytes(dictionary_bytes(entry)),
        "repository": repository,
        "files": list(files),
    }


def _sites(entries: tuple[Entry, ...]) -> str:
    """Write sites in short: `embed, attn 0-5, resid 0-5`; layers that are missing break a span."""
    layers: dict[str, list[int]] = {}
    for entry in entries:
        layers.setdefault(entry.site.component, []).append(entry.site.layer)
    return ", ".join(name if name == "embed" else f"{name} {_spans(at)}" for name, at in layers.items())


def _spans(layers: list[int]) -> str:
    spans: list[list[int]] = []
    for layer in layers:
        if spans and layer == spans[-1][1] + 1:
            spans[-1][1] = layer
        else:
            spans.append([layer, layer])
    return "+".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _pattern(hook: str) -> str:
    """Write N for the layer; the stream as it enters the first block is a place of its own."""
    if hook == "blocks.0.hook_resid_pre":
        return hook
    return ".".join("N" if part.isdecimal() else part for part in hook.split("."))


def _gigabytes(size: int) -> float:
    return round(size / 1e9, 3)
