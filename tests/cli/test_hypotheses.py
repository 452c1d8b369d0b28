"""`hypotheses` on the small circuits, and with units left out of a circuit that was discovered on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.toy import make_dictionaries, make_examples, make_model


def test_what_can_be_tested_is(atlas_here: Command, store: str) -> None:
    done = atlas_here("hypotheses", "he/subject", "he/object", "--show-cypher", "--store", store)
    assert done.code == 0
    assert "\nequivalence\n" in done.out
    assert "\nindependence\n" in done.out
    assert "minimality" not in done.out
    assert "circuit-atlas query measurement_items -p circuit=he/object" in done.err
    rows = json.loads(
        atlas_here(
            "hypotheses", "sva", "--of", "equivalence", "--margin", "5", "--format", "json", "--store", store
        ).out
    )
    # m(C) - m(M) is 0 and -1 on the two examples.
    assert [row["difference"] for row in rows] == [-0.5]


@pytest.mark.slow
def test_units_are_left_out_and_tested(atlas_here: Command, tmp_path: Path) -> None:
    where = ("--store", str(tmp_path / "toy.lbug"))
    model, dictionaries = make_model(tmp_path / "model"), make_dictionaries(tmp_path / "saes")
    found = atlas_here(
        *("discover", "--model", str(model), "--dictionaries", str(dictionaries), "--name", "toy"),
        *("--examples", str(make_examples(tmp_path / "e.jsonl")), "--held-out-share", "0.5"),
        *("--max-nodes", "12", *where),
    )
    assert found.code == 0, found.err
    done = atlas_here("hypotheses", "toy", "--of", "minimality", "--leave-out", "0", "--format", "json", *where)
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert f"left out each of {len(rows)} units of toy" in done.err
    assert len(rows) == 12
    assert "\nminimality\n" in atlas_here("hypotheses", "toy", *where).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sva", "--of", "minimality"), "'sva' has no removals"),
        (("he/subjekt",), "did you mean 'he/subject'"),
        (("sva", "--margin", "0"), "margin must be a finite number above 0"),
        (("sva", "--alpha", "0.7"), "below 0.5"),
        (("sva", "--format", "json"), "needs one --of"),
    ],
)
def test_what_cannot_be_tested_is_one_line(words: tuple[str, ...], said: str, atlas_here: Command, store: str) -> None:
    done = atlas_here("hypotheses", *words, "--store", store)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
