r"""A sparse dictionary as attribution needs it: activations in units in which decoding is affine.

With acts = f · scale(x) (scale is 1 unless the dictionary normalises its input token by token), every SAELens
dictionary decodes as

    x = acts @ W_dec + b_dec + error,

where the error takes whatever is left, shifts of a normalisation among it. That makes the interpolation of features and
error the interpolation of x itself (identity 1 of docs/method.md), for every architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.digests import digest_tensors
from circuit_atlas.ingest.sites import Site

_PLAIN = ("standard", "topk", "jumprelu", "identity")
"""Architectures whose active features depend on x through their encoder column alone."""


_TOPK = ("topk", "abstopk")
"""Architectures that choose their active features among all, by the size of what stands before the choice."""


_SLICE_NUMBERS = 4_000_000
"""Most numbers in one slice of gathered rows."""


@dataclass(frozen=True)
class Rows:
    """Active features, one row for each (example, position, feature)."""

    example: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    feature: Int[Tensor, " row"]

    def slices(self, like: Float[Tensor, "batch pos d_in"]) -> Iterator[tuple[slice, Tensor, Tensor, Tensor, Tensor]]:
        """Some rows at a time: their tokens, each once, and the place of each row's among these; features likewise."""
        every = self.example * like.shape[1] + self.position
        step = max(1, _SLICE_NUMBERS // like.shape[2])
        for start in range(0, len(every), step):
            some = slice(start, start + step)
            yield some, *every[some].unique(return_inverse=True), *self.feature[some].unique(return_inverse=True)


@dataclass(frozen=True)
class SparseDictionary:
    """The dictionary at one site; its weights are opened when they are needed.

    Attributes:
        site: where it sits.
        open: gives the SAELens dictionary, on the device of the model. What keeps it open is the owner's choice (see
            `Shelf`), so nothing here holds on to its large weights.
        source: where it was loaded from.

    """

    site: Site
    open: Callable[[], Any]
    source: str

    @classmethod
    def holding(cls, site: Site, sae: Any, source: str) -> SparseDictionary:
        """One that stays in memory."""
        return cls(site, lambda: sae, source)

    @property
    def sae(self) -> Any:
        """The SAELens dictionary."""
        return self.open()

    @cached_property
    def cfg(self) -> Any:
        """SAELens' configuration of it."""
        return self.sae.cfg

    @property
    def d_sae(self) -> int:
        """Number of features; the error unit is counted as index `d_sae`."""
        return int(self.cfg.d_sae)

    @property
    def d_in(self) -> int:
        """Width of the activation it reads."""
        return int(self.cfg.d_in)

    @property
    def architecture(self) -> str:
        """SAELens' name of its kind."""
        return str(self.cfg.architecture())

    @cached_property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(t.numel() * t.element_size() for t in self.sae.state_dict().values())

    @cached_property
    def _rescale(self) -> Tensor | None:
        """Norms of the decoder rows, where activations are stored multiplied by them."""
        rescaled = getattr(self.cfg, "rescale_acts_by_decoder_norm", False)
        return self.sae.W_dec.detach().norm(dim=-1) if rescaled else None

    def decoder_rows(self, features: Int[Tensor, " feature"]) -> Float[Tensor, "feature d_in"]:
        """Directions of some features: what acts are the coefficients of."""
        rows: Tensor = self.sae.W_dec.detach().index_select(0, features)
        return rows if self._rescale is None else rows / self._rescale[features, None]

    def encoder_rows(self, features: Int[Tensor, " feature"]) -> Float[Tensor, "feature d_in"]:
        """Gradients of some features with respect to x where they are active (plain architectures)."""
        rows: Tensor = self.sae.W_enc.detach().index_select(1, features).T
        return rows if self._rescale is None else rows * self._rescale[features, None]

    def along(self, gradient: Float[Tensor, "batch pos d_in"], rows: Rows) -> Float[Tensor, " row"]:
        """Product of each row's direction with a gradient at its place; every direction is read once a slice."""
        parts = [
            (gradient.flatten(0, 1)[tokens] @ self.decoder_rows(features).T)[token, column]
            for _, tokens, token, features, column in rows.slices(gradient)
        ]
        return torch.cat(parts) if parts else gradient.new_zeros(0)

    def back(
        self, strength: Float[Tensor, " row"], rows: Rows, like: Float[Tensor, "batch pos d_in"]
    ) -> Float[Tensor, "batch pos d_in"]:
        """Sum over the rows at each place of strength · the feature's gradient (plain architectures)."""
        found = torch.zeros_like(like).flatten(0, 1)
        for some, tokens, token, features, column in rows.slices(like):
            dense = like.new_zeros(len(tokens), len(features))
            dense[token, column] = strength[some]
            found.index_add_(0, tokens, dense @ self.encoder_rows(features))
        return found.view_as(like)

    @cached_property
    def bias(self) -> Float[Tensor, " d_in"]:
        """What no feature and no error reconstructs: decode(0)."""
        bias: Tensor = self.sae.b_dec.detach().clone()  # a copy: it must not keep the file's mapping alive
        return bias

    def reconstruct(self, acts: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_in"]:
        """What all features add to the activation: acts @ W_dec."""
        scaled = acts if self._rescale is None else acts / self._rescale
        found: Tensor = scaled @ self.sae.W_dec.detach()
        return found

    def reconstruct_few(
        self, token: Int[Tensor, " row"], feature: Int[Tensor, " row"], act: Float[Tensor, " row"], tokens: int
    ) -> Float[Tensor, "token d_in"]:
        """The same from the active features alone, a row each in the order of tokens; reads only their directions."""
        if self._rescale is not None:
            act = act / self._rescale[feature]
        starts = torch.searchsorted(token, torch.arange(tokens, device=token.device))
        return embedding_bag(feature, self.sae.W_dec.detach(), starts, mode="sum", per_sample_weights=act)

    @property
    def is_plain(self) -> bool:
        """Whether `encoder` is the gradient of its features."""
        return self.architecture in _PLAIN and self.cfg.normalize_activations in (
            "none",
            "expected_average_only_in",
        )

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """Activations in decoding units; differentiable."""
        sae = self.sae
        if self.architecture == "standard" and not torch.is_grad_enabled():
            # As SAELens does it, in place: three arrays over all features are made one.
            inside = sae.process_sae_in(x)
            acts = torch.addmm(sae.b_enc, inside.flatten(0, -2), sae.W_enc).relu_().view(*x.shape[:-1], -1)
        else:
            acts = sae.encode(x)
        scale = self._scale(x)
        return acts if scale is None else acts * scale

    @property
    def is_topk(self) -> bool:
        """Whether its active features are chosen among all, so that what one is depends on the others."""
        return self.architecture in _TOPK

    def encode_held(
        self, x: Float[Tensor, "*batch d_in"], active: Bool[Tensor, "... d_sae"]
    ) -> Float[Tensor, "*batch d_sae"]:
        """Activations in decoding units where a TopK's choice is given: features not in it are 0, no others compete.

        The ReLU behind the choice stays (AbsTopK has none): it acts on each feature alone.
        """
        sae = self.sae
        before = sae.process_sae_in(x) @ sae.W_enc + sae.b_enc
        if self._rescale is not None:
            before = before * self._rescale
        acts: Tensor = torch.where(active, before if self.architecture == "abstopk" else before.relu(), 0.0)
        scale = self._scale(x)
        return acts if scale is None else acts * scale

    def error(
        self, x: Float[Tensor, "*batch d_in"], acts: Float[Tensor, "*batch d_sae"]
    ) -> Float[Tensor, "*batch d_in"]:
        """What `acts` leave out of x."""
        return x - self.reconstruct(acts) - self.bias

    def _scale(self, x: Tensor) -> Tensor | None:
        normalisation = self.cfg.normalize_activations
        if normalisation == "constant_norm_rescale":
            norm: Tensor = x.norm(dim=-1, keepdim=True)
            return norm.div(self.d_in**0.5)
        if normalisation == "layer_norm":
            std: Tensor = (x - x.mean(dim=-1, keepdim=True)).std(dim=-1, keepdim=True)
            return std
        return None

    def feature_gradients(
        self,
        x: Float[Tensor, "batch pos d_in"],
        features: Int[Tensor, " feature"],
        strength: Float[Tensor, "batch pos feature"],
    ) -> Float[Tensor, "feature batch pos d_in"]:
        """Gradient of strength · activation with respect to x for each feature, by autograd through the encoder."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            acts = self.encode(leaf)[..., features] * strength
            slices = [torch.autograd.grad(acts[..., j].sum(), leaf, retain_graph=True)[0] for j in range(len(features))]
        return torch.stack(slices)

    def through_features(
        self, x: Float[Tensor, "batch pos d_in"], cotangent: Float[Tensor, "batch pos d_in"]
    ) -> Float[Tensor, "batch pos d_in"]:
        """What of a cotangent on the reconstruction comes back to x through all features, by autograd."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            decoded = self.reconstruct(self.encode(leaf))
            (through,) = torch.autograd.grad(decoded, leaf, cotangent)
        return through

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of its weights."""
        return digest_tensors(self.sae.state_dict().items())

    def check(self) -> None:
        """Demand weights that are numbers, and decoding affine in the activations, as all of attribution rests on it.

        Raises:
            ModelError: a weight is NaN or infinite, or decoding is not affine, as in a transcoder or a dictionary with
                state of its own.

        """
        for name, weight in self.sae.state_dict().items():
            # An infinite threshold is a feature that never fires.
            if weight.isnan().any() or (name != "threshold" and weight.isinf().any()):
                raise ModelError(
                    f"the dictionary at {self.site.name} has weights that are not finite (NaN or infinity), in {name}: "
                    f"its file in {self.source} is broken; fetch or save it again"
                )
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, self.d_in, generator=generator).to(self.bias)
        with torch.no_grad():
            acts = self.encode(x)
            ours = self.reconstruct(acts)
            sae = self.sae
            theirs = sae.decode(sae.encode(x))
            scale = self._scale(x)
            theirs = theirs - self.bias if scale is None else theirs - self.bias * scale - self._shift(x)
        if ours.shape != theirs.shape or not torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3):
            raise ModelError(
                f"the dictionary at {self.site.name} ({self.architecture}) does not decode as acts @ W_dec + b_dec; "
                "transcoders and dictionaries with state of their own are not supported"
            )

    def _shift(self, x: Tensor) -> Tensor | float:
        return x.mean(dim=-1, keepdim=True) if self.cfg.normalize_activations == "layer_norm" else 0.0
