"""The query library's reference page: `python -m circuit_atlas.cypher.library.page > docs/queries.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby

from circuit_atlas.cypher.library.load import load_library
from circuit_atlas.cypher.library.query import Query

_HEAD = """\
# The query library

Written from the heads of the files in `cypher/queries` by
`python -m circuit_atlas.cypher.library.page > docs/queries.md`.

Run one by `circuit-atlas query NAME -p PARAMETER=VALUE`, or `store.query("NAME", PARAMETER=VALUE)` for a DataFrame.
Every query gives the same rows, types and order on both engines. `circuit-atlas query NAME --explain` shows its Cypher
too.

A parameter of type `circuit` takes a circuit's name, its key, its task where one circuit explains it, or a unique start
of its name.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    queries = sorted(load_library().values(), key=lambda q: (q.topic, q.name))
    lines = [_HEAD]
    for topic, group in groupby(queries, key=lambda q: q.topic):
        lines.append(f"## {topic}\n")
        lines += [line for query in group for line in _query(query)]
    return "\n".join(lines)


def _query(query: Query) -> Iterator[str]:
    yield f"### {query.name}\n"
    yield f"{query.summary}\n"
    if query.params:
        yield "| parameter | type | default | meaning |\n|---|---|---|---|"
        for param in query.params:
            default = "required" if param.required else f"`{param.default}`"
            yield f"| `{param.name}` | {_cell(param.type_in_words)} | {default} | {_cell(param.description)} |"
        yield ""
    yield "| column | type | unit | meaning |\n|---|---|---|---|"
    for column in query.columns:
        kind = f"{column.type.value}{' or null' if column.nullable else ''}"
        yield f"| `{column.name}` | {kind} | {column.unit} | {_cell(column.description)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
