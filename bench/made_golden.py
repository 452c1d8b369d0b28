"""Make a folder in golden form with the literal definitions: another architecture, another dictionary.

`python -m bench.made_golden DIR` writes a random two-layer GPT-NeoX with sequential blocks (`gemma2` behind it: a Gemma
2 with dictionaries before the embedding's scale, at z and behind the norms), JumpReLU dictionaries, and what
`bench/literal.py` computes on them; `python -m bench.golden DIR` then compares. The form is that of the published
implementation's outputs: dimensions are [downstream…, upstream…], the error is the last unit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from bench import literal
from bench.golden_folder import GoldenFolder, open_golden
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.metrics import LogitDifference, NegativeLogit
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject

D_MODEL, Z_WIDTH, D_SAE, VOCABULARY, LAYERS, LENGTH, COUNT = 16, 24, 12, 24, 2, 3, 4
SITES = ("embed", "attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1")
ALPHAS = [step / 10 for step in range(10)]
DOWN_NODES = 40
"""About so many downstream nodes take part in the edges of a file."""
LEAST_SPAN = 0.01
"""Least |m(M) - m(∅)|, relative to |m(M)|, of a cell: below it the quotients are rounding, hundreds of times over."""

Arrays = dict[str, NDArray[Any]]


def make(folder: Path, family: str = "neox") -> None:
    """Write everything, for a model of the family `neox` or `gemma2`."""
    _write_model(folder / "model", family)
    for number, name in enumerate(SITES):
        width = Z_WIDTH if family == "gemma2" and name.startswith("attn") else D_MODEL
        _write_dictionary(folder / "dictionaries" / _published_name(name), number, width)
    generator = torch.Generator().manual_seed(7)
    draw = {
        end: torch.randint(0, VOCABULARY, (COUNT, LENGTH), generator=generator).tolist() for end in ("clean", "patch")
    }
    right, wrong = list(range(COUNT)), list(range(COUNT, 2 * COUNT))
    pairs = {**draw, "clean_answer": right, "patch_answer": wrong}
    single = {"clean": draw["patch"], "clean_answer": wrong}
    (folder / "data.json").write_text(json.dumps({"pairs": pairs, "single": single}))
    golden = open_golden(folder)
    for kind, batch in (("pairs", golden.pairs()), ("zero", golden.single())):
        subject = Subject(golden.model, golden.dictionaries, LogitDifference() if kind == "pairs" else NegativeLogit())
        effects = _effects(subject, batch)
        _save(folder / f"nodes_{kind}.npz", _split(effects))
        _save(folder / f"exact_{kind}.npz", {"examples": np.arange(1), **_exact(subject, batch)})
        _save(folder / f"edges_{kind}.npz", _edges(subject, batch, effects["ig"]))
        if kind == "pairs":
            _save(folder / "exact_edges.npz", _exact_edges(subject, batch))
            _write_ablation(folder, golden, subject, batch, effects["ig"])


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def _write_model(folder: Path, family: str) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(11)
    _random_model(family).save_pretrained(folder)
    words = {f"w{number}": number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0", bos_token="w1").save_pretrained(folder)


def _random_model(family: str) -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM

    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": D_MODEL,
        "intermediate_size": 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "initializer_range": 0.4,
    }
    if family == "gemma2":
        heads = {"num_key_value_heads": 1, "head_dim": Z_WIDTH // 2, "query_pre_attn_scalar": Z_WIDTH // 2}
        return Gemma2ForCausalLM(Gemma2Config(**sizes, **heads))
    return GPTNeoXForCausalLM(GPTNeoXConfig(**sizes, use_parallel_residual=False))


def _published_name(site: str) -> str:
    component, _, layer = site.partition("_")
    return site if not layer else f"{component}_out_layer{layer}"


def _write_dictionary(folder: Path, seed: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (width, D_SAE), "b_enc": (D_SAE,), "W_dec": (D_SAE, width), "b_dec": (width,)}
    weights = {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    folder.mkdir(parents=True)
    save_file({**weights, "threshold": 0.2 * torch.rand(D_SAE, generator=generator)}, folder / "ae.safetensors")


def _effects(subject: Subject, batch: Batch) -> dict[str, dict[Site, Tensor]]:
    return {
        method: {site: literal.node_effects(subject, batch, site, alphas) for site in subject.dictionaries}
        for method, alphas in (("ig", ALPHAS), ("atp", [0.0]))
    }


def _split(effects: dict[str, dict[Site, Tensor]]) -> Arrays:
    found = {}
    for method, sites in effects.items():
        for site, dense in sites.items():
            found[f"{method}/{site.name}/act"] = dense[..., :-1].numpy()
            found[f"{method}/{site.name}/resc"] = dense[..., -1:].numpy()
    return found


def _exact(subject: Subject, batch: Batch) -> Arrays:
    """Every unit of every site patched alone, on the first example."""
    first = batch.take(torch.tensor([0]))
    dense = {
        site: torch.stack(
            [
                torch.cat([literal.patch_one(subject, first, site, unit, position) for unit in range(D_SAE + 1)])
                for position in range(LENGTH)
            ]
        )[None]
        for site in subject.dictionaries
    }
    return _split({"exact": dense})


def _edges(subject: Subject, batch: Batch, effects: dict[Site, Tensor]) -> Arrays:
    """Raw edges into the strongest nodes, and their means with positions kept and summed."""
    sizes = torch.cat([dense.abs().flatten() for site, dense in effects.items() if site.layer >= 0]).sort().values
    threshold = float((sizes[-DOWN_NODES - 1] + sizes[-DOWN_NODES]) / 2)
    found: Arrays = {"node_threshold": np.array(threshold)}
    outer = {site: literal.mean_gradients(subject, batch, site, ALPHAS) for site in subject.dictionaries}
    for up, down in _pairs(subject):
        part = effects[down].abs() > threshold
        raw = torch.zeros(COUNT, LENGTH, D_SAE + 1, LENGTH, D_SAE + 1)
        for position, unit in torch.nonzero(part.any(0)).tolist():
            weights = literal.edge_weights(subject, batch, up, down, unit, position, outer=outer[down])
            raw[:, position, unit] = weights * part[:, position, unit, None, None]
        if bool(raw.any()):
            # The form has an axis of examples at both ends.
            whole = torch.zeros(COUNT, LENGTH, D_SAE + 1, COUNT, LENGTH, D_SAE + 1)
            whole[torch.arange(COUNT), :, :, torch.arange(COUNT)] = raw
            name = f"{up.name}->{down.name}"
            found |= _coordinates(f"raw/{name}", whole)
            found |= _coordinates(f"agg_none/edges/{name}", raw.mean(0))
            found |= _coordinates(f"agg_sum/edges/{name}", raw.mean(0).sum((0, 2)))
    return found


def _pairs(subject: Subject) -> Iterator[tuple[Site, Site]]:
    sites = sorted(subject.dictionaries)
    yield from ((up, down) for i, down in enumerate(sites) for up in sites[:i])


def _coordinates(name: str, dense: Tensor) -> Arrays:
    indices = torch.nonzero(dense).T
    values = dense[tuple(indices)]
    return {
        f"{name}/indices": indices.numpy(),
        f"{name}/values": values.numpy(),
        f"{name}/shape": np.array(dense.shape),
    }


def _exact_edges(subject: Subject, batch: Batch) -> Arrays:
    """Exact effects of edges between the last position's errors and a few features, for directly connected sites."""
    pair, index, exact = [], [], []
    last = LENGTH - 1
    sites = {site.name: site for site in subject.dictionaries}
    for up, down in (
        ("embed", "attn_0"),
        ("attn_0", "mlp_0"),
        ("mlp_0", "resid_0"),
        ("resid_0", "attn_1"),
        ("mlp_1", "resid_1"),
    ):
        for down_unit in (0, 1, 2, D_SAE):
            for up_unit in (0, 3, D_SAE):
                found = literal.exact_edge(subject, batch, (sites[up], up_unit, last), (sites[down], down_unit, last))
                pair.append(f"{up}->{down}")
                index.append([1, last, down_unit, last, up_unit])
                exact.append(float(found[1]))
    return {"pair": np.array(pair), "index": np.array(index), "exact": np.array(exact, dtype=np.float32)}


