"""What the drawing says in words: the short name under a node, and what is shown when one points at it.

All of it is plain text; nothing here is ever read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

LABEL_LENGTH = 10
"""Characters under a node: what fits between two neighbours of a cell."""

_TOKENS_SHOWN = 6


def number(value: float) -> str:
    """A signed effect or weight to three significant digits, such as `+0.0123`."""
    return f"{value:+.3g}".replace("-", "−")


def clipped(text: str, length: int) -> str:
    """The text in at most `length` characters, the last an ellipsis where it was longer."""
    return text if len(text) <= length else text[: length - 1] + "…"


def visible(token: str) -> str:
    """A token as a reader can see it: blanks and line ends as marks."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def tokens(values: Sequence[str] | None) -> str:
    """The first few tokens of a list, in quotes."""
    return ", ".join(f"“{visible(str(value))}”" for value in list(values if values is not None else ())[:_TOKENS_SHOWN])


def unit_name(row: Mapping[str, Any]) -> str:
    """A unit's name in the field's way: `resid_3/417`, `resid_3/417+2` (a group), `mlp_0/error`, `target`."""
    if row["kind"] == "target":
        return "target"
    site = row["component"] if row["component"] == "embed" else f"{row['component']}_{int(row['layer'])}"
    if row["kind"] == "group":
        return f"{site}/{row['label']}"
    return f"{site}/error" if row["kind"] == "error" else f"{site}/{int(row['feature_index'])}"


def node_label(row: Mapping[str, Any]) -> str:
    """The short text under a node: its label, else its index and the token it fires on most."""
    if row["kind"] not in ("feature", "group"):
        return str(row["kind"])
    if row.get("label"):
        return clipped(str(row["label"]), LABEL_LENGTH)
    fires = row.get("top_tokens")
    first = visible(str(fires[0])).lstrip("␣▁Ġ") if fires is not None and len(fires) else ""
    return clipped(f"{int(row['feature_index'])} {first}".strip(), LABEL_LENGTH)


def node_hover(row: Mapping[str, Any]) -> str:
    """Unit, place, effect, and what the feature fires on and promotes; one line each."""
    named = row.get("label") and row["kind"] != "group"
    lines = [unit_name(row) + (f" · {row['label']}" if named else "")]
    if row.get("position") is not None:
        role = f" ({row['role']})" if row.get("role") else ""
        lines.append(f"position {int(row['position'])}{role}")
    elif row.get("role"):
        lines.append(f"role {row['role']}")
    spread = "" if row.get("effect_se") is None else f" ± {float(row['effect_se']):.2g} (standard error)"
    lines.append(f"effect {number(float(row['effect']))}{spread}")
    for title, key in (("fires on", "top_tokens"), ("promotes", "promotes")):
        if tokens(row.get(key)):
            lines.append(f"{title} {tokens(row.get(key))}")
    return "\n".join(lines)


def edge_hover(source: Mapping[str, Any], target: Mapping[str, Any], weight: float) -> str:
    """Both ends with their positions, and the weight."""
    return f"{_placed(source)} → {_placed(target)}\nweight {number(weight)}"


def _placed(row: Mapping[str, Any]) -> str:
    position = row.get("position")
    return unit_name(row) if position is None else f"{unit_name(row)} at {int(position)}"


def as_text(text: str) -> str:
    """The text with every sign escaped that the page's Markdown would read as markup."""
    return re.sub(r"([\\`*_\[\]$:~#<>|])", r"\\\1", text)
