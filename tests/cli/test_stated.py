"""What every circuit must state is printed when it is found and when it is shown, and is true of the files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from circuit_atlas.cli.stated import stated
from circuit_atlas.cypher import connect
from tests.cli.conftest import Command, Outcome
from tests.cli.toy import make_dictionaries, make_examples, make_model

NAMES = {
    "rule", "jacobian", "first_token", "after_selection", "right_sign", "accuracy", "lowest_survival", "weights",
    "tokenizer", "dictionaries", "data",
}  # fmt: skip


def _printed(done: Outcome) -> dict[str, str]:
    """The lines `  name:  value` of a command's output."""
    pairs = [line.strip().split(":", 1) for line in done.out.splitlines() if line.startswith("  ") and ":" in line]
    return {name: value.strip() for name, value in pairs if " " not in name}


def test_the_lowest_survival_and_digests_in_short() -> None:
    circuit = {"sites": ["embed", "mlp_0", "resid_0"], "site_survival": [0.9, 0.25, 1.1], "data_digest": "d" * 64}
    found = stated(circuit, {"weights_digest": "abcdef" * 11}, ["2", "1"])
    assert found["lowest_survival"] == "0.25 (mlp_0)"
    assert found["weights"] == "abcdefabcdef"
    assert found["data"] == "d" * 12
    assert found["dictionaries"] == f"{hashlib.sha256(b'12').hexdigest()[:12]} (2)"
    assert found["tokenizer"] is None
    assert stated({"sites": ["embed"], "site_survival": None}, {}, [])["lowest_survival"] is None


@pytest.mark.slow
def test_a_circuit_states_the_same_when_it_is_found_and_when_it_is_shown(atlas_here: Command, tmp_path: Path) -> None:
    store = str(tmp_path / "atlas.lbug")
    done = atlas_here(
        "discover",
        f"--model={make_model(tmp_path / 'model')}",
        f"--dictionaries={make_dictionaries(tmp_path / 'dictionaries')}",
        f"--examples={make_examples(tmp_path / 'examples.jsonl')}",
        "--held-out-share=0", "--measure-thresholds=0", "--name=toy", "--store", store,
    )  # fmt: skip
    assert done.code == 0, done.err
    found, shown = _printed(done), _printed(atlas_here("show", "toy", "--store", store))
    assert set(found) >= NAMES
    assert {name: shown[name] for name in NAMES} == {name: found[name] for name in NAMES}
    assert (found["rule"], found["jacobian"], found["after_selection"]) == ("left", "clean", "yes")
    assert found["first_token"].startswith("kept")
    with connect(store) as opened:
        (row,) = opened.rows(
            "MATCH (c:Circuit)-[:OF_MODEL]->(m:Model) RETURN m.weights_digest AS w, m.tokenizer_digest AS t, "
            "c.data_digest AS d, c.sites AS sites, c.site_survival AS survival",
            {},
        )
    assert (found["weights"], found["tokenizer"], found["data"]) == (row["w"][:12], row["t"][:12], row["d"][:12])
    least = min(range(len(row["sites"])), key=lambda place: row["survival"][place])
    assert found["lowest_survival"] == f"{row['survival'][least]:.4g} ({row['sites'][least]})"