def _write_ablation(
    folder: Path, golden: GoldenFolder, subject: Subject, batch: Batch, effects: dict[Site, Tensor]
) -> None:
    """Cells of faithfulness and completeness: two thresholds, both starts, mean and zero, every treatment of errors."""
    mean = {
        "none": {s: d.mean(0) for s, d in effects.items()},
        "sum": {s: d.sum(1).mean(0) for s, d in effects.items()},
    }
    arrays = {}
    for aggregation, sites in mean.items():
        for site, dense in sites.items():
            arrays[f"circuit_{aggregation}/{site.name}/act"] = dense[..., :-1].numpy()
            arrays[f"circuit_{aggregation}/{site.name}/resc"] = dense[..., -1:].numpy()
    _save(folder / "ablation.npz", arrays)
    with torch.no_grad():
        full = float(subject.metric(golden.model.run(batch.clean), batch).mean())
    cells = {}
    for aggregation, sites in mean.items():
        sizes = torch.cat([dense.abs().flatten() for dense in sites.values()])
        for number, quantile in enumerate((0.6, 0.9)):
            threshold = float(sizes.quantile(quantile))
            for start in (0, 1):
                for ablation in ("mean", "zero"):
                    for mode in ("default", "remove", "keep", "nb_remove", "nb_resid_only"):
                        name = f"{aggregation}/thr{number}/start{start}/{ablation}/{mode}"
                        shares = _cell(subject, batch, sites, threshold, start, ablation, mode, full)
                        if shares is not None:
                            cells[name] = dict(zip(("threshold", "faithfulness", "completeness"), shares, strict=True))
    (folder / "ablation.json").write_text(json.dumps(cells))


