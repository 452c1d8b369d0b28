"""What a table of faithfulness says of cells that are blank because the figure is undefined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer

from circuit_atlas.cli.output import plain_value


def say_undefined(faithfulness: Iterable[Any]) -> None:
    """Print a line where some of these figures are missing."""
    values = [plain_value(value) for value in faithfulness]
    missing = sum(value is None for value in values)
    if missing:
        typer.echo(
            f"faithfulness is undefined in {missing} of {len(values)} rows: the model's metric is the same with every "
            "unit ablated, m(M) = m(∅), so there is nothing to explain on these examples"
        )
