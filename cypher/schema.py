"""The schema of the graph, declared once.

Constraints, table definitions, write statements, the store's self-check and the reference page in the docs all derive
from `LABELS` and `RELATIONSHIPS` below; nothing else names a label's properties.

Every node has exactly one label and one string key, `id`. Nodes *owned* by a circuit are replaced and deleted with it;
shared nodes are merged, and a null never overwrites a value that an earlier write knew.
"""

from __future__ import annotations

from circuit_atlas.cypher.declared import Label, Property, PropertyType, Relationship

SCHEMA_VERSION = 5

GROUPS = "groups"
"""What `Circuit.units` says where its nodes are groups of features."""

LEAST_COSINE = 0.3
"""Decoder directions whose cosine is smaller, sign aside, are not stored as similar."""


def _props(*declared: tuple[str, PropertyType, str] | tuple[str, PropertyType, str, bool]) -> tuple[Property, ...]:
    return tuple(Property(*d) for d in declared)


S, N, F, B = PropertyType.STRING, PropertyType.INTEGER, PropertyType.FLOAT, PropertyType.BOOLEAN
SS, NS, FS = PropertyType.STRINGS, PropertyType.INTEGERS, PropertyType.FLOATS

_ID = ("id", S, "the key", True)
_COMPONENT = ("component", S, "embed, attn, mlp, resid, or target", True)
_LAYER = ("layer", N, "layer, from 0; the embedding is -1 and the target n_layers", True)

