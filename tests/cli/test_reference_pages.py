"""The pages in the docs that are written from the code say what the code says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from circuit_atlas.cli import reference
from circuit_atlas.cypher.library import load_library
from circuit_atlas.cypher.library import page as library

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {
    "command-line.md": (reference.page, "python -m circuit_atlas.cli.reference > docs/command-line.md"),
    "queries.md": (library.page, "python -m circuit_atlas.cypher.library.page > docs/queries.md"),
}


@pytest.mark.parametrize(("name", "page", "again"), [(n, *p) for n, p in PAGES.items()], ids=PAGES)
def test_the_page_in_the_docs_is_current(name: str, page: Callable[[], str], again: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == page(), f"run `{again}`"


def test_every_query_parameter_and_column_is_on_the_page() -> None:
    text = library.page()
    for query in load_library().values():
        section = text.partition(f"\n### {query.name}\n")[2].partition("\n### ")[0]
        assert query.summary in section
        names = [*(param.name for param in query.params), *(column.name for column in query.columns)]
        assert all(f"| `{name}` |" in section for name in names), query.name
