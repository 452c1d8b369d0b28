"""Train the dictionaries with the trainer of SAELens: TopK, at embed, attn, mlp and resid of every layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.demo_model.corpus import batches
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import quiet
from circuit_atlas.ingest.sites import COMPONENTS, Site
from circuit_atlas.progress import Reporter

K = 16
"""Features active on one token."""

_BATCH = 1024
_WIDTHS = {"embed": 256, "attn": 256, "mlp": 384, "resid": 384}
"""Features a dictionary when training begins."""

_LEAST_FREQUENCY = 1e-4
"""Share of tokens on which a feature must fire to be kept."""


def all_sites(n_layers: int) -> list[Site]:
    """Every site of a model, in the order of computation."""
    return [Site(-1, 0), *(Site(layer, rank) for layer in range(n_layers) for rank in range(len(COMPONENTS)))]


def gather(
    model: LanguageModel, sites: Sequence[Site], seed: int, passages: int
) -> dict[Site, Float[Tensor, "token d_model"]]:
    """Activations at each site over all real tokens of the grammar's text, the first token included."""
    found: dict[Site, list[Tensor]] = {site: [] for site in sites}
    for tokens in batches(model.tokenizer, seed, 250, passages // 250):
        real = tokens != model.tokenizer.pad_token_id
        for site, x in model.activations(tokens, sites).items():
            found[site].append(x[real])
    return {site: torch.cat(parts) for site, parts in found.items()}


def train_dictionaries(model: LanguageModel, folder: Path, seed: int, steps: int, reporter: Reporter) -> None:
    """Train one dictionary a site and save each as SAELens saves one for inference."""
    sites = all_sites(model.n_layers)
    activations = gather(model, sites, seed + 1, 10_000)
    with reporter.task("training the dictionaries", len(sites)) as advance:
        for site in sites:
            torch.manual_seed(seed)
            x = activations.pop(site)
            _train_one(site, x, steps).save_inference_model(folder / site.name)
            _drop_dead(folder / site.name, x)
            advance(1)


def _train_one(site: Site, x: Float[Tensor, "token d_model"], steps: int) -> Any:
    from sae_lens import SAETrainer, TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.sae import SAEMetadata

    config = TopKTrainingSAEConfig(
        d_in=x.shape[1],
        d_sae=_WIDTHS[site.component],
        k=K,
        aux_loss_coefficient=1 / 32,  # Gao et al. (2024), section 2.4; the default of 1 leaves a third dead
        normalize_activations="expected_average_only_in",
        metadata=SAEMetadata(hook_name=site.hook_name, model_name="demo"),
    )
    dictionary = TopKTrainingSAE(config)
    # Start at the mean: what is constant need not be learnt by features, which then live. The trainer scales what it
    # reads to a mean norm of sqrt(d_in).
    dictionary.b_dec.data = x.mean(0) * (x.shape[1] ** 0.5 / x.norm(dim=1).mean())
    trainer_config = SAETrainerConfig(
        total_training_samples=steps * _BATCH,
        train_batch_size_samples=_BATCH,
        lr=2e-3,
        lr_end=2e-4,
        lr_warm_up_steps=steps // 20,
        lr_decay_steps=steps // 3,
        dead_feature_window=10,
        feature_sampling_window=10 * steps,
        n_batches_for_norm_estimate=20,
    )
    with quiet():
        return SAETrainer(trainer_config, dictionary, _draws(x)).fit()


def _draws(x: Float[Tensor, "token d_model"]) -> Iterator[Float[Tensor, "batch d_model"]]:
    generator = torch.Generator().manual_seed(0)
    while True:
        yield x[torch.randint(len(x), (_BATCH,), generator=generator)]


def _drop_dead(folder: Path, x: Float[Tensor, "token d_model"]) -> None:
    """Leave out of a saved dictionary what (almost) never fires on the data: it can be part of no circuit."""
    from sae_lens import SAE

    trained = SAE.load_from_disk(folder)
    with torch.no_grad():
        fired = sum((trained.encode(some) != 0).sum(0) for some in x.split(8192))
    alive = torch.as_tensor(fired) > _LEAST_FREQUENCY * len(x)
    kept = type(trained)(dataclasses.replace(trained.cfg, d_sae=int(alive.sum())))
    kept.load_state_dict(
        {
            "W_enc": trained.W_enc.data[:, alive].contiguous(),
            "b_enc": trained.b_enc.data[alive],
            "W_dec": trained.W_dec.data[alive],
            "b_dec": trained.b_dec.data,
        }
    )
    kept.save_model(folder)
