"""The page of a circuit of groups: drawn as what it is, with the features that its groups hold, and without curves."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuit_atlas.analysis.structure import group_circuit, group_nodes
from circuit_atlas.cypher import connect
from tests.analysis.test_groups import TWIN_EDGES, TWINS
from tests.dashboard.test_bad_stores import shown
from tests.graphs import circuit

pytestmark = pytest.mark.slow


def test_the_page_of_a_circuit_of_groups(tmp_path: Path) -> None:
    url = f"ladybug:{tmp_path / 'atlas.lbug'}"
    with connect(url) as store:
        store.write([circuit("twins", TWINS, TWIN_EDGES)])
        store.write([group_circuit(store, group_nodes(store, "twins"), "grouped")])  # first in the alphabet

    page = shown(url)

    assert not page.exception
    assert not page.error
    said = [block.value for block in page.markdown]
    assert "**4 nodes, 4 edges** drawn of 4 / 4, and the target" in said
    assert not [words for words in said if words.startswith("**Curves**")]
    (groups,) = (table.value for table in page.dataframe if "held" in table.value)
    assert groups.to_numpy().tolist() == [
        ["resid_1/3+1", "subject", 4.0, 2, "3 4"],
        ["embed/2+1", "subject", 3.0, 2, "1 2"],
        ["embed/3", "subject", 1.0, 1, "3"],
    ]
    assert any("MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:HOLDS]->" in block.value for block in page.code)
