"""Where a dictionary sits in this very model: an older name of a hook may stand for another place in another model."""

from __future__ import annotations

import re
from functools import reduce

from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.sites import Site, site_from_hook

_IN_BLOCK = re.compile(r"^blocks\.(\d+)\.(.+)$")


def place(hook_name: str, model: LanguageModel) -> Site:
    """Return the site of a hook in a model.

    `hook_attn_out` and `hook_mlp_out` mean what is added to the residual stream. Where a norm stands before the stream
    (Gemma 2), that is behind the norm, and dictionaries whose configuration names these hooks (Gemma Scope's of MLPs)
    were trained there; `attn.hook_out` and `mlp.hook_out` are before it.

    Raises:
        ModelError: no site has that hook.

    """
    site = site_from_hook(hook_name)
    if site.hook or not hook_name.endswith(("hook_attn_out", "hook_mlp_out")) or site.layer >= model.n_layers:
        return site
    found = _IN_BLOCK.match(hook_name)
    assert found is not None  # else it were no site
    point = reduce(getattr, found[2].split("."), model.bridge.blocks[site.layer])
    return site_from_hook(str(point.name))  # the bridge resolves the alias
