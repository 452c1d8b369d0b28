"""The reference page in the docs says what the schema says."""

from __future__ import annotations

from pathlib import Path

from circuit_atlas.cypher.schema import LABELS, RELATIONSHIPS
from circuit_atlas.cypher.schema_page import page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "schema.md"


def test_the_page_in_the_docs_is_current() -> None:
    again = "run `python -m circuit_atlas.cypher.schema_page > docs/schema.md`"
    assert PAGE.read_text(encoding="utf-8") == page(), again


def test_every_label_relationship_and_property_is_on_the_page() -> None:
    text = page()
    for label in LABELS:
        section = text.partition(f"\n### {label.name}\n")[2].partition("\n### ")[0]
        assert all(f"`{item.name}`" in section for item in label.properties), label.name
    for relationship in RELATIONSHIPS:
        assert f"| `{relationship.name}` |" in text
        section = text.partition(f"\n### {relationship.name}\n")[2].partition("\n### ")[0]
        assert all(f"`{item.name}`" in section for item in relationship.properties), relationship.name


def test_no_cell_breaks_its_table() -> None:
    rows = [line for line in page().splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {4}
