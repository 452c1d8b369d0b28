"""The command line's reference page: `python -m circuit_atlas.cli.reference > docs/command-line.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from circuit_atlas.cli.app import app

_HEAD = """\
# The command line

Written from the commands' own help by `python -m circuit_atlas.cli.reference > docs/command-line.md`.

Every command on a graph takes `--store` (before or after its name): `ladybug:PATH` or a plain path for the embedded
engine, `neo4j://`, `bolt://` or `neo4j+s://` for a server. Without it the store is the one that
`CIRCUIT_ATLAS_STORE` names, else `./atlas.lbug`.

Results go to standard output, progress and messages to standard error. In a pipe tables are not cut to a width and
nothing is coloured; `NO_COLOR` is respected on a terminal too.

| exit code | means |
|---|---|
| 0 | it held |
| 2 | something you can mend, said in one line on standard error; also Ctrl-C: every circuit already written stays |
| 1 | a defect of ours, said in one line; `CIRCUIT_ATLAS_DEBUG=1` shows the traceback of any error |

| variable | means |
|---|---|
| `CIRCUIT_ATLAS_STORE` | the store, where `--store` is not given |
| `CIRCUIT_ATLAS_WAIT` | seconds to wait while another process writes the embedded store (30) |
| `CIRCUIT_ATLAS_CACHE` | where finished batches of unfinished runs are kept, in place of the user's cache folder |
| `CIRCUIT_ATLAS_DEBUG` | show tracebacks and what the libraries say |
| `NEO4J_USERNAME`, `NEO4J_PASSWORD`, `NEO4J_DATABASE` | for a Neo4j server, where the URL does not say |
"""


def page() -> str:
    """Return the whole page as Markdown."""
    group = typer.main.get_group(app)
    return "\n".join([_HEAD, *(line for name, command in group.commands.items() for line in _command(name, command))])


def _command(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}\n"
    yield _prose(command.help)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    if arguments:
        yield "\n".join(f"- `{argument.metavar}`: {argument.help}" for argument in arguments) + "\n"
    yield "| option | meaning |\n|---|---|"
    for option in (p for p in command.params if p.param_type_name == "option"):
        yield f"| `{', '.join(option.opts)}` | {_cell(option)} |"
    yield ""


def _prose(text: str) -> str:
    """Turn help into Markdown: what it keeps as it stands becomes a block of code."""
    parts = [part for part in text.split("\n\n") if part.strip()]
    shown = []
    for part in parts:
        lines = part.splitlines()
        shown.append("\n".join(["```", *lines[1:], "```"]) if lines[0].strip() == "\b" else part)
    return "\n\n".join(shown) + "\n"


def _cell(option: Any) -> str:
    given = option.default
    told = option.show_default if isinstance(option.show_default, str) else getattr(given, "value", given)
    stated = "" if given in (None, False, ()) or callable(given) else f" Default: {told}."
    return str(option.help).replace("|", "\\|") + stated


if __name__ == "__main__":
    sys.stdout.write(page())
