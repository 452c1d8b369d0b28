"""A language model behind TransformerBridge: loading, running with values replaced, and what identifies it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.digests import digest_tensors, digest_tokenizer
from circuit_atlas.ingest.sites import COMPONENTS, Site
from circuit_atlas.ingest.starts import Around, Start

Replace = Callable[[Tensor], Tensor]
"""What a site's activation [batch, pos, d] becomes."""


@dataclass(frozen=True)
class LanguageModel:
    """A frozen causal language model.

    Attributes:
        bridge: the TransformerBridge.
        tokenizer: its Hugging Face tokenizer, or None where the checkpoint has none.
        name: name in the graph.
        source: where it was loaded from.
        costs: what one sequence of each length costs in memory, as far as measured.

    """

    bridge: Any
    tokenizer: Any
    name: str
    source: str
    costs: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        return int(self.bridge.cfg.n_layers)

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.bridge.cfg.d_model)

    @property
    def d_vocab(self) -> int:
        """Size of the vocabulary."""
        return int(self.unembedding().shape[0])

    @property
    def n_ctx(self) -> int | None:
        """Most tokens that it reads, as its configuration says; None where that says nothing."""
        told = self.bridge.original_model.config.get_text_config()
        found = getattr(told, "max_position_embeddings", None) or getattr(told, "n_positions", None)
        return None if found is None else int(found)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = next(iter(self.bridge.parameters())).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of its weights."""
        dtype: torch.dtype = next(iter(self.bridge.parameters())).dtype
        return dtype

    def run(
        self,
        tokens: Int[Tensor, "batch pos"],
        replace: Mapping[Site, Replace] | None = None,
        *,
        start: Start | None = None,
        last: bool = False,
        tokens_read: Int[Tensor, "batch token"] | None = None,
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits, with the activation at each site of `replace` passed through its function.

        Args:
            tokens: token ids.
            replace: functions of the activations at some sites.
            start: where to begin; blocks before it are not run.
            last: whether only the last position's logits are wanted; the others are not computed.
            tokens_read: the tokens of each row whose logits at the last position are wanted; no others are computed,
                and the answer is [batch, 1, token] (see `can_select`).

        """
        hooks = [(site.hook_name, _hook(function)) for site, function in (replace or {}).items()]
        if last:
            hooks.append(("unembed.hook_in", _last_position))
        if (
            (last or tokens_read is not None)
            and self.can_narrow
            and not any(s.layer >= self.n_layers - 1 for s in replace or {})
        ):
            hooks.append(self._narrowing)
        with self._only(start), self._selected(tokens_read):
            logits: Tensor = self._run(tokens, return_type="logits", fwd_hooks=hooks)
        return logits.float()

    def run_from(
        self,
        tokens: Int[Tensor, "batch pos"],
        site: Site,
        x: Float[Tensor, "batch pos d"],
        around: Around,
        *,
        last: bool = False,
        tokens_read: Int[Tensor, "batch token"] | None = None,
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """Logits (see `run`) with the activation at one site set to x, running only what comes after it."""
        start, settled = self.begin(site, x, around)
        replace = None if settled else {site: lambda _: x}
        return self.run(tokens, replace, start=start, last=last, tokens_read=tokens_read)

    def begin(self, site: Site, x: Float[Tensor, "batch pos d"], around: Around) -> tuple[Start | None, bool]:
        """Where a run with the activation at one site set to x may begin; None: at the embedding.

        Returns:
            the start, and whether it holds x already, so that nothing is left to replace.

        """
        if self.can_skip and site.component == "resid":
            return Start(site.layer + 1, x), True
        if self.can_skip and around.beside is not None and site.component in self.adding:
            return Start(site.layer + 1, x + around.beside), True
        if self.can_skip and around.entry is not None and site.layer > 0:
            return Start(site.layer, around.entry), False
        return None, False

    def _run(self, tokens: Tensor, **settings: Any) -> Tensor:
        """Run the bridge, and let go of the attention patterns that it keeps, with all that made them."""
        try:
            found: Tensor = self.bridge.run_with_hooks(tokens, **settings)
        finally:
            for module in self._keeping:
                module._pattern = None
        return found

    @cached_property
    def _keeping(self) -> list[Any]:
        return [module for module in self.bridge.modules() if hasattr(module, "_pattern")]

    def run_to(
        self,
        tokens: Int[Tensor, "batch pos"],
        site: Site,
        replace: Mapping[Site, Replace] | None = None,
        *,
        start: Start | None = None,
    ) -> Float[Tensor, "batch pos d"]:
        """Activation at one site, differentiable, with others (or its own) passed through their functions.

        `start` is where to begin, no later than the site's block; blocks before it are not run. The run ends as soon as
        the site is computed: what comes after it, in its own block too, is not.
        """
        found: list[Tensor] = []
        before = (replace or {}).get(site)

        def keep(x: Tensor) -> Tensor:
            found.append(x if before is None else before(x))
            raise _ReachedError

        hooks = [(at.hook_name, _hook(function)) for at, function in {**(replace or {}), site: keep}.items()]
        with self._only(start), contextlib.suppress(_ReachedError):
            self._run(tokens, return_type="logits", fwd_hooks=hooks)
        return found[0]

    @contextlib.contextmanager
    def _only(self, start: Start | None) -> Iterator[None]:
        """Run the blocks from the start on alone; those before hand on what they get."""
        before = [] if start is None else list(self.bridge.blocks)[: start.layer]
        try:
            for block in before:
                object.__setattr__(block, "forward", _pass_on)
            if start is not None and before:
                object.__setattr__(before[-1], "forward", _give(start.stream.to(self.dtype)))
            yield
        finally:
            for block in before:
                object.__delattr__(block, "forward")

    @contextlib.contextmanager
    def _selected(self, tokens: Int[Tensor, "batch token"] | None) -> Iterator[None]:
        """Unembed to some tokens of the last position alone; whatever the model does to logits comes after."""
        if tokens is None:
            yield
            return
        head = self.bridge.original_model.get_output_embeddings()
        weight, bias = self.unembedding()[tokens], getattr(head, "bias", None)

        def unembed(stream: Tensor) -> Tensor:
            found = torch.einsum("bd,bkd->bk", stream[:, -1], weight.to(stream.dtype))
            return (found if bias is None else found + bias[tokens])[:, None]

        object.__setattr__(self.bridge.unembed, "forward", unembed)
        try:
            yield
        finally:
            object.__delattr__(self.bridge.unembed, "forward")

    def _barely_unembedded(self, tokens: Int[Tensor, "batch pos"]) -> contextlib.AbstractContextManager[None]:
        """Unembed to one token alone where that can be, for runs whose logits nobody reads."""
        return self._selected(torch.zeros_like(tokens[:, :1]) if self.can_select else None)

    @cached_property
    def can_select(self) -> bool:
        """Whether logits of some tokens alone equal those among all: tried once, on two tokens."""
        tokens = torch.tensor([[1, 2]], device=self.device)
        wanted = torch.tensor([[0, self.d_vocab - 1]], device=self.device)
        try:
            with torch.no_grad():
                every, some = self.run(tokens, last=True), self.run(tokens, tokens_read=wanted)
        except (TypeError, ValueError, RuntimeError, AttributeError):
            return False
        return some.shape == (1, 1, 2) and torch.allclose(every[0, 0, wanted[0]], some[0, 0], atol=1e-4, rtol=1e-4)

    @property
    def _narrowing(self) -> tuple[str, Any]:
        """The last MLP reads the last position alone; what it adds to the others of the stream, nobody reads."""
        return f"blocks.{self.n_layers - 1}.mlp.hook_in", _last_position

    @cached_property
    def can_narrow(self) -> bool:
        """Whether the last position's logits stay the same when the last MLP reads it alone: tried once."""
        tokens = torch.tensor([[1, 2, 1]], device=self.device)
        try:
            with torch.no_grad():
                every, narrow = (
                    self._run(tokens, return_type="logits", fwd_hooks=hooks)[:, -1] for hooks in ([], [self._narrowing])
                )
        except (TypeError, ValueError, RuntimeError, AttributeError, KeyError):
            return False
        return torch.allclose(every, narrow, atol=1e-4, rtol=1e-4)

    @cached_property
    def adding(self) -> frozenset[str]:
        """Components whose output goes nowhere but straight into the stream after their block: tried once, in one.

        Those are the MLP of most models, and attention where the block is parallel.
        """
        layer = self.n_layers // 2
        tokens = torch.tensor([[1, 2]], device=self.device)
        resid = Site(layer, COMPONENTS.index("resid"))
        found = set()
        with torch.no_grad():
            for component in ("attn", "mlp"):
                site = Site(layer, COMPONENTS.index(component))
                clean = self.activations(tokens, [site, resid])
                change = torch.randn_like(clean[site])
                after = self.run_to(tokens, resid, {site: change.add})
                if torch.allclose(after - clean[resid], change, atol=1e-4, rtol=1e-3):
                    found.add(component)
        return frozenset(found)

    @cached_property
    def sums(self) -> bool:
        """Whether a block leaves the stream that enters it plus what attention and MLP put out: tried once, in one."""
        layer = self.n_layers // 2
        tokens = torch.tensor([[1, 2]], device=self.device)
        attn, mlp, resid = (Site(layer, COMPONENTS.index(name)) for name in COMPONENTS)
        with torch.no_grad():
            clean = self.activations(tokens, [attn, mlp])
            entry = self.entries(tokens, [layer])[layer].float()
            put = {site: torch.randn_like(x.float()) for site, x in clean.items()}
            left = self.run_to(tokens, resid, {site: _given(x) for site, x in put.items()})
        return torch.allclose(left, entry + put[attn] + put[mlp], atol=1e-4, rtol=1e-4)

    @cached_property
    def can_skip(self) -> bool:
        """Whether a run begun at a later block equals the whole run: tried once, on two tokens."""
        tokens = torch.tensor([[1, 2]], device=self.device)
        middle = self.n_layers // 2
        site = Site(middle, COMPONENTS.index("resid"))
        try:
            with torch.no_grad():
                stream = self.activations(tokens, [site])[site]
                return torch.equal(self.run(tokens), self.run(tokens, start=Start(middle + 1, stream)))
        except (TypeError, ValueError, RuntimeError, AttributeError):
            return False

    def activations(self, tokens: Int[Tensor, "batch pos"], sites: Sequence[Site]) -> dict[Site, Tensor]:
        """Activations [batch, pos, d] at each site, detached."""
        found = self._captured(tokens, [site.hook_name for site in sites])
        missing = [site.name for site in sites if site.hook_name not in found]
        if missing:
            raise ModelError(f"{self.name} never computes the site {missing[0]}; has it {self.n_layers} layers?")
        return {site: found[site.hook_name] for site in sites}

    def entries(self, tokens: Int[Tensor, "batch pos"], layers: Sequence[int]) -> dict[int, Tensor]:
        """Stream [batch, pos, d] as it enters some blocks, detached."""
        found = self._captured(tokens, [f"blocks.{layer}.hook_in" for layer in layers]) if layers else {}
        return {layer: found[f"blocks.{layer}.hook_in"] for layer in layers}

    def _captured(self, tokens: Tensor, hook_names: Sequence[str]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[..., Tensor]:
            def function(x: Tensor) -> Tensor:
                found[name] = x.detach()
                return x

            return _hook(function)

        hooks = [(name, keep(name)) for name in hook_names]
        with torch.no_grad(), self._barely_unembedded(tokens):
            self._run(tokens, return_type="logits", fwd_hooks=[*hooks, ("unembed.hook_in", _last_position)])
        return found

    def width_at(self, site: Site) -> int:
        """Width of the activation at a site."""
        cfg = self.bridge.cfg
        if site.is_z:
            return int(cfg.n_heads) * int(cfg.d_head)
        return int(cfg.d_mlp) if site.is_post else self.d_model

    def written(self, site: Site, rows: Float[Tensor, "row d"]) -> Float[Tensor, "row d_model"]:
        """What directions at a site write into the residual stream."""
        if not site.is_z and not site.is_post:
            return rows
        block = self.bridge.blocks[site.layer]
        project = (block.attn.o if site.is_z else block.mlp.out).original_component
        with torch.no_grad():
            found: Tensor = project(rows) - project(torch.zeros_like(rows))
        return found

    def unembedding(self) -> Float[Tensor, "d_vocab d_model"]:
        """Rows that turn the final residual stream into logits."""
        weight: Tensor = self.bridge.original_model.get_output_embeddings().weight
        return weight.detach()

    def describe(self) -> dict[str, Any]:
        """Properties of its node in the graph."""
        cfg = self.bridge.cfg
        return {
            "n_layers": self.n_layers,
            "d_model": self.d_model,
            "n_heads": int(cfg.n_heads),
            "d_vocab": self.d_vocab,
            "source": self.source,
            "weights_digest": digest_tensors(self.bridge.original_model.state_dict().items()),
            "tokenizer_digest": None if self.tokenizer is None else digest_tokenizer(self.tokenizer),
        }


class _ReachedError(Exception):
    """The site that a run was for is computed."""


def _pass_on(stream: Tensor, *_: object, **__: object) -> Tensor:
    return stream


def _give(stream: Tensor | None) -> Callable[..., Tensor | None]:
    return lambda *_, **__: stream


def _given(x: Tensor) -> Replace:
    return lambda _: x


def _last_position(x: Tensor, hook: object) -> Tensor:
    return x[:, -1:]


def _hook(function: Replace) -> Callable[..., Tensor]:
    """Wrap a function of [batch, pos, d] in float32 as a hook that also stands at values split into heads.

    Dictionaries and attribution work in float32 whatever the model's number type; the model goes on in its own.
    """

    def hook(x: Tensor, hook: object) -> Tensor:
        return function(x.flatten(2).float()).reshape(x.shape).to(x.dtype)

    return hook
