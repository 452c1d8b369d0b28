"""What two circuits share, and what each has alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.result import Asked, Column, tabulate
from circuit_atlas.analysis.sharing.codes import COMPONENTS, site_of
from circuit_atlas.analysis.sharing.figures import columns_for, figures
from circuit_atlas.analysis.sharing.listed import marked
from circuit_atlas.analysis.sharing.pair import Cut, PairUses, dense, read_pair
from circuit_atlas.analysis.sharing.uses import FEATURE, KINDS, Uses

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_NOT_SETTINGS = {
    *("name", "id", "n_nodes", "n_edges", "settings", "created_at", "metric_clean", "metric_patch"),
    # Places, whose content the digests tell apart, and ways of running.
    *("model", "dictionaries", "examples", "held_out", "batch_size", "device"),
    # What was found, not how.
    *("sites", "site_survival", "site_total", "site_patched", "site_inactive", "n_items"),
}
_NOT_SETTINGS |= {"accuracy", "right_sign", "data_digest", "model", "suite"}

_ALL = 10**9
"""More rows than there are of anything."""

BY_KIND = {
    "nodes": Column("string", "", "feature, first_token (features at the first token of the input) or error"),
    "edges": Column(
        "string",
        "",
        "feature (both ends are), first_token (features, one at the first token), error (an end is), target (a "
        "feature's edge into it)",
    ),
}
BY_SITE = {
    "layer": Column("integer", "", "layer; the embedding -1"),
    "component": Column("string", "", "embed, attn, mlp or resid; of edges, where they arrive"),
}


@dataclass(frozen=True)
class Comparison:
    """Two circuits side by side; every table names its queries and parameters in `attrs`.

    Settings, units and links are asked for when they are first looked at: the store must still be open then.

    Attributes:
        a: name of the one.
        b: name of the other.
        level: where two units count as the same: feature, role or position.
        cut: which units and edges count.
        nodes: figures by kind of unit.
        edges: the same for edges.

    """

    a: str
    b: str
    level: str
    cut: Cut
    nodes: pd.DataFrame
    edges: pd.DataFrame
    _store: Store = field(repr=False)
    _uses: PairUses = field(repr=False)
    _limit: int = field(repr=False)

    @cached_property
    def node_sites(self) -> pd.DataFrame:
        """Figures of features by layer and component."""
        return self._by_site("nodes", self._uses.nodes.items)

    @cached_property
    def edge_sites(self) -> pd.DataFrame:
        """Figures of edges between features by layer and component of their downstream end."""
        return self._by_site("edges", self._uses.of("edges").items[:, 1])

    @cached_property
    def settings(self) -> pd.DataFrame:
        """The settings that differ, columns setting, a, b."""
        one, other = (self._store.query("circuit", circuit=name).iloc[0] for name in (self.a, self.b))
        return _differing(one, other)

    @cached_property
    def units(self) -> pd.DataFrame:
        """Units of either circuit with their effect in each, strongest first (query `compare_nodes`)."""
        return marked(self._ask("compare_nodes"), self._uses.nodes)

    @cached_property
    def links(self) -> pd.DataFrame:
        """Edges of either circuit with their weight in each, strongest first (query `compare_edges`)."""
        return marked(self._ask("compare_edges", edge_threshold=self.cut.edge_threshold), self._uses.of("edges"))

    @property
    def shared_units(self) -> pd.DataFrame:
        """Units that both use."""
        return _where(self.units, in_a=True, in_b=True)

    @property
    def units_only_a(self) -> pd.DataFrame:
        """Units that the one uses alone."""
        return _where(self.units, in_a=True, in_b=False)

    @property
    def units_only_b(self) -> pd.DataFrame:
        """Units that the other uses alone."""
        return _where(self.units, in_a=False, in_b=True)

    @property
    def shared_links(self) -> pd.DataFrame:
        """Edges that both have."""
        return _where(self.links, in_a=True, in_b=True)

    @property
    def links_only_a(self) -> pd.DataFrame:
        """Edges that the one has alone."""
        return _where(self.links, in_a=True, in_b=False)

    @property
    def links_only_b(self) -> pd.DataFrame:
        """Edges that the other has alone."""
        return _where(self.links, in_a=False, in_b=True)

    def _by_site(self, of: str, codes: Ints) -> pd.DataFrame:
        rows = _site_rows(self._uses.of(of), codes)
        return tabulate(columns_for(of, BY_SITE), rows, self._uses.asked, compared=self.nodes.attrs["compared"])

    def _ask(self, query: str, **more: Any) -> pd.DataFrame:
        pair = {"circuit_a": self.a, "circuit_b": self.b, "level": self.level}
        return self._store.query(query, **pair, node_threshold=self.cut.node_threshold, limit=self._limit, **more)


def compare(
    store: Store,
    a: str,
    b: str,
    level: str = "feature",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    limit: int | None = 1000,
    *,
    size: int | None = None,
    edge_size: int | None = None,
) -> Comparison:
    """Compare two circuits of one model and one set of dictionaries.

    Args:
        store: where they are.
        a: name of the one.
        b: name of the other.
        level: feature (positions pooled by signed sum), role, or position (one template only).
        node_threshold: units of larger absolute pooled effect (of edges: ends of larger absolute effect).
        edge_threshold: edges of larger absolute pooled weight (units of the metric).
        limit: at most so many units, and so many edges, are listed, those of either circuit together; None: all. The
            figures are of all.
        size: of each circuit and kind the so many strongest units; where one has fewer, as many of the other.
        edge_size: likewise of edges.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: their models or dictionaries differ, the level does not fit their positions, a circuit's selection
            forbids the thresholds, or a threshold leaves none of its nodes.

    """
    cut = Cut(node_threshold, edge_threshold, size, edge_size)
    pair = read_pair(store, a, b, level, cut)
    about = {"circuit_a": pair.names[0], "circuit_b": pair.names[1], "level": level, **cut.params}
    about |= {"without_role": pair.without_role} if any(pair.without_role) else {}
    return Comparison(
        a=pair.names[0],
        b=pair.names[1],
        level=level,
        cut=cut,
        nodes=_by_kind(pair.nodes, "nodes", pair.asked, about),
        edges=_by_kind(pair.of("edges"), "edges", pair.asked, about),
        _store=store,
        _uses=pair,
        _limit=_ALL if limit is None else limit,
    )


def _by_kind(uses: Uses, of: str, asked: tuple[Asked, ...], about: dict[str, Any]) -> pd.DataFrame:
    rows = [(kind, *figures(*dense(uses, kind))) for kind in sorted(KINDS) if (uses.kind == KINDS.index(kind)).any()]
    return tabulate(columns_for(of, {"kind": BY_KIND[of]}), rows, asked, compared=about)


def _site_rows(uses: Uses, codes: Ints) -> Iterator[tuple[Any, ...]]:
    values = np.zeros((2, len(codes)))
    here = uses.kind == FEATURE
    values[uses.circuit[here], uses.item[here]] = uses.value[here]
    component, layer = site_of(codes)
    site = layer * len(COMPONENTS) + component
    order = np.argsort(site, kind="stable")
    starts = np.flatnonzero(np.diff(site[order], prepend=-len(COMPONENTS) - 1))
    for some in np.split(order, starts[1:]) if len(order) else []:
        one: Floats = values[0, some]
        other: Floats = values[1, some]
        if one.any() or other.any():
            yield (int(layer[some[0]]), COMPONENTS[int(component[some[0]])], *figures(one, other))


def _where(table: pd.DataFrame, *, in_a: bool, in_b: bool) -> pd.DataFrame:
    return table[(table["in_a"] == in_a) & (table["in_b"] == in_b)].reset_index(drop=True)


def _differing(one: pd.Series[Any], other: pd.Series[Any]) -> pd.DataFrame:
    import pandas as pd

    whole = [_settings(row) for row in (one, other)]
    names = sorted(whole[0].keys() | whole[1].keys())
    rows = [
        (name, whole[0].get(name), whole[1].get(name)) for name in names if whole[0].get(name) != whole[1].get(name)
    ]
    table = pd.DataFrame(rows, columns=["setting", "a", "b"], dtype="object")
    table.attrs = {
        "query": "circuit",
        "params": {"circuit": [one["name"], other["name"]]},
        "units": {},
        "descriptions": {"setting": "name of the setting", "a": "its value in the one", "b": "its value in the other"},
    }
    return table


def _settings(row: pd.Series[Any]) -> dict[str, str]:
    """All settings of a circuit as text: those on its node, and the rest of the JSON it was discovered with."""
    stored = {name: str(row[name]) for name in row.index if name not in _NOT_SETTINGS}
    given = json.loads(row["settings"])
    return {name: str(value) for name, value in given.items() if name not in _NOT_SETTINGS} | stored
