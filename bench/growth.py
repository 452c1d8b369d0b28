"""How time grows with examples, with positions up to 256, and, for edges, with nodes; a plot of each.

A model of Pythia-70M's shape with dictionaries of width 4,096; each run in a process of its own. Time is that of the
processor with one thread: threads that wait for each other on a machine with other work take many times as long, at one
size and not at the next. The figure is the time of the largest run over that of the one before it, over the growth of
the size between them: 1 is linear.
`python -m bench.growth` also draws docs/growth.svg.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, at_most
from bench.scale import measured
from bench.workload import Workload, make
from circuit_atlas.analysis.plots.style import BLUE, DASHES, GREY, MARKERS, new_axes, save

DRAWING = Path(__file__).resolve().parents[1] / "docs" / "growth.svg"
MOST = 1.25
"""What counts as linear: a quarter above it, for a machine's clock and caches."""
ROUNDS = 2


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
            _series("node effects by examples", "examples", sizes["examples"], lambda n: _seconds(made, "nodes", n, 7)),
            _series(
                "node effects by positions",
                "positions",
                sizes["positions"],
                lambda length: _seconds(made, "nodes", 2, length, steps=2),
            ),
            _series(
                "edges by nodes",
                "nodes",
                sizes["nodes"],
                lambda count: _seconds(made, "edges", 8, 7, method="atp", max_nodes=count),
            ),
        ]


def _series(name: str, unit: str, sizes: Sequence[int], seconds: Callable[[int], float]) -> Series:
    """The best of a few rounds over all sizes: what slows the machine for a while slows no size alone."""
    rounds = [[seconds(size) for size in sizes] for _ in range(ROUNDS)]
    return Series(name, unit, sizes, [min(times) for times in zip(*rounds, strict=True)])


def _seconds(made: Workload, what: str, examples: int, length: int, **settings: object) -> float:
    file = str(made.examples(examples, length))
    return float(measured("engine", made, file, threads=1, **settings)["processor"][what])


def draw(found: Sequence[Series], path: Path) -> None:
    """Draw the series side by side, both axes logarithmic, with a straight line of slope one."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    drawing, panels = new_axes(len(found), height=2.4)
    for axes, one in zip(panels, found, strict=True):
        axes.plot(one.sizes, one.seconds, marker=MARKERS[0], color=BLUE, label="measured")
        linear = [one.seconds[-1] * size / one.sizes[-1] for size in one.sizes]
        axes.plot(one.sizes, linear, linestyle=DASHES[1], color=GREY, label="linear")
        axes.set_title(one.name.partition(" by ")[0], fontsize=9)
        axes.set(xlabel=one.unit, ylabel="processor seconds", xscale="log", yscale="log")
        axes.xaxis.set_major_locator(FixedLocator([float(size) for size in one.sizes]))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
    panels[-1].legend(loc="lower right", frameon=False, fontsize=8)
    save(drawing, path)


if __name__ == "__main__":
    measured_now = series(quick=False)
    for line in measured_now:
        print(line.name, dict(zip(line.sizes, (round(s, 3) for s in line.seconds), strict=True)))
    draw(measured_now, Path(sys.argv[1]) if len(sys.argv) > 1 else DRAWING)
