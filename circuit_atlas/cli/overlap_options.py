"""Options that `compare` and `overlap` share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from circuit_atlas.cli.options import finite


class Level(StrEnum):
    """Where two units count as the same."""

    FEATURE = "feature"
    ROLE = "role"
    POSITION = "position"


class Derived(StrEnum):
    """What is done with circuits made of others."""

    DROP = "drop"
    KEEP = "keep"


DerivedOption = Annotated[
    Derived,
    typer.Option(
        "--derived",
        help="Leave out circuits made of others (combine, sharing), which share with those by the way they were made, "
        "or keep them.",
    ),
]
LevelOption = Annotated[
    Level,
    typer.Option(
        "--level",
        help="Where two units count as the same: feature (positions pooled), feature and role, or feature and position "
        "(circuits of one template only).",
    ),
]
NodeThresholdOption = Annotated[
    float,
    typer.Option(
        "--node-threshold", callback=finite, min=0, help="Units of larger absolute effect only (units of the metric)."
    ),
]
EdgeThresholdOption = Annotated[
    float,
    typer.Option(
        "--edge-threshold", callback=finite, min=0, help="Edges of larger absolute weight only (units of the metric)."
    ),
]
NullOption = Annotated[
    bool, typer.Option("--null/--no-null", help="Compare with what chance alone would make circuits share.")
]
DrawsOption = Annotated[
    int,
    typer.Option(
        "--draws", min=1, help="Draws of the null, where it has no exact tail (edges, weighted, role, position)."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of these draws.")]
