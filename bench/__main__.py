"""Run benchmarks: `python -m bench` lists them, `python -m bench NAME` (or `all`) prints a row a figure.

Exit status: 0 where every figure holds, 1 where one falls short, 2 where the command is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from bench.figure import Figure
from bench.machine import describe
from bench.registry import benchmarks, load
from circuit_atlas.errors import AtlasError


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; returns the exit status."""
    asked = _parser().parse_args(arguments)
    if asked.name is None:
        _list(as_json=asked.json)
        return 0
    names = list(benchmarks()) if asked.name == "all" else [asked.name]
    try:
        results = [(name, figure) for name in names for figure in load(name)(asked.quick)]
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 2
    return report(results, as_json=asked.json)


def report(results: Sequence[tuple[str, Figure]], *, as_json: bool) -> int:
    """Print a row a figure (benchmark, figure) and the machine; returns the exit status."""
    show = _show_json if as_json else _show_table
    show(results)
    return 0 if all(figure.holds for _, figure in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the figures that the docs state.")
    parser.add_argument("name", nargs="?", help="a benchmark, or `all`; without it, list them")
    parser.add_argument("--quick", action="store_true", help="a smaller run, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _list(*, as_json: bool) -> None:
    known = benchmarks()
    if as_json:
        print(json.dumps(known, indent=2))
        return
    for name, summary in known.items():
        print(f"{name:<10} {summary}")


def _show_json(results: Sequence[tuple[str, Figure]]) -> None:
    figures = [{"benchmark": name, **dataclasses.asdict(figure)} for name, figure in results]
    print(json.dumps({"machine": describe(), "figures": figures}, indent=2))


def _show_table(results: Sequence[tuple[str, Figure]]) -> None:
    rows = [("benchmark", "figure", "value", "unit", "target", "")]
    for name, figure in results:
        verdict = "holds" if figure.holds else "FALLS SHORT"
        rows.append((name, figure.name, f"{figure.value:.4g}", figure.unit, figure.target, verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(", ".join(f"{key} {value}" for key, value in describe().items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
