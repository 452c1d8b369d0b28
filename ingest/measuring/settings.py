"""Settings of a measurement: one frozen object, from keywords or command-line options."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from circuit_atlas.errors import SettingsError
from circuit_atlas.ingest.measuring.conditions import Ablation, ActiveSet, Errors, MeansOver

Place = Literal["keep", "role", "sum"]
"""Where a node acts: at its position, at its role, or at every position."""

Level = Literal["auto", "keep", "role", "sum"]


@dataclass(frozen=True)
class MeasureSettings:
    """What to measure of one circuit, and on what.

    Attributes:
        circuit: its name.
        on: name of a circuit whose examples it is measured on; empty: its own.
        examples: JSON lines in place of these: what means are over, and, but for `held_out`, a share to measure on.
        held_out: JSON lines to measure on.
        task: name of the behaviour of these examples; empty: the name of the file.
        n_examples: most examples that means are over; None: as the circuit says; 0: all.
        n_held_out: most examples to measure on; likewise.
        split: which of the examples are measured on: held-out, train or all.
        thresholds: node thresholds; none: chosen by the data.
        sizes: how they are chosen: so many, evenly over the logarithm of the size; or `mib`, that benchmark's shares.
        target_faithfulness: look for the smallest circuit at least so faithful, and measure it too.
        errors: treatments of error units; `remove` is measured beside every other.
        ablations: what ablated units are set to.
        means_over: inputs that means are over.
        start_layers: first layer that is ablated; -1 stands for the first third of the layers.
        random_circuits: random circuits beside each point, with the same errors.
        ablate_random: whether random circuits are ablated too, as a null of what ablating the circuit does.
        edges: at how many edge thresholds edge faithfulness is measured, of each node threshold that is named, or
            of the circuit of a quarter of the units active on an example; 0: none. Of the treatments of errors,
            `default` where it is asked for, and `remove`.
        edge_thresholds: edge thresholds in place of so many chosen by the data.
        active_sets: what TopK dictionaries choose their active features on where edges are measured: mixed (what
            arrives) or clean (the clean input).
        level: where nodes act: at their position (keep), their role, or at every position (sum); auto: as the circuit
            says, where the examples allow it.
        seed: of random circuits and resampling.
        model: folder or name in place of the one that the circuit was discovered with.
        dictionaries: likewise.
        batch_size: examples that run together; 0: as the circuit says.
        device: torch device; empty: as the circuit says.

    Raises:
        SettingsError: a value is out of its range; the message names it.

    """

    circuit: str
    on: str = ""
    examples: str = ""
    held_out: str = ""
    task: str = ""
    n_examples: int | None = None
    n_held_out: int | None = None
    split: Literal["held-out", "train", "all"] = "held-out"
    thresholds: tuple[float, ...] = ()
    sizes: int | Literal["mib"] = 8
    target_faithfulness: float | None = None
    errors: tuple[Errors, ...] = ("default",)
    ablations: tuple[Ablation, ...] = ("mean",)
    means_over: tuple[MeansOver, ...] = ()
    start_layers: tuple[int, ...] = (0,)
    random_circuits: int = 5
    ablate_random: bool = False
    edges: int = 0
    edge_thresholds: tuple[float, ...] = ()
    active_sets: tuple[ActiveSet, ...] = ("mixed",)
    level: Level = "auto"
    seed: int = 0
    model: str = ""
    dictionaries: str = ""
    batch_size: int = 0
    device: str = ""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for field, known in (("split", ("held-out", "train", "all")), ("level", get_args(Level))):
            if getattr(self, field) not in known:
                raise SettingsError(f"{field} is {getattr(self, field)!r}; choose one of {', '.join(known)}")
        choices = {"errors": Errors, "ablations": Ablation, "means_over": MeansOver, "active_sets": ActiveSet}
        for field, several in choices.items():
            # Means over nothing are what other ablations have stored beside them.
            known = tuple(one for one in get_args(several) if one != "none")
            for value in getattr(self, field):
                if value not in known:
                    raise SettingsError(f"{field} has {value!r}; choose of {', '.join(known)}")
        for field in ("errors", "ablations", "start_layers", "active_sets"):
            if not getattr(self, field):
                raise SettingsError(f"{field} is empty; name at least one")
        if self.on and self.examples:
            raise SettingsError("on and examples both say what to measure on; give one of them")
        if self.held_out and not self.examples:
            raise SettingsError("held_out is given without examples; name both files")
        if isinstance(self.sizes, int) and self.sizes < 1:
            raise SettingsError(f"sizes is {self.sizes}; it must be at least 1, or mib")
        for field in ("random_circuits", "edges", "batch_size", "n_examples", "n_held_out"):
            if (getattr(self, field) or 0) < 0:
                raise SettingsError(f"{field} is {getattr(self, field)}; it must not be negative")
        self._refuse_idle_of_edges()
        if not all(map(math.isfinite, (*self.thresholds, *self.edge_thresholds, self.target_faithfulness or 0.0))):
            raise SettingsError("a threshold, or target_faithfulness, is not a finite number")
        if any(threshold < 0 for threshold in (*self.thresholds, *self.edge_thresholds)):
            raise SettingsError("a threshold is negative; effects and weights are compared by size")
        if any(layer < -1 for layer in self.start_layers):
            raise SettingsError("start_layers must be layers from 0, or -1 for the first third of them")

    @property
    def treatments(self) -> tuple[Errors, ...]:
        """Treatments of errors that are measured: those asked for, and none left, which says what they carry."""
        return tuple(dict.fromkeys((*self.errors, "remove")))

    @property
    def of_edges(self) -> bool:
        """Whether edges are measured."""
        return bool(self.edges or self.edge_thresholds)

    def _refuse_idle_of_edges(self) -> None:
        if self.of_edges and not {"default", "remove"} & set(self.errors):
            raise SettingsError("edges are measured with errors default (as the circuit says) or remove: name one too")
        if not self.of_edges and self.active_sets != ("mixed",):
            raise SettingsError(
                "active_sets says what TopK dictionaries choose on where edges are measured: ask for edges, or leave "
                "it out"
            )
