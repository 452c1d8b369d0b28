"""What every query answers on four small circuits, worked out by hand from the numbers of `tests/graphs.py` and
`tests/queries/circuits.py`.
"""

from __future__ import annotations

from tests.queries.circuits import EMBED_1, EMBED_5, MLP_7, MLP_8, OBJECT, RESID_3, RESID_4, RESID_ERROR, SUBJECT, case
from tests.queries.expected_certainty import CERTAINTY
from tests.queries.expected_overlap import OVERLAP

CATALOGUE = [
    case("models", "model n_layers d_model n_heads d_vocab n_dictionaries n_circuits", [("toy", 2, 8, 2, 100, 3, 4)]),
    case(
        "dictionaries",
        "dictionary component layer d_sae n_stored",
        [
            ("toy/topk/embed", "embed", -1, 16, 2),
            ("toy/topk/mlp_0", "mlp", 0, 16, 2),
            ("toy/topk/resid_1", "resid", 1, 16, 2),
        ],
    ),
    case("tasks", "task n_circuits", [("he/object", 1), ("he/subject", 1), ("pool", 1), ("sva", 1)]),
]

CIRCUITS = [
    case(
        "circuits",
        "name n_nodes n_edges measured_nodes faithfulness",
        [("he/object", 4, 5, 3, 0.75), ("he/subject", 5, 7, 3, 0.75), ("pool", 6, 7, 3, 0.75), ("sva", 3, 4, 3, 0.75)],
    ),
    case(
        "circuit",
        "name id metric steps positions node_floor settings",
        [("sva", "toy/circuit/sva", "logit difference", 10, "keep", 0.1, "{}")],
        circuit="sva",
    ),
    case("circuit", "rule weights_digest tokenizer_digest data_digest", [(None, "aa", None, "dd")], circuit="sva"),
    case(
        "circuit_dictionaries",
        "dictionary component layer d_sae weights_digest",
        [
            ("toy/topk/embed", "embed", -1, 16, "bbembed"),
            ("toy/topk/mlp_0", "mlp", 0, 16, "bbmlp_0"),
            ("toy/topk/resid_1", "resid", 1, 16, "bbresid_1"),
        ],
        circuit="he/subject",
    ),
    case(
        "nodes",
        "id kind component layer feature_index position role is_first_token effect unit_id",
        [
            (f"{SUBJECT}/resid_1/feature/3/3", "feature", "resid", 1, 3, 3, "verb", False, 2.0, RESID_3),
            (f"{SUBJECT}/mlp_0/feature/7/2", "feature", "mlp", 0, 7, 2, "subject", False, -1.0, MLP_7),
            (f"{SUBJECT}/resid_1/error/3", "error", "resid", 1, None, 3, "verb", False, 0.75, RESID_ERROR),
            (f"{SUBJECT}/target/*", "target", "target", 2, None, None, None, False, 0.0, None),
        ],
        circuit="he/subject",
        node_threshold=0.5,
    ),
    case(
        "edges",
        "source target weight",
        [
            (f"{SUBJECT}/resid_1/feature/3/3", f"{SUBJECT}/target/*", 2.0),
            (f"{SUBJECT}/mlp_0/feature/7/2", f"{SUBJECT}/resid_1/feature/3/3", -0.9),
            (f"{SUBJECT}/resid_1/error/3", f"{SUBJECT}/target/*", 0.75),
        ],
        circuit="he/subject",
        node_threshold=0.5,
        edge_threshold=0.5,
    ),
    case(
        "subgraph",
        "source_component source_feature_index source_role source_effect target_kind target_layer target_position "
        "weight",
        [
            ("resid", 3, "verb", 2.0, "target", 2, None, 2.0),
            ("mlp", 7, "subject", -1.0, "feature", 1, 3, -0.9),
            ("resid", None, "verb", 0.75, "target", 2, None, 0.75),
        ],
        circuit="he/subject",
        edge_threshold=0.5,
    ),
    case(
        "strongest_features",
        "feature effect first_token_effect n_positions top_tokens",
        [(EMBED_1, 3.75, 4.0, 3, ["embed-token-1", "she"])],
        circuit="pool",
    ),
    case("strongest_features", "feature effect", [(RESID_3, 2.0), (MLP_7, -1.0)], circuit="he/subject", limit=2),
    case(
        "effect_by_layer",
        "layer component kind n_nodes effect absolute_effect strongest",
        [
            (-1, "embed", "feature", 3, 3.75, 5.25, 4.0),
            (0, "mlp", "feature", 2, 0.0, 2.0, 1.0),
            (1, "resid", "error", 1, 0.25, 0.25, 0.25),
        ],
        circuit="pool",
    ),
    case(
        "effect_by_position",
        "position role layer component kind n_nodes effect absolute_effect",
        [
            (0, None, -1, "embed", "feature", 1, 4.0, 4.0),
            (1, "noun", -1, "embed", "feature", 1, 0.5, 0.5),
            (2, "subject", -1, "embed", "feature", 1, -0.75, 0.75),
            (2, "subject", 0, "mlp", "feature", 1, 1.0, 1.0),
            (3, "verb", 0, "mlp", "feature", 1, -1.0, 1.0),
            (3, "verb", 1, "resid", "error", 1, 0.25, 0.25),
        ],
        circuit="pool",
    ),
]

