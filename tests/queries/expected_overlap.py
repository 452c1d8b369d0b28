"""What the queries that compare circuits answer on the four small circuits, worked out by hand."""

from __future__ import annotations

from tests.queries.circuits import EMBED_1, MLP_7, MLP_8, PAIR, RESID_3, RESID_4, RESID_ERROR, case

OVERLAP = [
    case(
        "comparable",
        "circuit model suite positions selection node_floor edge_floor",
        [(name, "toy", "topk", "keep", "mean", 0.1, 0.05) for name in ("he/object", "he/subject", "pool", "sva")],
    ),
    case(
        "node_uses",
        "circuit ordinals kinds components layers feature_indices node_positions roles first_token effects",
        [  # ordinals in the order of keys: embed/feature/1/2, mlp_0/feature/7/2, resid_1/error/3, …
            (
                "he/object",
                [0, 1, 2, 3, 4],
                ["feature", "feature", "error", "feature", "target"],
                ["embed", "mlp", "resid", "resid", "target"],
                [-1, 0, 1, 1, 2],
                [1, 7, -1, 4, -1],
                [2, 2, 3, 3, -1],
                ["subject", "subject", "verb", "verb", ""],
                [0, 0, 0, 0, 0],
                [0.25, 1.5, -0.5, 1.0, 0.0],
            ),
        ],
        to_name="he/object",
    ),
    case(
        "edge_uses",
        "circuit sources targets weights",
        [  # embed/feature/5/1 is 0, mlp_0/error/4 is 1, mlp_0/feature/7/4 is 2, the target 3
            ("sva", [0, 0, 1, 2], [1, 2, 3, 3], [0.1, 0.5, 0.125, 0.5]),
        ],
        from_name="sva",
    ),
    case(
        "roles",
        "circuit n_nodes n_without",
        [("he/object", 4, 0), ("he/subject", 5, 0)],
        to_name="he/subject",
    ),
    case(
        "templates",
        "circuit position role",
        [
            ("he/object", 2, "subject"),
            ("he/object", 3, "verb"),
            ("he/subject", 2, "subject"),
            ("he/subject", 3, "verb"),
        ],
        to_name="he/subject",
    ),
    case(
        "overlap_nodes",
        "kind n_a n_b n_shared n_same_sign jaccard containment_a containment_b weighted_jaccard",
        [
            ("error", 1, 1, 1, 0, 1.0, 1.0, 1.0, 0.5 / 0.75),
            ("feature", 4, 3, 2, 1, 2 / 5, 2 / 4, 2 / 3, 1.25 / 5.25),
        ],
        **PAIR,
    ),
    case(
        "overlap_nodes",
        "kind effect_a effect_b shared_effect_a shared_effect_b weighted_containment_a weighted_containment_b",
        [("error", 0.75, 0.5, 0.75, 0.5, 1.0, 1.0), ("feature", 3.75, 2.75, 1.5, 1.75, 1.5 / 3.75, 1.75 / 2.75)],
        **PAIR,
    ),
    case(
        "overlap_nodes",
        "kind n_a n_b n_shared jaccard containment_b weighted_jaccard",
        [
            ("error", 1, 1, 1, 1.0, 1.0, 0.25 / 0.75),
            ("feature", 1, 4, 1, 1 / 4, 1 / 4, 0.25 / 3.75),
            ("first_token", 1, 0, 0, 0.0, None, 0.0),
        ],
        circuit_a="pool",
        circuit_b="he/subject",
    ),
    case(
        "overlap_nodes",
        "kind n_a n_b n_shared",
        [("error", 1, 1, 1), ("feature", 4, 4, 2), ("first_token", 1, 0, 0)],
        circuit_a="pool",
        circuit_b="he/subject",
        level="position",
    ),
    case(
        "overlap_nodes",
        "kind n_a n_b n_shared",
        [("error", 1, 0, 0), ("feature", 2, 2, 1)],
        **PAIR,
        node_threshold=0.5,
        level="role",
    ),
    case(
        "overlap_edges",
        "kind n_a n_b n_shared n_same_sign jaccard weight_a weight_b shared_weight_a shared_weight_b weighted_jaccard",
        [
            ("error", 2, 2, 2, 0, 1.0, 0.85, 0.8, 0.85, 0.8, 0.6 / 1.05),
            ("feature", 4, 2, 1, 1, 1 / 5, 1.8, 1.4, 0.4, 0.2, 0.2 / 3.0),
            ("target", 1, 1, 0, 0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0),
        ],
        **PAIR,
    ),
    case(
        "overlap_edges",
        "kind n_a n_b n_shared",
        [("error", 2, 2, 2), ("feature", 1, 4, 1), ("first_token", 1, 0, 0), ("target", 0, 1, 0)],
        circuit_a="pool",
        circuit_b="he/subject",
    ),
    case(
        "overlap_all_nodes",
        "circuit_a circuit_b n_a n_b n_shared n_same_sign jaccard containment_a containment_b weighted_jaccard",
        [
            ("he/object", "he/subject", 3, 4, 2, 1, 2 / 5, 2 / 3, 2 / 4, 1.25 / 5.25),
            ("he/object", "pool", 3, 1, 1, 0, 1 / 3, 1 / 3, 1.0, 0.25 / 2.75),
            ("he/object", "sva", 3, 2, 1, 1, 1 / 4, 1 / 3, 1 / 2, 0.5 / 3.75),
            ("he/subject", "pool", 4, 1, 1, 0, 1 / 4, 1 / 4, 1.0, 0.25 / 3.75),
            ("he/subject", "sva", 4, 2, 1, 0, 1 / 5, 1 / 4, 1 / 2, 0.5 / 4.75),
        ],
    ),
    case(
        "overlap_all_edges",
        "circuit_a circuit_b n_a n_b n_shared n_same_sign jaccard weight_a weight_b weighted_jaccard",
        [
            ("he/object", "he/subject", 2, 4, 1, 1, 1 / 5, 1.4, 1.8, 0.2 / 3.0),
            ("he/object", "pool", 2, 1, 1, 0, 1 / 2, 1.4, 0.1, 0.1 / 1.4),
            ("he/subject", "pool", 4, 1, 1, 0, 1 / 4, 1.8, 0.1, 0.1 / 1.8),
        ],
    ),
    case(
        "compare_nodes",
        "unit kind effect_a effect_b in_a in_b",
        [
            (MLP_7, "feature", -1.0, 1.5, True, True),
            (RESID_3, "feature", 2.0, 0.0, True, False),
            (RESID_ERROR, "error", 0.75, -0.5, True, True),
            (RESID_4, "feature", 0.0, 1.0, False, True),
            (EMBED_1, "feature", 0.5, 0.25, True, True),
            (MLP_8, "feature", 0.25, 0.0, True, False),
        ],
        **PAIR,
    ),
    case(
        "compare_edges",
        "kind source_component source_feature_index target_component target_feature_index weight_a weight_b in_a in_b",
        [
            ("target", "resid", 3, "target", None, 2.0, 0.0, True, False),
            ("error", "resid", None, "target", None, 0.75, -0.5, True, True),
            ("feature", "mlp", 7, "resid", 4, 0.0, 1.2, False, True),
            ("target", "resid", 4, "target", None, 0.0, 1.0, False, True),
            ("feature", "mlp", 7, "resid", 3, -0.9, 0.0, True, False),
            ("feature", "embed", 1, "mlp", 7, 0.4, 0.2, True, False),
            ("error", "mlp", 7, "resid", None, 0.1, -0.3, False, True),
            ("feature", "mlp", 8, "resid", 3, 0.3, 0.0, True, False),
        ],
        **PAIR,
        edge_threshold=0.25,
    ),
]