def _cell(
    subject: Subject,
    batch: Batch,
    effects: dict[Site, Tensor],
    threshold: float,
    start: int,
    ablation: str,
    mode: str,
    full: float,
) -> list[float] | None:
    """Threshold, faithfulness and completeness of one cell; None where the two are all but divided by zero."""
    at_patch = literal.states(subject, batch, patch=True)
    ablated = [site for site in effects if site.layer >= start]
    values = {s: (at_patch[s][0].mean(0), at_patch[s][1].mean(0)) for s in ablated}
    if ablation == "zero":
        values = {s: (torch.zeros_like(f), torch.zeros_like(e)) for s, (f, e) in values.items()}
    circuit = {s: (effects[s].abs() > threshold).expand(LENGTH, D_SAE + 1).clone() for s in ablated}
    for site, mask in circuit.items():
        if mode == "nb_remove" or (mode == "nb_resid_only" and site.component != "resid"):
            mask[:, -1] = False
    sets = [circuit, {s: ~m for s, m in circuit.items()}, {s: torch.zeros_like(m) for s, m in circuit.items()}]
    if mode in ("remove", "keep"):
        for mask in (mask for some in sets for mask in some.values()):
            mask[:, -1] = mode == "keep"
    kept, complement, empty = (float(literal.ablated(subject, batch, some, values).mean()) for some in sets)
    if abs(full - empty) < LEAST_SPAN * abs(full):
        return None
    return [threshold, *((value - empty) / (full - empty) for value in (kept, complement))]


if __name__ == "__main__":
    make(Path(sys.argv[1]), *sys.argv[2:])