ERRORS = [
    case(
        "error_share",
        "layer component n_features feature_effect error_effect signed_share absolute_error_effect absolute_share",
        [
            (-1, "embed", 1, 0.5, 0.0, 0.0, 0.0, 0.0),
            (0, "mlp", 2, -0.75, 0.0, 0.0, 0.0, 0.0),
            (1, "resid", 1, 2.0, 0.75, 0.75 / 2.75, 0.75, 0.75 / 2.75),
        ],
        circuit="he/subject",
    ),
    case(
        "error_share",
        "layer n_features feature_effect signed_share absolute_share",
        [(-1, 3, 3.75, 0.0, 0.0), (0, 2, 0.0, None, 0.0), (1, 0, 0.0, 1.0, 1.0)],
        circuit="pool",
    ),
    case(
        "feeds_errors",
        "source_component source_feature_index source_position error_component error_position weight error_effect",
        [("mlp", 7, 2, "resid", 3, 0.5, 0.25), ("mlp", 7, 3, "resid", 3, -0.125, 0.25)],
        circuit="pool",
    ),
    case(
        "fed_by_errors",
        "error_component error_layer error_position target_kind target_layer weight error_effect",
        [("resid", 1, 3, "target", 2, 0.75, 0.75)],
        circuit="he/subject",
    ),
    case(
        "error_exchange",
        "error_component error_layer direction component layer kind n_edges weight absolute_weight",
        [
            ("resid", 1, "fed by", "mlp", 0, "feature", 2, 0.375, 0.625),
            ("resid", 1, "feeds", "target", 2, "target", 1, 0.25, 0.25),
        ],
        circuit="pool",
    ),
]

FEATURES = [
    case(
        "suppressors",
        "feature component layer position role effect effects top_tokens promotes",
        [
            (MLP_7, "mlp", 0, 3, "verb", -1.0, [-0.5, -1.5], ["mlp_0-token-7", "she"], ["her"]),
            (EMBED_1, "embed", -1, 2, "subject", -0.75, [-0.375, -1.125], ["embed-token-1", "she"], ["her"]),
        ],
        circuit="pool",
    ),
    case("suppressors", "feature effect", [(MLP_7, -1.0)], circuit="pool", node_threshold=0.8, first_token="drop"),
    case(
        "similar_features",
        "source target cosine",
        [(EMBED_1, RESID_3, 0.75), (MLP_7, MLP_8, 0.5)],
        circuit="he/subject",
    ),
    case("similar_features", "source target cosine", [(EMBED_1, RESID_4, -0.4)], circuit="he/object", min_cosine=0.4),
    case("similar_features", "source", [], circuit="he/object", min_cosine=0.41),
    case("group_members", "node", [], circuit="he/subject"),
    case(
        "feature_uses",
        "feature component circuit effect",
        [
            (EMBED_1, "embed", "he/object", 0.25),
            (EMBED_1, "embed", "he/subject", 0.5),
            (EMBED_1, "embed", "pool", -0.25),
            (EMBED_5, "embed", "sva", 1.0),
            (MLP_7, "mlp", "he/object", 1.5),
            (MLP_7, "mlp", "he/subject", -1.0),
            (MLP_7, "mlp", "sva", 0.5),
            (MLP_8, "mlp", "he/subject", 0.25),
            (RESID_3, "resid", "he/subject", 2.0),
            (RESID_4, "resid", "he/object", 1.0),
        ],
    ),
    case(
        "hubs",
        "feature n_circuits n_tasks n_positive mean_absolute_effect largest_absolute_effect",
        [
            (MLP_7, 3, 3, 2, 1.0, 1.5),
            (EMBED_1, 3, 3, 2, 1.0 / 3.0, 0.5),
            (RESID_3, 1, 1, 1, 2.0, 2.0),
            (EMBED_5, 1, 1, 1, 1.0, 1.0),
            (RESID_4, 1, 1, 1, 1.0, 1.0),
            (MLP_8, 1, 1, 1, 0.25, 0.25),
        ],
    ),
    case(
        "hubs",
        "feature n_circuits n_positive mean_absolute_effect",
        [(EMBED_1, 3, 3, 1.5), (MLP_7, 3, 2, 1.0)],
        first_token="keep",
        limit=2,
    ),
    case("hubs", "feature n_circuits largest_absolute_effect", [(EMBED_1, 1, 4.0)], first_token="only"),
    case(
        "feature_circuits",
        "circuit effect first_token_effect n_positions",
        [("pool", 3.75, 4.0, 3), ("he/subject", 0.5, 0.0, 1), ("he/object", 0.25, 0.0, 1)],
        feature=EMBED_1,
    ),
    case(
        "feature_circuits",
        "circuit effect",
        [("he/object", 1.5), ("he/subject", -1.0), ("sva", 0.5)],
        feature=MLP_7,
    ),
    case(
        "only_in",
        "feature effect effect_in_other",
        [(RESID_3, 2.0, 0.0), (MLP_8, 0.25, 0.0)],
        circuit="he/subject",
        other="he/object",
    ),
    case(
        "only_in",
        "feature position effect",
        [(EMBED_1, 0, 4.0), (MLP_7, 3, -1.0), (EMBED_1, 1, 0.5)],
        circuit="pool",
        other="he/subject",
        level="position",
    ),
    case(
        "only_in",
        "feature role effect",
        [(MLP_7, "verb", -1.0), (EMBED_1, "noun", 0.5)],
        circuit="pool",
        other="he/subject",
        level="role",
        first_token="drop",
    ),
]

