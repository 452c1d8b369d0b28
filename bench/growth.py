"""How time grows with examples, with positions up to 256, and, for edges, with nodes; a plot of each.

A model of Pythia-70M's shape with dictionaries of width 4,096; each run in a process of its own. The figure is the
time of the largest run over that of the one before it, over the growth of the size between them: 1 is linear.
`python -m bench.growth` also draws docs/growth.svg.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, at_most
from bench.scale import measured
from bench.workload import Workload, make

DRAWING = Path(__file__).resolve().parents[1] / "docs" / "growth.svg"
MOST = 1.25
"""What counts as linear: a quarter above it, for a machine's clock and caches."""


@dataclass(frozen=True)
class Series:
    """Seconds over sizes."""

    name: str
    unit: str
    sizes: Sequence[int]
    seconds: Sequence[float]

    @property
    def growth(self) -> float:
        """Growth of the time over growth of the size, between the two largest."""
        return (self.seconds[-1] / self.seconds[-2]) / (self.sizes[-1] / self.sizes[-2])


def run(quick: bool) -> list[Figure]:
    """Measure the three series."""
    return [at_most(f"{one.name}: time over size, largest two", one.growth, "", MOST) for one in series(quick)]


def series(quick: bool) -> list[Series]:
    """Measure; quick: two small sizes each."""
    sizes: dict[str, tuple[int, ...]] = {"examples": (8, 16), "positions": (16, 32), "nodes": (100, 200)}
    if not quick:
        sizes = {"examples": (4, 8, 16, 32), "positions": (32, 64, 128, 256), "nodes": (250, 500, 1_000, 2_000)}
    with tempfile.TemporaryDirectory() as name:
        made = make(Path(name), features=4_096, vocabulary=4_000)
        return [
            Series("node effects by examples", "examples", sizes["examples"], [
                _seconds(made, "nodes", count, 7) for count in sizes["examples"]
            ]),
            Series("node effects by positions", "positions", sizes["positions"], [
                _seconds(made, "nodes", 2, length, steps=2) for length in sizes["positions"]
            ]),
            Series("edges by nodes", "nodes", sizes["nodes"], [
                _seconds(made, "edges", 8, 7, method="atp", max_nodes=count) for count in sizes["nodes"]
            ]),
        ]  # fmt: skip


def _seconds(made: Workload, what: str, examples: int, length: int, **settings: object) -> float:
    file = str(made.examples(examples, length))
    return min(float(measured("engine", made, file, **settings)[what]) for _ in range(2))


def draw(found: Sequence[Series], path: Path) -> None:
    """Draw the series side by side, both axes logarithmic, with a straight line of slope one."""
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    drawing = Drawing(figsize=(9, 3), layout="constrained")
    for axes, one in zip(drawing.subplots(1, len(found)), found, strict=True):
        axes.plot(one.sizes, one.seconds, "o-", color="#0072b2", label="measured")
        linear = [one.seconds[-1] * size / one.sizes[-1] for size in one.sizes]
        axes.plot(one.sizes, linear, "--", color="#595959", label="linear")
        axes.set(title=one.name, xlabel=one.unit, ylabel="seconds", xscale="log", yscale="log", xticks=one.sizes)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
        axes.legend(frameon=False)
    drawing.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    measured_now = series(quick=False)
    for line in measured_now:
        print(line.name, dict(zip(line.sizes, (round(s, 3) for s in line.seconds), strict=True)))
    draw(measured_now, Path(sys.argv[1]) if len(sys.argv) > 1 else DRAWING)