LABELS: tuple[Label, ...] = (
    Label(
        "Meta",
        "`meta`",
        "The store itself.",
        _props(
            _ID,
            ("schema_version", N, "version of this schema", True),
            ("begun", N, "commits begun, on a server: what is read while one is under way is read again"),
            ("done", N, "commits done, on a server"),
        ),
    ),
    Label(
        "Model",
        "model name, percent-encoded: `stories260K`",
        "A language model.",
        _props(
            _ID,
            ("n_layers", N, "number of transformer blocks", True),
            ("d_model", N, "width of the residual stream", True),
            ("n_heads", N, "attention heads a layer", True),
            ("d_vocab", N, "size of the vocabulary", True),
            ("source", S, "where it was loaded from"),
            ("weights_digest", S, "SHA-256 over names and values of its weights", True),
            ("tokenizer_digest", S, "SHA-256 of its tokenizer"),
        ),
        guard="weights_digest",
    ),
    Label(
        "Sae",
        "model / suite / site: `stories260K/topk16/resid_3`",
        "The sparse dictionary at one site.",
        _props(
            _ID,
            ("model_id", S, "its model", True),
            ("suite", S, "the set of dictionaries it belongs to", True),
            ("site", S, "component and layer: `resid_3`", True),
            _COMPONENT,
            _LAYER,
            ("hook_name", S, "canonical TransformerLens hook", True),
            ("architecture", S, "relu, topk, jumprelu, …", True),
            ("d_in", N, "width of its input", True),
            ("d_sae", N, "number of its features", True),
            ("source", S, "where it was loaded from"),
            ("weights_digest", S, "SHA-256 over names and values of its weights", True),
        ),
        guard="weights_digest",
    ),
    Label(
        "Feature",
        "Sae id / `feature` / index: `…/resid_3/feature/417`",
        "One dictionary element; a node once, however many circuits use it.",
        _props(
            _ID,
            ("model_id", S, "its model", True),
            ("suite", S, "its set of dictionaries", True),
            _COMPONENT,
            _LAYER,
            ("feature_index", N, "its row in the dictionary", True),
            ("label", S, "a short name for people"),
            (
                "top_tokens",
                SS,
                "tokens on which it fires most strongly in the data last discovered on, strongest first",
            ),
            ("top_activations", FS, "its largest activation on each of those tokens"),
            ("promotes", SS, "tokens whose logit its decoder direction raises most (through the unembedding alone)"),
            ("suppresses", SS, "tokens whose logit its decoder direction lowers most (through the unembedding alone)"),
        ),
    ),
    Label(
        "Error",
        "Sae id / `error`: `…/resid_3/error`",
        "What one dictionary leaves out: activation minus reconstruction.",
        _props(
            _ID,
            ("model_id", S, "its model", True),
            ("suite", S, "its set of dictionaries", True),
            _COMPONENT,
            _LAYER,
        ),
    ),
    Label(
        "Task",
        "the task's name: `sva/nounpp`",
        "A behaviour and its data.",
        _props(
            _ID,
            ("kind", S, "contrastive, single, classifier or cluster", True),
            ("description", S, "one sentence"),
        ),
    ),
    Label(
        "Circuit",
        "model / `circuit` / digest of settings, model, dictionaries and data",
        "One discovered or derived circuit.",
        _props(
            _ID,
            ("name", S, "short, unique, for people: `sva/nounpp~3f2a`", True),
            ("model_id", S, "its model", True),
            ("suite", S, "its set of dictionaries", True),
            ("task_id", S, "its task", True),
            ("metric", S, "name of the metric", True),
            ("metric_sign", S, "what a positive effect means, in words", True),
            ("method", S, "how node effects were computed: atp, ig or exact", True),
            ("steps", N, "steps of ig"),
            ("rule", S, "points of ig on the path: left, midpoint or gauss-legendre"),
            ("ablation", S, "the other end of the effects: patch, zero, mean or resample", True),
            ("selection", S, "on the mean effect, or per example", True),
            ("positions", S, "keep (a node per position), sum, or role (a node per role)", True),
            ("units", S, "what its nodes are: features (with errors), or groups of features (with errors)", True),
            ("outer_gradient", S, "gradient at the downstream end of an edge: clean or ig", True),
            (
                "jacobian",
                S,
                "where the Jacobian between two nodes is taken: clean, patch, or averaged on the path",
                True,
            ),
            ("first_token", S, "how the first token was treated", True),
            ("node_floor", F, "nodes of smaller absolute effect were not stored (units of the metric)", True),
            ("edge_floor", F, "edges of smaller absolute weight were not stored (units of the metric)", True),
            ("n_examples", N, "examples that effects are averaged over", True),
            ("n_items", N, "distinct items among them"),
            ("items", NS, "number of the item of each example, in the order of the data: what bootstraps draw"),
            ("n_nodes", N, "stored features and errors", True),
            ("n_edges", N, "stored edges", True),
            ("split", S, "which examples: train, or which share of one file", True),
            ("seed", N, "seed of sampling and of random circuits", True),
            ("metric_clean", F, "mean metric on clean inputs", True),
            ("metric_patch", F, "mean metric on patch inputs (under zero ablation: null)"),
            ("accuracy", F, "share of examples whose right answer has the larger logit (single prompts: the largest)"),
            ("right_sign", F, "share of examples on which patching moves the metric as expected"),
            (
                "after_selection",
                B,
                "whether effects are reported on the examples that selected the nodes: they are inflated",
            ),
            ("sites", SS, "sites with a dictionary, in the order of the four lists that follow"),
            ("site_survival", FS, "share of the metric that is left when only this site's error is removed"),
            ("site_total", FS, "effects of the site's features and error together (units of the metric)"),
            ("site_patched", FS, "change of the metric when the whole site takes its other end (units of the metric)"),
            (
                "site_inactive",
                FS,
                "share of its features' absolute effect in features inactive on clean: no edges there",
            ),
            (
                "certainty",
                S,
                "how stability and standing were found, where they were: circuits, thresholds, draws, as JSON",
            ),
            ("settings", S, "the whole of the settings, as JSON", True),
            ("data_digest", S, "SHA-256 of the examples", True),
            ("created_at", S, "UTC, ISO 8601", True),
            ("code_version", S, "version of circuit-atlas that wrote it", True),
        ),
        owned=True,
    ),
    Label(
        "CircuitNode",
        "circuit id / unit / position, `*` where positions are summed: `…/resid_3/feature/417/*`",
        "A unit (feature, group of features, error or target) inside one circuit.",
        _props(
            _ID,
            (
                "ordinal",
                N,
                "its number among the nodes of its circuit in the order of their keys, from 0; given as it is written",
                True,
            ),
            ("kind", S, "feature, group (of features), error or target", True),
            _COMPONENT,
            _LAYER,
            ("feature_index", N, "its row in the dictionary (features only)"),
            ("label", S, "a short name: of a group its strongest feature and how many others it holds, `417+3`"),
            ("position", N, "token position from 0; null where positions are summed"),
            ("role", S, "the position's name in the template, such as `subject`; else its token where all agree"),
            ("is_first_token", B, "whether the position is the first of the input", True),
            ("effect", F, "indirect effect on the metric, mean over examples, signed (units of the metric)", True),
            ("effect_se", F, "standard error of effect over distinct items (units of the metric)"),
            ("effects", FS, "effect on each example, in the order of the data (units of the metric)"),
            ("exact_effect", F, "effect of patching this unit alone, where measured (units of the metric)"),
            ("stability", F, "share of bootstrap resamples in which it stays above the threshold, where asked for"),
            ("standing", S, "core, contingent, noise or absent among the settings compared, where asked for"),
            ("activation", F, "mean activation on clean inputs (features only)"),
        ),
        owned=True,
    ),
    Label(
        "Measurement",
        "circuit id / task / digest of its settings",
        "One run of the model under ablation.",
        _props(
            _ID,
            (
                "kind",
                S,
                "circuit; random (random nodes with its errors); removal (one unit less); edges, edges-permuted and "
                "edges-random of its edges; proximal (the whole model without units of the last layer)",
                True,
            ),
            (
                "removed",
                S,
                "the unit that a removal or proximal leaves out, as in the key of its node: `resid_3/feature/417/*`; "
                "several of one site `resid_3/*`, of several `*`",
            ),
            ("node_threshold", F, "nodes of larger absolute effect were kept (units of the metric)", True),
            (
                "edge_threshold",
                F,
                "edges of larger absolute weight were kept (units of the metric)",
            ),
            ("n_nodes", N, "number of units kept; of kind proximal, of units removed", True),
            ("n_edges", N, "number of edges kept, where edges were measured"),
            ("n_active", F, "mean number of units active on one example: the universe that n_nodes is counted against"),
            ("level", S, "where its nodes act: keep (at their position), role (at it), or sum (at every position)"),
            ("ablation", S, "what ablated units are set to: mean, zero, resample or patch", True),
            ("means_over", S, "inputs that the means are over: clean+patch, clean or patch; none without means", True),
            ("errors", S, "default (as the circuit says), keep, remove, nb_remove or nb_resid_only", True),
            ("start_layer", N, "first layer that is ablated; sites before it are given for free", True),
            (
                "active_set",
                S,
                "what TopK dictionaries choose their active features on, where edges were measured: mixed (what "
                "arrives) or clean",
            ),
            ("split", S, "which examples", True),
            ("seed", N, "seed of a random circuit"),
            ("n_examples", N, "examples measured on", True),
            (
                "data_digest",
                S,
                "SHA-256 of the examples that means are over, and of those measured on; + and the seed of resampling",
            ),
            ("items", NS, "number of each example's item: resample these, not examples that repeat one"),
            ("m_full", F, "mean metric of the whole model", True),
            ("m_empty", F, "mean metric with every unit ablated", True),
            ("m_circuit", F, "mean metric with only the circuit left", True),
            ("m_complement", F, "mean metric with only the circuit ablated"),
            ("faithfulness", F, "(m_circuit - m_empty) / (m_full - m_empty); null where undefined"),
            ("completeness", F, "(m_complement - m_empty) / (m_full - m_empty); null where undefined"),
            ("ranks_full", NS, "rank of the right answer among all tokens on each example, 1 the largest logit"),
            ("ranks", NS, "the same with `removed` ablated"),
            ("full", FS, "metric of the whole model on each example"),
            ("empty", FS, "metric with every unit ablated, on each example"),
            ("circuit", FS, "metric with only the circuit left, on each example"),
            ("complement", FS, "metric with only the circuit ablated, on each example"),
        ),
        owned=True,
    ),
    Label(
        "Candidates",
        "Sae id / data digest",
        "What was active at one site on one data set, so that a null can draw from it without the model.",
        _props(
            _ID,
            ("feature_indices", NS, "features active on any example", True),
            ("frequency", FS, "share of examples on which each is active, on the clean or the patch input", True),
            ("mean_activation", FS, "mean activation of each where active", True),
            ("mean_active", F, "mean number of features active on one example, over all positions", True),
        ),
    ),
    Label(
        "Annotation",
        "feature id / author / time",
        "What one person, or one program, says of a feature.",
        _props(
            _ID,
            ("author", S, "who says so", True),
            ("label", S, "what the feature stands for"),
            ("interpretability", N, "0 to 100"),
            ("complexity", N, "0 to 100"),
            ("spurious", B, "whether it should not decide the task"),
            ("note", S, "free text"),
            ("created_at", S, "UTC, ISO 8601", True),
        ),
    ),
)

