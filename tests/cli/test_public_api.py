"""What a notebook imports: light to import, the names that the docs use, and the same answers as the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

import circuit_atlas


@pytest.mark.parametrize("name", sorted(set(circuit_atlas.__all__) - {"__version__"}))
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    found = getattr(circuit_atlas, name)
    assert callable(found)
    assert found.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="conect"):
        circuit_atlas.conect  # noqa: B018


def test_importing_loads_neither_torch_nor_an_engine() -> None:
    code = "import sys, circuit_atlas; print([m for m in ('torch', 'ladybug', 'neo4j', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize("first", ["plan", "discover", "load"])
def test_discover_is_the_function_whatever_was_imported_first(first: str) -> None:
    code = f"from circuit_atlas.ingest import {first}, discover; assert callable(discover), discover"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_notebook_asks_as_the_docs_show(store: str) -> None:
    with circuit_atlas.connect(store) as graph:
        circuits = graph.query("circuits")
        assert circuits["name"].tolist() == ["he/object", "he/subject", "sva"]
        assert circuits["faithfulness"].dtype == float
        paths = circuit_atlas.strongest_paths(graph, "he/subject", k=1)
        assert paths["strength"].tolist() == pytest.approx([0.4 * -0.9 * 2.0 / (-1.0 * 2.0)])
