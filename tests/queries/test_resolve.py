"""A circuit is found by name, key, task or the unique start of its name; else the nearest is suggested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from circuit_atlas.cypher import Store, connect
from circuit_atlas.cypher.resolve import resolve_circuit
from circuit_atlas.errors import UnknownCircuitError
from tests.graphs import SVA, SVA_EDGES, circuit


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("resolve") / "atlas.lbug"
    names = ["sva/simple~3f2a", "sva/simple~9c01", "sva/nounpp~77aa", "ioi~1234"]
    with connect(f"ladybug:{path}") as opened:
        opened.write([circuit(name, SVA, SVA_EDGES) for name in names])
        yield opened


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("sva/simple~3f2a", "sva/simple~3f2a"),
        ("toy/circuit/ioi~1234", "ioi~1234"),
        ("ioi", "ioi~1234"),
        ("sva/nounpp", "sva/nounpp~77aa"),
        ("sva/n", "sva/nounpp~77aa"),
        ("sva/simple~9", "sva/simple~9c01"),
    ],
)
def test_it_finds_the_one_that_is_meant(store: Store, given: str, name: str) -> None:
    assert resolve_circuit(store, given) == name
    assert store.query("circuit", circuit=given)["name"].tolist() == [name]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("sva/simple", "means 2 circuits: sva/simple~3f2a, sva/simple~9c01"),
        ("sva", "means 3 circuits"),
        ("sva/nuonpp~77aa", "did you mean 'sva/nounpp~77aa'"),
        ("", "there is no circuit ''"),
    ],
)
def test_else_it_says_what_there_is(store: Store, given: str, words: str) -> None:
    with pytest.raises(UnknownCircuitError, match=words):
        resolve_circuit(store, given)


def test_an_empty_store_says_how_to_fill_it(ladybug_url: str) -> None:
    with connect(ladybug_url) as opened, pytest.raises(UnknownCircuitError, match="circuit-atlas discover"):
        resolve_circuit(opened, "ioi")