NEIGHBOURS = [
    case(
        "feeds_node",
        "source_component source_feature_index source_role weight source_effect",
        [("mlp", 7, "subject", -0.9, -1.0), ("mlp", 8, "verb", 0.3, 0.25)],
        circuit="he/subject",
        unit="resid_1/feature/3",
    ),
    case(
        "feeds_node",
        "source_component source_feature_index weight",
        [("resid", 3, 2.0), ("resid", None, 0.75)],
        circuit="he/subject",
        unit="target",
    ),
    case(
        "neighbourhood",
        "neighbour direction kind feature_index weight effect",
        [
            (f"{SUBJECT}/resid_1/feature/3/3", "downstream", "feature", 3, -0.9, 2.0),
            (f"{SUBJECT}/embed/feature/1/2", "upstream", "feature", 1, 0.4, 0.5),
            (f"{SUBJECT}/resid_1/error/3", "downstream", "error", None, 0.1, 0.75),
        ],
        circuit="he/subject",
        node="mlp_0/feature/7/2",
    ),
    case(
        "neighbourhood",
        "node neighbour direction weight",
        [
            (f"{OBJECT}/mlp_0/feature/7/2", f"{OBJECT}/resid_1/feature/4/3", "downstream", 1.2),
            (f"{OBJECT}/mlp_0/feature/7/2", f"{OBJECT}/resid_1/error/3", "downstream", -0.3),
        ],
        circuit="he/object",
        node="mlp_0/feature/7",
        edge_threshold=0.25,
    ),
    case(
        "crossings",
        "source_position source_role target_position target_role n_edges weight absolute_weight first_layer last_layer",
        [
            (0, None, 2, "subject", 1, 0.3, 0.3, 0, 0),
            (1, "noun", 2, "subject", 1, 0.2, 0.2, 0, 0),
            (2, "subject", 3, "verb", 2, 0.1, 0.9, 0, 1),
        ],
        circuit="pool",
    ),
]

FAITHFULNESS = [
    case(
        "measurements",
        "kind task node_threshold n_nodes errors m_full m_empty m_circuit m_complement faithfulness completeness seed",
        [("circuit", "sva", 0.1, 3, "default", 2.0, 0.0, 1.5, 0.5, 0.75, 0.25, None)],
        circuit="sva",
    ),
    case(
        "measurement_items",
        "full empty only_circuit complement",
        [([1.0, 3.0], [0.0, 0.0], [1.0, 2.0], [0.0, 1.0])],
        circuit="sva",
    ),
    case(
        "proximal",
        "task removed effect metric metric_without ranks ranks_without",
        [("pool", "mlp_0/feature/7/2", 1.0, [1.0, 3.0], [0.5, 2.0], [1, 2], [4, 2])],
        circuit="pool",
    ),
    case(
        "candidates",
        "candidates component layer mean_active d_sae feature_indices frequency",
        [
            ("toy/topk/embed/data", "embed", -1, 1.75, 16, [1, 5, 7], [1.0, 0.5, 0.25]),
            ("toy/topk/mlp_0/data", "mlp", 0, 1.75, 16, [1, 5, 7], [1.0, 0.5, 0.25]),
        ],
        circuit="sva",
    ),
]

CASES = [*CATALOGUE, *CIRCUITS, *ERRORS, *FEATURES, *NEIGHBOURS, *FAITHFULNESS, *OVERLAP, *CERTAINTY]
