"""The frame of the benchmarks: list, run, verdicts and exit status."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from bench.__main__ import report
from bench.figure import Figure, at_least, at_most, between
from bench.registry import benchmarks
from tests.source_tree import ROOT


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (at_most("load", 0.5, "s", 0.5), True),
        (at_most("load", 0.51, "s", 0.5), False),
        (at_least("recovered", 0.95, "", 0.95), True),
        (at_least("recovered", 0.94, "", 0.95), False),
        (between("faithfulness", 0.8, "", 0.8, 1.2), True),
        (between("faithfulness", 1.3, "", 0.8, 1.2), False),
        (at_most("load", math.nan, "s", 0.5), False),
        (at_least("recovered", math.nan, "", 0.95), False),
    ],
)
def test_a_figure_holds_up_to_its_target(figure: Figure, holds: bool) -> None:
    assert figure.holds is holds


def test_the_target_is_said_in_words() -> None:
    assert at_most("load", 1.0, "s", 0.5).target == "at most 0.5"
    assert between("faithfulness", 1.0, "", 0.8, 1.2).target == "0.8 to 1.2"


def test_every_benchmark_says_in_one_line_what_it_measures() -> None:
    assert all(summary.endswith(".") for summary in benchmarks().values())


def test_without_a_name_it_lists_the_benchmarks() -> None:
    ran = _bench("--json")
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == benchmarks()


def test_an_unknown_name_is_one_line_and_status_2() -> None:
    ran = _bench("grpah")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert "grpah" in ran.stderr


def test_a_table_has_a_row_a_figure_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    figures = [("graph", at_most("write", 12.34567, "s", 15)), ("graph", at_most("overlap", 0.3, "s", 0.2))]
    assert report(figures, as_json=False) == 1
    head, write, overlap, machine = capsys.readouterr().out.splitlines()
    assert head.split() == ["benchmark", "figure", "value", "unit", "target"]
    assert write.split() == ["graph", "write", "12.35", "s", "at", "most", "15", "holds"]
    assert overlap.endswith("FALLS SHORT")
    assert "cores " in machine
    assert "memory_gb " in machine
    assert "torch " in machine


def test_json_has_the_same_and_status_0_where_all_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([("graph", at_most("write", 12.5, "s", 15))], as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["figures"] == [
        {"benchmark": "graph", "name": "write", "value": 12.5, "unit": "s", "target": "at most 15", "holds": True}
    ]
    assert shown["machine"].keys() >= {"cores", "memory_gb", "cpu", "python", "torch", "date"}
