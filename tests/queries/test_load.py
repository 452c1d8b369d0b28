"""The library refuses a broken file with its line, and a wrong parameter with its type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuit_atlas.cypher.library import find_query, load_library, parse_query_text
from circuit_atlas.cypher.library.parse import has_header
from circuit_atlas.errors import QueryError

SOUND = """\
// name: weights
// topic: mine
// summary: Weights of one circuit.
// key: id
// param circuit: circuit | name of the circuit
// param level: one of feature, role = feature | where two count as the same
// param floor: float = 0.5 | least weight
// param limit: integer = 20 | at most so many rows
// param strict: boolean = false | whether to be strict
// column id: string | key
// column effect: float [units of the metric] | effect
// column layer: integer or null | layer
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name = $circuit AND n.effect > $floor AND ($strict OR $level = 'role')
RETURN n.id AS id, n.effect AS effect, n.layer AS layer
ORDER BY id
LIMIT $limit
"""


def test_a_sound_text_becomes_a_query() -> None:
    query = parse_query_text(SOUND)
    assert (query.name, query.topic, query.summary, query.key) == (
        "weights",
        "mine",
        "Weights of one circuit.",
        ("id",),
    )
    assert [(p.name, p.type, p.default) for p in query.params] == [
        ("circuit", "circuit", None),
        ("level", "string", "feature"),
        ("floor", "float", 0.5),
        ("limit", "integer", 20),
        ("strict", "boolean", False),
    ]
    assert [(c.name, c.type.value, c.unit, c.nullable) for c in query.columns] == [
        ("id", "string", "", False),
        ("effect", "float", "units of the metric", False),
        ("layer", "integer", "", True),
    ]
    assert query.cypher.startswith("MATCH (c:Circuit)")


def test_explain_says_what_it_takes_and_gives() -> None:
    text = parse_query_text(SOUND).explain()
    for part in ("Weights of one circuit.", "circuit: circuit, required", "one of feature, role, default 'feature'"):
        assert part in text
    assert "effect: float [units of the metric]" in text
    assert "RETURN n.id AS id" in text


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("// name: weights\n", "", 1, "declares no name"),
        ("// name: weights", "// name: Weights!", 1, "no name of a query"),
        ("// topic: mine", "// topci: mine", 2, "not a declaration"),
        ("// topic: mine", "// name: again", 2, "declared twice"),
        ("// key: id", "// key: identity", 1, "'identity', which is no column"),
        ("param floor: float = 0.5 |", "param floor: number = 0.5 |", 7, "no type of a parameter"),
        ("param floor: float = 0.5 |", "param floor: float = half |", 7, "not of type float"),
        ("param floor: float = 0.5 |", "param floor float", 7, "'param NAME: TYPE = DEFAULT | meaning'"),
        ("= feature |", "= unit |", 6, "not one of feature, role"),
        ("n.effect > $floor", "n.effect > 0.5", 1, "'floor' is declared but never used"),
        ("n.effect > $floor", "n.effect > $floor + $more", 14, "$more is used but not declared"),
        ("// column layer: integer or null | layer\n", "", 14, "'layer' is returned but not declared"),
        ("n.effect AS effect, ", "", 15, "'effect' is declared but not returned"),
        ("n.effect AS effect, n.layer AS layer", "n.layer AS layer, n.effect AS effect", 15, "another order"),
        ("column layer: integer or null |", "column layer: whole |", 12, "no type of a column"),
        ("column layer: integer or null |", "column layer |", 12, "'column NAME: TYPE [unit] | meaning'"),
        ("// param strict", "// param floor", 1, "'floor' is declared twice"),
        ("ORDER BY id\n", "ORDER BY effect\n", 15, "ORDER BY must end with id"),
        ("n.layer AS layer", "labels(n) AS layer", 15, "labels()"),
    ],
)
def test_a_broken_text_is_refused_with_file_and_line(old: str, new: str, line: int, words: str) -> None:
    assert old in SOUND
    with pytest.raises(QueryError) as caught:
        parse_query_text(SOUND.replace(old, new, 1), Path("mine.cypher"))
    message = str(caught.value)
    assert message.startswith(f"mine.cypher:{line}: "), message
    assert words in message
    assert "\n" not in message


def test_a_header_without_cypher_is_refused() -> None:
    with pytest.raises(QueryError, match="no Cypher after the header"):
        parse_query_text(SOUND[: SOUND.index("MATCH")])


def test_a_folder_refuses_two_of_one_name_and_names_unlike_files(tmp_path: Path) -> None:
    for topic in ("mine", "yours"):
        (tmp_path / topic).mkdir()
        text = SOUND.replace("topic: mine", f"topic: {topic}")
        (tmp_path / topic / "weights.cypher").write_text(text, encoding="utf-8")
    with pytest.raises(QueryError, match=r"yours/weights\.cypher:1: the name 'weights' is already that of .*mine"):
        load_library(tmp_path)
    (tmp_path / "yours" / "weights.cypher").unlink()
    (tmp_path / "mine" / "weights.cypher").rename(tmp_path / "mine" / "other.cypher")
    with pytest.raises(QueryError, match="not the name of its file"):
        load_library(tmp_path / "mine")
    with pytest.raises(QueryError, match="there are no queries"):
        load_library(tmp_path / "yours")


def test_bind_casts_what_a_command_line_gives_and_fills_in_defaults() -> None:
    query = parse_query_text(SOUND)
    given = {"circuit": "a", "floor": "1e-3", "limit": "5", "strict": "yes", "level": "role"}
    wanted = {"circuit": "a", "level": "role", "floor": 0.001, "limit": 5, "strict": True}
    assert query.bind(given) == wanted
    assert query.bind({"circuit": "a"}) == {
        "circuit": "a", "level": "feature", "floor": 0.5, "limit": 20, "strict": False,
    }  # fmt: skip
    numbers = query.bind({"circuit": "a", "limit": np.int64(3), "floor": np.float32(0.25), "strict": np.bool_(True)})
    assert [type(numbers[name]) for name in ("limit", "floor", "strict")] == [int, float, bool]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "needs the parameter 'circuit' (circuit): name of the circuit"),
        ({"circuit": 3}, "'circuit' of query 'weights' is 3; it must be of type circuit"),
        ({"circuit": "a", "floor": "much"}, "'floor' of query 'weights' is 'much'; it must be of type float"),
        ({"circuit": "a", "floor": "nan"}, "must be of type float"),
        ({"circuit": "a", "floor": True}, "must be of type float"),
        ({"circuit": "a", "limit": "2.5"}, "must be of type integer"),
        ({"circuit": "a", "limit": 2.5}, "must be of type integer"),
        ({"circuit": "a", "strict": "perhaps"}, "must be of type boolean"),
        ({"circuit": "a", "level": "unit"}, "it must be one of feature, role"),
        ({"circuit": "a", "limt": 2}, "no parameter 'limt'; did you mean 'limit'?"),
        ({"circuit": "a", "zzz": 2}, "it takes circuit, level, floor, limit, strict"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_type(params: dict[str, object], words: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query_text(SOUND).bind(params)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_query_suggests_the_nearest() -> None:
    with pytest.raises(QueryError, match="there is no query 'overlap_node'; did you mean 'overlap_nodes'"):
        find_query("overlap_node")
    with pytest.raises(QueryError, match="list them with"):
        find_query("xyzzy-1234")


def test_the_library_has_what_was_promised() -> None:
    library = load_library()
    assert len(library) >= 20
    assert {query.path.suffix for query in library.values() if query.path} == {".cypher"}
    assert all(query.summary.endswith(".") for query in library.values())


def test_a_header_is_told_from_bare_cypher() -> None:
    assert has_header(SOUND)
    assert not has_header("// all circuits\nMATCH (c:Circuit) RETURN c.name")


def test_lists_without_an_order_of_their_own_are_declared() -> None:
    declared = SOUND.replace("// key: id\n", "// key: id\n// unordered: effect, layer\n")
    assert parse_query_text(declared).unordered == ("effect", "layer")
    assert parse_query_text(SOUND).unordered == ()
    with pytest.raises(QueryError, match="the word 'unordered' names 'weight', which is no column"):
        parse_query_text(declared.replace("effect, layer", "effect, weight"))
