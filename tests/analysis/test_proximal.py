"""The last layer's features, ablated alone and together: credits worked out by hand, on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.analysis import proximal_causes
from circuit_atlas.cypher import CircuitRows, Store
from tests.graphs import Edge, Unit, circuit, with_measurements
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

UNITS: list[Unit] = [
    ("resid_1", 3, 2, 2.0),
    ("resid_1", 4, 2, -1.0),
    ("resid_1", 4, 3, 0.25),
    ("resid_1", 5, 3, 0.5),
    ("mlp_0", 7, 3, 1.5),
    ("mlp_0", None, 3, 9.0),
]
EDGES: list[Edge] = [(number, -1, 1.0) for number in range(len(UNITS))]


def removed(name: str, number: int, *changes: float, **more: Any) -> dict[str, Any]:
    """A measurement of the whole model, metric 1 and 3 and ranks 1 and 2, that changes by so much without `name`."""
    metric = [whole + change for whole, change in zip((1.0, 3.0), changes, strict=True)]
    return {
        **{"kind": "proximal", "removed": name, "n_nodes": number, "level": "keep", "items": [0, 1]},
        **{"circuit": metric, "ranks_full": [1, 2], "ranks": [4, 1], **more},
    }


def measured() -> CircuitRows:
    """Five features of two sites; then the three strongest, once more; then two at every position."""
    rows = circuit("proximal", UNITS, EDGES)
    return with_measurements(
        rows,
        [
            removed("resid_1/feature/3/2", 1, 1.0, 2.0),
            removed("mlp_0/feature/7/3", 1, -0.5, -0.25),
            removed("resid_1/feature/4/2", 1, -1.0, -1.0),
            removed("resid_1/feature/5/3", 1, 0.5, 0.0),
            removed("resid_1/feature/4/3", 1, 0.25, 0.25),
            removed("resid_1/*", 4, 2.0, 1.0),
            removed("*", 5, 3.0, 2.0),
            removed("resid_1/*", 2, 1.0, 0.5),
            removed("*", 3, 2.0, 1.0),
            removed("resid_1/feature/3/*", 1, 1.0, 1.0, level="sum"),
            removed("resid_1/feature/4/*", 1, 1.0, 1.0, level="sum"),
            removed("resid_1/*", 2, 1.0, 1.0, level="sum"),
            removed("resid_1/feature/4/verb", 1, 1.0, 1.0, level="role"),
            removed("resid_1/feature/99/verb", 1, 1.0, 1.0, level="role"),
            removed("resid_1/*", 2, 1.0, 1.0, level="role"),
        ],
    )


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuit on each engine."""
    filled = Filled(request, tmp_path_factory.mktemp("proximal"), [measured()])
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, stores: Mapping[str, Store]) -> Store:
    """The store of each engine."""
    return stores[request.param]


def test_credits_add_up_within_one_site_alone(store: Store) -> None:
    table = proximal_causes(store, "proximal", resamples=50)
    shown = table[["level", "removed", "n_removed", "effect", "change", "as_credited"]]
    found = [tuple(None if pd.isna(value) else value for value in row) for row in shown.itertuples(index=False)]
    assert found == [
        ("keep", "resid_1/feature/3/2", 1, 2.0, 1.5, True),
        ("keep", "mlp_0/feature/7/3", 1, 1.5, -0.375, False),
        ("keep", "resid_1/feature/4/2", 1, -1.0, -1.0, True),
        ("keep", "resid_1/feature/5/3", 1, 0.5, 0.25, True),
        ("keep", "resid_1/feature/4/3", 1, 0.25, 0.25, True),
        ("keep", "resid_1/*", 2, 1.0, 0.75, True),  # 2 - 1: of the site's two strongest alone
        ("keep", "resid_1/*", 4, 1.75, 1.5, True),
        ("keep", "*", 3, None, 1.5, None),
        ("keep", "*", 5, None, 2.5, None),
        ("role", "resid_1/feature/4/verb", 1, 0.25, 1.0, True),
        ("role", "resid_1/feature/99/verb", 1, None, 1.0, None),
        ("role", "resid_1/*", 2, None, 1.0, None),
        ("sum", "resid_1/feature/3/*", 1, 2.0, 1.0, True),
        ("sum", "resid_1/feature/4/*", 1, -0.75, 1.0, False),  # -1 + 1/4 at two positions
        ("sum", "resid_1/*", 2, 1.25, 1.0, True),
    ]
    first = table.iloc[0]
    assert first[["rank", "rank_without", "fell", "rose"]].tolist() == [1.5, 2.5, 0.5, 0.5]
    assert (first["change_low"], first["change_high"]) == (1.0, 2.0)
    assert [one["query"] for one in table.attrs["queries"]] == ["proximal", "nodes"]
    assert set(table.attrs["descriptions"]) == set(table.columns)


def test_they_are_no_measurements_of_the_circuit(store: Store) -> None:
    assert store.query("measurements", circuit="proximal").empty
    assert set(store.query("measurement_items", circuit="proximal")["kind"]) == {"proximal"}


def test_both_engines_give_the_same_rows(stores: Filled) -> None:
    one, other = (proximal_causes(store, "proximal", resamples=50) for store in stores.values())
    pd.testing.assert_frame_equal(one, other)
    one, other = (store.query("proximal", circuit="proximal") for store in stores.values())
    pd.testing.assert_frame_equal(one, other)
