"""What the queries on certainty answer on the small circuits.

Exact effects are 1.25 times the effect of features, exact weights 0.8 times the weight where it is at least 0.3; the
two examples have 0.5 and 1.5 times the mean.
"""

from __future__ import annotations

from tests.queries.circuits import EMBED_1, MLP_7, OBJECT, RESID_4, RESID_ERROR, SUBJECT, case


def each(mean: float) -> list[float]:
    """The values of the two examples."""
    return [mean * 0.5, mean * 1.5]


CERTAINTY = [
    case(
        "measured_nodes",
        "id kind component layer feature_index position role effect exact_effect effects",
        [
            (f"{OBJECT}/mlp_0/feature/7/2", "feature", "mlp", 0, 7, 2, "subject", 1.5, 1.875, [0.75, 2.25]),
            (f"{OBJECT}/resid_1/feature/4/3", "feature", "resid", 1, 4, 3, "verb", 1.0, 1.25, [0.5, 1.5]),
            (f"{OBJECT}/embed/feature/1/2", "feature", "embed", -1, 1, 2, "subject", 0.25, 0.3125, [0.125, 0.375]),
        ],
        circuit="he/object",
    ),
    case(
        "measured_edges",
        "source_id source_kind source_component source_feature_index source_role target_kind target_component "
        "target_layer target_position weight exact_weight weights",
        [
            (
                f"{OBJECT}/mlp_0/feature/7/2",
                "feature",
                "mlp",
                7,
                "subject",
                "feature",
                "resid",
                1,
                3,
                1.2,
                0.96,
                each(1.2),
            ),
            (
                f"{OBJECT}/resid_1/feature/4/3",
                "feature",
                "resid",
                4,
                "verb",
                "target",
                "target",
                2,
                None,
                1.0,
                0.8,
                each(1.0),
            ),
            (
                f"{OBJECT}/resid_1/error/3",
                "error",
                "resid",
                None,
                "verb",
                "target",
                "target",
                2,
                None,
                -0.5,
                -0.4,
                each(-0.5),
            ),
            (
                f"{OBJECT}/mlp_0/feature/7/2",
                "feature",
                "mlp",
                7,
                "subject",
                "error",
                "resid",
                1,
                3,
                -0.3,
                -0.24,
                each(-0.3),
            ),
        ],
        circuit="he/object",
    ),
    case(
        "node_values",
        "id unit_id kind layer feature_index position effect effects",
        [
            (f"{OBJECT}/mlp_0/feature/7/2", MLP_7, "feature", 0, 7, 2, 1.5, [0.75, 2.25]),
            (f"{OBJECT}/resid_1/feature/4/3", RESID_4, "feature", 1, 4, 3, 1.0, [0.5, 1.5]),
            (f"{OBJECT}/resid_1/error/3", RESID_ERROR, "error", 1, None, 3, -0.5, [-0.25, -0.75]),
            (f"{OBJECT}/embed/feature/1/2", EMBED_1, "feature", -1, 1, 2, 0.25, [0.125, 0.375]),
        ],
        circuit="he/object",
    ),
    case(
        "edge_values",
        "source_id target_id weight weights",
        [
            ("toy/circuit/sva/embed/feature/5/1", "toy/circuit/sva/mlp_0/feature/7/4", 0.5, [0.25, 0.75]),
            ("toy/circuit/sva/mlp_0/feature/7/4", "toy/circuit/sva/target/*", 0.5, [0.25, 0.75]),
            ("toy/circuit/sva/mlp_0/error/4", "toy/circuit/sva/target/*", 0.125, each(0.125)),
            ("toy/circuit/sva/embed/feature/5/1", "toy/circuit/sva/mlp_0/error/4", 0.1, each(0.1)),
        ],
        circuit="sva",
    ),
    case(
        "standing",
        "id kind layer feature_index role effect stability standing",
        [(f"{SUBJECT}/resid_1/error/3", "error", 1, None, "verb", 0.75, 0.5, "noise")],
        circuit="he/subject",
    ),
    case("standing", "id", [], circuit="he/subject", standing="core"),
    case("standing", "id", [(f"{OBJECT}/resid_1/error/3",)], circuit="he/object", standing="noise"),
    case("standing", "id", [], circuit="he/object", standing="noise", node_threshold=0.5),
    case(
        "example_items",
        "name id n_examples n_items items node_floor edge_floor settings",
        [("he/subject", SUBJECT, 2, 2, [0, 1], 0.1, 0.05, "{}")],
        circuit="he/subject",
    ),
]
