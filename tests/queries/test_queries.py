"""Every query of the library on both engines: rows worked out by hand, the same types, the same table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.cypher import Store
from circuit_atlas.cypher.declared import PropertyType
from circuit_atlas.cypher.library import Query, load_library
from tests.queries.circuits import EMBED_1, Case, four_circuits, in_order
from tests.queries.expected import CASES
from tests.store_fixtures import ENGINES, Filled

SAMPLES: dict[str, Any] = {
    "circuit": "he/subject",
    "other": "pool",
    "circuit_a": "pool",
    "circuit_b": "he/subject",
    "unit": "resid_1/feature/3",
    "node": "mlp_0/feature/7",
    "feature": EMBED_1,
}
LIBRARY = load_library()


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine."""
    filled = Filled(request, tmp_path_factory.mktemp("queries"), four_circuits())
    yield filled
    filled.close()


def plain(value: Any) -> Any:
    """A cell as Python's own value, null as None."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, (int, float)):
        return math.isclose(left, right, rel_tol=1e-12, abs_tol=1e-12)
    return bool(left == right)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{case.query}" for n, case in enumerate(CASES)])
def test_rows_are_those_worked_out_by_hand(case: Case, engine: str, stores: Mapping[str, Store]) -> None:
    table = in_order(stores[engine].query(case.query, **case.params), LIBRARY[case.query])
    rows = [tuple(plain(value) for value in row) for row in table[case.columns.split()].itertuples(index=False)]
    assert len(rows) == len(case.rows), rows
    for row, wanted in zip(rows, case.rows, strict=True):
        assert all(map(same, row, wanted)), (row, wanted)


def test_every_query_has_rows_worked_out_by_hand() -> None:
    assert {case.query for case in CASES} == LIBRARY.keys()


def variants(query: Query) -> list[dict[str, Any]]:
    """Parameters that try every choice of a query, and thresholds above and below its values."""
    needed = {param.name: SAMPLES[param.name] for param in query.params if param.required}
    found = [needed]
    for param in query.params:
        found += [needed | {param.name: choice} for choice in param.choices]
        if param.type == "float":
            found += [needed | {param.name: value} for value in (0.3, 100.0)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARY)
def test_both_engines_give_the_same_table(name: str, stores: Mapping[str, Store]) -> None:
    for params in variants(LIBRARY[name]):
        one, other = (in_order(store.query(name, **params), LIBRARY[name]) for store in stores.values())
        pd.testing.assert_frame_equal(one, other, rtol=1e-12, atol=1e-12)
        assert one.attrs == other.attrs


PYTHON_TYPES: dict[PropertyType, tuple[type, ...]] = {
    PropertyType.STRING: (str,),
    PropertyType.INTEGER: (int,),
    PropertyType.FLOAT: (float,),
    PropertyType.BOOLEAN: (bool,),
    PropertyType.STRINGS: (list,),
    PropertyType.INTEGERS: (list,),
    PropertyType.FLOATS: (list,),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LIBRARY)
def test_raw_rows_have_the_declared_types_and_unique_keys(name: str, engine: str, stores: Mapping[str, Store]) -> None:
    query = LIBRARY[name]
    for params in variants(query):
        rows = stores[engine].rows(query.cypher, query.bind(params))
        for row in rows:
            for column in query.columns:
                value = row[column.name]
                null_is_fine = column.nullable or column.type is PropertyType.FLOAT
                assert (value is None and null_is_fine) or type(value) in PYTHON_TYPES[column.type], (column, value)
        keys = [tuple(row[column] for column in query.key) for row in rows]
        assert len(set(keys)) == len(keys)
        assert query.key or len(rows) <= 1


def test_all_pairs_say_the_same_as_one_pair(stores: Mapping[str, Store]) -> None:
    store = stores["ladybug"]
    for what in ("nodes", "edges"):
        for level in ("feature", "role", "position"):
            for row in store.query(f"overlap_all_{what}", level=level).to_dict("records"):
                one = store.query(
                    f"overlap_{what}", circuit_a=row["circuit_a"], circuit_b=row["circuit_b"], level=level
                ).set_index("kind")
                for figure in one.columns:
                    assert one.loc["feature", figure] == pytest.approx(row[figure]), (row, figure)


def test_a_table_names_its_query_its_parameters_and_units(stores: Mapping[str, Store]) -> None:
    table = stores["ladybug"].query("edges", circuit="sva", edge_threshold="0.25")
    assert table.attrs["query"] == "edges"
    assert table.attrs["params"] == {"circuit": "sva", "node_threshold": 0.0, "edge_threshold": 0.25}
    assert table.attrs["units"]["weight"] == "units of the metric"
    assert table["weight"].tolist() == [0.5, 0.5]  # 0.1 and 0.125 are below
