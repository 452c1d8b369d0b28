"""Sites: their order, their names and the hooks, old and new, that stand for them."""

from __future__ import annotations

import pytest

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.sites import Site, site_from_hook, site_from_name

IN_ORDER = ["embed", "attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1", "attn_10", "mlp_10", "resid_10"]


def test_sites_sort_as_they_are_computed() -> None:
    shuffled = sorted(IN_ORDER, key=lambda name: name[::-1])

    assert [site.name for site in sorted(map(site_from_name, shuffled))] == IN_ORDER


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_site_is_found_again_by_its_name_and_by_its_hook(name: str) -> None:
    site = site_from_name(name)

    assert site.name == name
    assert site_from_hook(site.hook_name) == site
    assert site.component == name.split("_")[0]


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        ("blocks.0.hook_resid_pre", "embed"),
        ("blocks.0.hook_in", "embed"),
        ("hook_embed", "embed"),
        ("blocks.3.hook_attn_out", "attn_3"),
        ("blocks.3.attn.hook_out", "attn_3"),
        ("blocks.12.hook_mlp_out", "mlp_12"),
        ("blocks.12.mlp.hook_out", "mlp_12"),
        ("blocks.4.hook_resid_post", "resid_4"),
        ("blocks.4.hook_out", "resid_4"),
        ("blocks.1.hook_resid_pre", "resid_0"),
        ("blocks.11.hook_in", "resid_10"),
        ("blocks.3.ln1_post.hook_out", "attn_3"),
        ("blocks.3.ln2_post.hook_out", "mlp_3"),
    ],
)
def test_old_and_new_hook_names_are_known(hook: str, name: str) -> None:
    assert site_from_hook(hook).name == name


@pytest.mark.parametrize("hook", ["blocks.1.hook_resid_mid", "blocks.0.hook_resid_mid", "blocks.x.hook_out", ""])
def test_a_hook_elsewhere_is_refused_by_name(hook: str) -> None:
    with pytest.raises(ModelError, match=f"the hook '{hook}' is not one"):
        site_from_hook(hook)


@pytest.mark.parametrize("name", ["resid", "resid_", "resid_-1", "embed_0", "head_1", "resid_1 ", "RESID_1", ""])
def test_what_is_no_site_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match=f"'{name}' is not a site"):
        site_from_name(name)


def test_the_embedding_comes_before_all() -> None:
    assert Site(-1, 0) == site_from_name("embed") < site_from_name("attn_0")