RELATIONSHIPS: tuple[Relationship, ...] = (
    Relationship("OF_MODEL", "what belongs to a model", (("Sae", "Model"), ("Circuit", "Model"))),
    Relationship(
        "OF_SAE", "what belongs to a dictionary", (("Feature", "Sae"), ("Error", "Sae"), ("Candidates", "Sae"))
    ),
    Relationship("USES", "the dictionaries of a circuit", (("Circuit", "Sae"),)),
    Relationship("DREW_FROM", "what was active on the circuit's data", (("Circuit", "Candidates"),)),
    Relationship("EXPLAINS", "the behaviour a circuit explains", (("Circuit", "Task"),)),
    Relationship(
        "DERIVED_FROM",
        "the circuits that a derived circuit was made from",
        (("Circuit", "Circuit"),),
        _props(
            ("operation", S, "intersection, difference, union or groups", True),
            ("ordinal", N, "place of the operand", True),
        ),
    ),
    Relationship("HAS_NODE", "the units of a circuit, its target among them", (("Circuit", "CircuitNode"),)),
    Relationship(
        "INSTANCE_OF",
        "the feature or error that a circuit node is an instance of",
        (("CircuitNode", "Feature"), ("CircuitNode", "Error")),
    ),
    Relationship("HOLDS", "the features that a circuit node of kind group stands for", (("CircuitNode", "Feature"),)),
    Relationship(
        "SIMILAR_TO",
        "features of one site, or of two residual sites that follow each other, whose decoder directions point alike "
        f"or apart (absolute cosine at least {LEAST_COSINE:g}); once a pair, from the lower layer, then index",
        (("Feature", "Feature"),),
        _props(("cosine", F, "cosine of the two decoder directions", True)),
    ),
    Relationship(
        "EDGE",
        "direct dependence, upstream to downstream; the last downstream node is the target",
        (("CircuitNode", "CircuitNode"),),
        _props(
            ("weight", F, "indirect effect on the metric through this edge alone, signed (units of the metric)", True),
            ("weight_se", F, "standard error of weight over distinct items (units of the metric)"),
            ("exact_weight", F, "the same measured by intervention, where it was (units of the metric)"),
            ("weights", FS, "weight on each example, in the order of the data, where asked for (units of the metric)"),
            ("stability", F, "share of bootstrap resamples in which it stays above the threshold, where asked for"),
        ),
    ),
    Relationship("MEASURES", "the circuit that was measured", (("Measurement", "Circuit"),)),
    Relationship("ON_TASK", "the task it was measured on", (("Measurement", "Task"),)),
    Relationship("ANNOTATES", "the feature spoken of", (("Annotation", "Feature"),)),
)

LABEL_BY_NAME = {label.name: label for label in LABELS}
RELATIONSHIP_BY_NAME = {relationship.name: relationship for relationship in RELATIONSHIPS}
