"""Sites: the places of a transformer where a dictionary may sit, in the order in which they are computed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from circuit_atlas.errors import ModelError

COMPONENTS = ("attn", "mlp", "resid")
"""Components of one layer, in order; that an MLP in a parallel block reads no attention, the cut graph finds out."""

_HOOKS = {
    "attn": "blocks.{}.attn.hook_out",
    "mlp": "blocks.{}.mlp.hook_out",
    "resid": "blocks.{}.hook_out",
}

_ALIASES = (
    (re.compile(r"^blocks\.0\.(hook_in|hook_resid_pre)$|^hook_embed$|^embed\.hook_out$"), "embed"),
    (re.compile(r"^blocks\.(\d+)\.(attn\.hook_out|hook_attn_out)$"), "attn"),
    (re.compile(r"^blocks\.(\d+)\.(mlp\.hook_out|hook_mlp_out)$"), "mlp"),
    (re.compile(r"^blocks\.(\d+)\.(hook_out|hook_resid_post)$"), "resid"),
)

_POST_NORM = re.compile(r"^blocks\.(\d+)\.(ln1_post|ln2_post)\.hook_out$")
"""What attention and MLP write where a norm stands behind them (Gemma 2): a dictionary may sit there or before it."""

_STREAM_IN = re.compile(r"^blocks\.([1-9]\d*)\.(hook_in|hook_resid_pre)$")
"""The stream as it enters a block: what the block before left."""

_Z = re.compile(r"^blocks\.(\d+)\.attn\.(hook_z|o\.hook_in)$")
"""Attention before its output projection, heads concatenated: a dictionary of an attention site may sit there."""

_POST = re.compile(r"^blocks\.(\d+)\.mlp\.(out\.hook_in|hook_post)$|^blocks\.(\d+)\.hook_mlp_post$")
"""The neurons of an MLP, before its output projection: a dictionary of an MLP site may sit there."""

_NAME = re.compile(r"^(?:embed|(attn|mlp|resid)_(\d+))$")


@dataclass(frozen=True, order=True)
class Site:
    """One place with a dictionary; sites sort in the order of computation.

    Attributes:
        layer: from 0; -1 for the embedding.
        rank: order within the layer.
        hook: hook of TransformerBridge, where it is not the usual one of such a site.

    """

    layer: int
    rank: int
    hook: str = field(default="", compare=False)

    @property
    def component(self) -> str:
        """Component: embed, attn, mlp or resid."""
        return "embed" if self.layer < 0 else COMPONENTS[self.rank]

    @property
    def name(self) -> str:
        """Name in the graph, such as `resid_3`."""
        return "embed" if self.layer < 0 else f"{self.component}_{self.layer}"

    @property
    def hook_name(self) -> str:
        """Canonical hook of TransformerBridge."""
        if self.hook:
            return self.hook
        return "blocks.0.hook_in" if self.layer < 0 else _HOOKS[self.component].format(self.layer)

    @property
    def is_z(self) -> bool:
        """Whether it is attention before its output projection."""
        return _Z.match(self.hook) is not None

    @property
    def is_post(self) -> bool:
        """Whether it is the neurons of an MLP, before its output projection."""
        return _POST.match(self.hook) is not None


def site_from_name(name: str) -> Site:
    """Return the site called `name`.

    Raises:
        ModelError: no site is called so.

    """
    match = _NAME.match(name)
    if match is None:
        raise ModelError(f"{name!r} is not a site; sites are embed, attn_0, mlp_0, resid_0, attn_1, …")
    return Site(-1, 0) if match[1] is None else Site(int(match[2]), COMPONENTS.index(match[1]))


def site_from_hook(hook_name: str) -> Site:
    """Return the site of a hook, canonical or an older alias of it.

    Raises:
        ModelError: no site has that hook.

    """
    before_output = _Z.match(hook_name)
    if before_output is not None:
        layer = int(before_output[1])
        return Site(layer, COMPONENTS.index("attn"), hook=f"blocks.{layer}.attn.hook_z")
    neurons = _POST.match(hook_name)
    if neurons is not None:
        layer = int(neurons[1] or neurons[3])
        return Site(layer, COMPONENTS.index("mlp"), hook=f"blocks.{layer}.mlp.out.hook_in")
    behind_norm = _POST_NORM.match(hook_name)
    if behind_norm is not None:
        component = "attn" if behind_norm[2] == "ln1_post" else "mlp"
        return Site(int(behind_norm[1]), COMPONENTS.index(component), hook=hook_name)
    entering = _STREAM_IN.match(hook_name)
    if entering is not None:
        return Site(int(entering[1]) - 1, COMPONENTS.index("resid"))
    for pattern, component in _ALIASES:
        match = pattern.match(hook_name)
        if match is not None:
            return Site(-1, 0) if component == "embed" else Site(int(match[1]), COMPONENTS.index(component))
    raise ModelError(
        f"the hook {hook_name!r} is not one that circuits are found at; "
        "known are blocks.N.hook_resid_pre, attn.hook_z, hook_attn_out, mlp.hook_post, hook_mlp_out and hook_resid_post"
    )
