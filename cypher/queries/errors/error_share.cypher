// name: error_share
// topic: errors
// summary: The share of effect that sits in the error of each site, signed and absolute side by side; a share holds for one site, never over layers.
// key: layer, component
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | units of larger absolute effect (units of the metric)
// column layer: integer | layer; the embedding -1
// column component: string | embed, attn, mlp or resid
// column n_features: integer | features (or groups) there
// column feature_effect: float [units of the metric] | signed sum over features
// column error_effect: float [units of the metric] | signed sum over errors
// column signed_share: float [share] | error_effect over the signed sum of both; null where that is zero
// column absolute_feature_effect: float [units of the metric] | absolute effects of features, summed
// column absolute_error_effect: float [units of the metric] | absolute effects of errors, summed
// column absolute_share: float [share] | absolute_error_effect over the absolute sum of both; null where that is zero
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name = $circuit AND n.kind <> 'target' AND abs(n.effect) > $node_threshold
WITH n.layer AS layer, n.component AS component, count(CASE WHEN n.kind <> 'error' THEN 1 END) AS n_features,
     coalesce(sum(CASE WHEN n.kind <> 'error' THEN n.effect ELSE 0.0 END), 0.0) AS features,
     coalesce(sum(CASE WHEN n.kind = 'error' THEN n.effect ELSE 0.0 END), 0.0) AS errors,
     coalesce(sum(CASE WHEN n.kind <> 'error' THEN abs(n.effect) ELSE 0.0 END), 0.0) AS absolute_features,
     coalesce(sum(CASE WHEN n.kind = 'error' THEN abs(n.effect) ELSE 0.0 END), 0.0) AS absolute_errors
RETURN layer AS layer, component AS component, n_features AS n_features, features AS feature_effect,
       errors AS error_effect,
       CASE WHEN features + errors <> 0.0 THEN errors / (features + errors) END AS signed_share,
       absolute_features AS absolute_feature_effect, absolute_errors AS absolute_error_effect,
       CASE WHEN absolute_features + absolute_errors > 0.0
            THEN absolute_errors / (absolute_features + absolute_errors) END AS absolute_share
ORDER BY layer, component
