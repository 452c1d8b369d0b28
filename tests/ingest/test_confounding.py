"""An effect that passes through another site stays out of an edge.

In a sequential block resid_0 = embed + attn_0 + mlp_0, so with attention and MLP held, embed reaches resid_0 by the
identity alone: the edge from feature u to feature d at the same position is, in closed form,
(outer · W_dec[d]) · (W_enc[:, d] · W_dec[u]) · (u_patch - u_clean) where d is active on clean, and nothing joins other
positions. A method that differentiates resid_0 by embed without holding what lies between reports far more.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import run_ends, unit_changes
from circuit_atlas.ingest.cotangents import ActiveRows, Units
from circuit_atlas.ingest.edge_weights import EdgeInputs, cut_graph, edge_weights
from circuit_atlas.ingest.node_effects import clean_gradients
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.subject import Subject
from tests.ingest.test_literal import assert_near
from tests.ingest.tiny import D_SAE, make_batch, make_subject

EMBED, RESID = site_from_name("embed"), site_from_name("resid_0")
LENGTH = 5


def test_an_edge_holds_the_direct_dependence_alone(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "llama", "standard", "none"), make_batch()
    ends = run_ends(subject.model, subject.dictionaries, batch)
    outer = clean_gradients(subject.model, subject.metric, batch, ends)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in subject.dictionaries.items()}
    active = {site: ActiveRows.on_clean(change) for site, change in changes.items()}
    every = Units(torch.arange(D_SAE).repeat(LENGTH), torch.arange(LENGTH).repeat_interleave(D_SAE))
    graph = cut_graph(subject.model, subject.metric, batch, ends.clean)
    found = {
        (up, down): weights
        for up, down, weights in edge_weights(EdgeInputs(graph, active, changes, outer), {RESID: every}, {EMBED: every})
    }[EMBED, RESID].view(len(batch.clean), LENGTH, D_SAE, LENGTH, D_SAE)

    up, down = subject.dictionaries[EMBED], subject.dictionaries[RESID]
    awake = down.encode(ends.clean[RESID]) != 0
    strength = (outer[RESID] @ down.sae.W_dec.T) * awake
    change = up.encode(ends.patch[EMBED]) - up.encode(ends.clean[EMBED])
    direct = torch.einsum("bsd,du,bsu->bsdu", strength, down.sae.W_enc.T @ up.sae.W_dec.T, change)
    expected = torch.zeros_like(found)
    for position in range(LENGTH):
        expected[:, position, :, position] = direct[:, position]
    assert_near(found, expected)

    naive = _naive(subject, batch, strength, change)
    # What passes attention and MLP is real, and more than what is direct: only it does not belong to this edge.
    assert float((naive - expected.sum(2)).abs().max()) > 0.5 * float(expected.sum(2).abs().max())


def _naive(subject: Subject, batch: Batch, strength: Tensor, change: Tensor) -> Tensor:
    """Edges into all of one position's features together [batch, pos, pos, d_sae], nothing held between."""
    up, down = subject.dictionaries[EMBED], subject.dictionaries[RESID]
    start = subject.model.activations(batch.clean, [EMBED])[EMBED].requires_grad_()
    seen: dict[Site, Tensor] = {}

    def note(x: Tensor) -> Tensor:
        seen[RESID] = x
        return x

    subject.model.run(batch.clean, {EMBED: lambda _: start, RESID: note})
    acts = down.encode(seen[RESID])
    parts = [
        torch.autograd.grad((acts[:, position] * strength[:, position].detach()).sum(), start, retain_graph=True)[0]
        for position in range(LENGTH)
    ]
    found: Tensor = torch.stack(parts, dim=1) @ up.sae.W_dec.T * change[:, None]
    return found
