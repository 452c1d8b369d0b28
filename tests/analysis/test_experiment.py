"""What is left of tasks with and without what circuits share: a table worked out by hand, on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.analysis import sharing_table
from circuit_atlas.cypher import Store
from tests.graphs import OBJECT, OBJECT_EDGES, SUBJECT, SUBJECT_EDGES, circuit, with_measurements
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

HERE, THERE = "he/subject", "he/object"
CIRCUITS = {
    HERE: with_measurements(circuit(HERE, SUBJECT, SUBJECT_EDGES), []),
    THERE: with_measurements(circuit(THERE, OBJECT, OBJECT_EDGES), []),
}


def run(kept: tuple[float, float], ablated: tuple[float, float], **more: Any) -> dict[str, Any]:
    """A run on two items whose whole model has 2 and 4 and the empty one 0, so that a mean metric of 3 is all."""
    found = {
        **{"kind": "circuit", "node_threshold": 0.2, "n_nodes": 3, "n_active": 12.0, "items": [0, 1]},
        **{"ablation": "mean", "means_over": "clean+patch", "errors": "default", "level": "sum", "start_layer": 0},
        **{"split": "held-out", "data_digest": "d", "n_examples": 2},
        **{"full": [2.0, 4.0], "empty": [0.0, 0.0], "circuit": list(kept), "complement": list(ablated)},
        **{"m_full": 3.0, "m_empty": 0.0, "m_circuit": sum(kept) / 2, "m_complement": sum(ablated) / 2},
        **{"faithfulness": sum(kept) / 6, "completeness": sum(ablated) / 6},
    }
    return found | more


def random(faithfulness: float, completeness: float, seed: int) -> dict[str, Any]:
    """A random circuit beside it."""
    kept, ablated = (2 * faithfulness, 4 * faithfulness), (2 * completeness, 4 * completeness)
    return run(kept, ablated, kind="random", seed=seed)


MEASURED: dict[tuple[str, str], list[dict[str, Any]]] = {
    (HERE, HERE): [
        run((1.0, 2.0), (0.5, 1.0)),
        *(random(kept, ablated, seed) for seed, (kept, ablated) in enumerate([(0.1, 0.9), (0.2, 0.8), (0.3, 0.4)])),
        run((2.0, 4.0), (0.0, 0.0), errors="remove"),
        run((2.0, 4.0), (0.0, 0.0), ablation="zero", means_over="none"),
        run((2.0, 4.0), (0.0, 0.0), level="keep"),
        run((2.0, 4.0), (0.0, 0.0), node_threshold=0.3, n_nodes=2),
    ],
    (HERE, THERE): [run((2.0, 1.0), (2.0, 4.0))],
    (HERE, "elsewhere"): [run((2.0, 4.0), (0.0, 0.0))],
    (THERE, THERE): [run((-0.5, -1.0), (3.0, 6.0), node_threshold=0.1)],
}


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine, measured on tasks of their own and of others."""
    filled = Filled(request, tmp_path_factory.mktemp("experiment"), list(CIRCUITS.values()))
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, stores: Mapping[str, Store]) -> Store:
    """The store of each engine."""
    return measured(stores[request.param])


def measured(store: Store) -> Store:
    """The store with all that was measured; what is there already is written anew."""
    for (name, task), runs in MEASURED.items():
        key = CIRCUITS[name].circuit_id
        rows = [{"id": f"{key}/{task.replace('/', '%2F')}/{number}", **one} for number, one in enumerate(runs)]
        store.add_measurements(key, {"id": task, "kind": "contrastive"}, rows)
    return store


def test_a_row_a_circuit_and_task_at_the_threshold_that_is_named(store: Store) -> None:
    """One circuit keeps half of every example of its task; of the other task 2 of 2 and 1 of 4, and so 3 of 6."""
    table = sharing_table(store, [(THERE, 0.1), (HERE, 0.2)], [THERE, HERE], resamples=200)
    named = ["circuit", "task", "n_nodes", "node_threshold", "kept", "ablated"]
    assert [tuple(row) for row in table[named].itertuples(index=False)] == [
        (THERE, THERE, 3, 0.1, pytest.approx(-0.25), pytest.approx(1.5)),
        (HERE, THERE, 3, 0.2, pytest.approx(0.5), pytest.approx(1.0)),
        (HERE, HERE, 3, 0.2, pytest.approx(0.5), pytest.approx(0.25)),
    ]
    # Each of two items is drawn twice in a quarter of the resamples.
    assert table["kept_low"].tolist() == pytest.approx([-0.25, 0.25, 0.5])
    assert table["kept_high"].tolist() == pytest.approx([-0.25, 1.0, 0.5])
    assert table["ablated_low"].tolist() == table["ablated_high"].tolist() == pytest.approx([1.5, 1.0, 0.25])
    # Of 0.1, 0.2 and 0.3 nine tenths of the way from the second to the third; of 0.9, 0.8 and 0.4 the second.
    assert table["kept_random"].tolist() == pytest.approx([float("nan"), float("nan"), 0.29], nan_ok=True)
    assert table["ablated_random"].tolist() == pytest.approx([float("nan"), float("nan"), 0.8], nan_ok=True)
    assert set(table.attrs["descriptions"]) == set(table.columns)
    assert [one["params"]["circuit"] for one in table.attrs["queries"]] == [THERE, HERE]


def test_what_was_not_measured_has_no_row(store: Store) -> None:
    assert sharing_table(store, [(HERE, 0.25)], [HERE, THERE], resamples=10).empty
    assert sharing_table(store, [(THERE, 0.1)], [HERE], resamples=10).empty


def test_both_engines_give_the_same_rows(stores: Filled) -> None:
    asked = ([(HERE, 0.2), (THERE, 0.1)], [HERE, THERE, "elsewhere"])
    one, other = (sharing_table(measured(store), *asked, resamples=100) for store in stores.values())
    assert len(one) == 4
    pd.testing.assert_frame_equal(one, other, rtol=1e-12)
