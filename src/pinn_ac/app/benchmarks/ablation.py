"""What each part of a march is worth: its error with that part changed, all else the same."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax

from pinn_ac.app.benchmarks.other_features import InPatches, InPatchesDrawn, TwoLayers, TwoLayersDrawn
from pinn_ac.app.benchmarks.other_windows import HeldOutScale, ThroughPoints, Trained
from pinn_ac.app.benchmarks.setting import problem_of
from pinn_ac.app.benchmarks.variants import VARIANTS
from pinn_ac.fitting import best_method, choose
from pinn_ac.marching import Choice, Controller, March, Spacing, pieces_of
from pinn_ac.marching.window import WindowProblem
from pinn_ac.models import Splitting
from pinn_ac.problem import Problem
from pinn_ac.running import computing
from pinn_ac.setup import assemble
from pinn_ac.solution import Solution

UNITS = 384
"""Features of every window."""
PROBLEMS = {"the lecture's": (), "no symmetry": VARIANTS["no symmetry"]}

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "features not evened out": {"whitening": 0.0},
    "features evened out wholly": {"whitening": 1.0},
    "weights from [-1, 1]": {"scale": 1.0},
    "weights from [-2, 2]": {"scale": 2.0},
    "normal weights": {"distribution": "normal"},
    "twice the points": {"points": 12.0},
    "points spread evenly in x": {"spacing": Spacing(0.0, 0.0)},
    "the normal equations": {"solver": "normal"},
    "features cos, sin and t alone": {"embedding": Splitting(known=())},
    "symmetry not built in": {"embedding": Splitting(symmetry=False)},
    "scale chosen by held-out residuals": {"kind": HeldOutScale},
    "steps of the features at points": {"kind": ThroughPoints},
    "the same, weights from [-2, 2]": {"kind": ThroughPoints, "scale": 2.0},
    "local features: 2 patches in x": {"kind": InPatchesDrawn, "kernel": partial(InPatches, patches=2)},
    "local features: 3 patches": {"kind": InPatchesDrawn, "kernel": InPatches},
    "local features: 5 patches": {"kind": InPatchesDrawn, "kernel": partial(InPatches, patches=5)},
    "two drawn layers, the first of 32": {"kind": TwoLayersDrawn, "kernel": partial(TwoLayers, width=32)},
    "two drawn layers, the first of 64": {"kind": TwoLayersDrawn, "kernel": TwoLayers},
    "128 features": {"units": 128},
    "128 features, all weights trained": {"units": 128, "kind": Trained},
}
"""What is changed → of :class:`~pinn_ac.marching.Settings`, the embedding, and the kinds of window and kernel."""


@dataclass(frozen=True)
class Steady(Controller):
    """Windows of the usual length with one attempt each, whatever their errors are."""

    def accepts(self, error: float) -> bool:
        """True."""
        return True

    def after_success(self, choice: Choice, error: float, at_rest: bool) -> Choice:
        """The same."""
        return choice


@dataclass
class SteadyMarch(March):
    """A march that nothing controls, in windows of some kind."""

    kind: type[WindowProblem] = WindowProblem

    def window(self, index: int, condition: Any) -> WindowProblem:
        """Of that kind."""
        return self.kind(self.kernel, condition, index, self.seed, self.grid, self.settings)

    def controller(self, tolerance: float) -> Controller:
        """A steady one."""
        known = super().controller(tolerance)
        return Steady(known.tolerance, known.usual, known.longest, known.end)


def run(seeds: int) -> list[dict[str, Any]]:
    """A row for every change: on each problem the median error over the seeds, their range, and the seconds.

    The seconds are those of the last seed, compilation included.
    """
    rows = []
    for change, parts in CHANGES.items():
        row: dict[str, Any] = {"change": change}
        for name, words in PROBLEMS.items():
            errors, seconds = zip(*(_error(problem_of(words), seed, parts) for seed in range(seeds)), strict=True)
            row[name] = statistics.median(errors)
            row[f"{name}, range"] = f"{min(errors):.1e} … {max(errors):.1e}"
            row[f"{name}, seconds"] = seconds[-1]
        rows.append(row)
        jax.clear_caches()
    return rows


def _error(problem: Problem, seed: int, change: Mapping[str, Any]) -> tuple[float, float]:
    """The true relative L2 error of a march with these settings, and its seconds."""
    parts, begun = {"units": UNITS, **change}, time.perf_counter()
    kind, other = parts.pop("kind", WindowProblem), parts.pop("kernel", None)
    choices = {**best_method(problem), "embedding": parts.pop("embedding", None)}
    experiment = assemble(choose(problem, None, None, seed, choices, tolerance=1e-10))
    if other:
        own = experiment.kernel
        vars(experiment.programs)["kernel"] = other(own.field, own.engine, own.gradient)  # which is kept there
    with computing(experiment):
        march = SteadyMarch(
            problem=experiment.problem.natural,
            kernel=experiment.kernel,
            settings=replace(experiment.setup.marching_settings, **parts),
            tolerance=1.0,  # so that all is solved once
            seed=seed,
            kind=kind,
        )
        pieces = pieces_of(march.run(march.begin()))
    seconds = time.perf_counter() - begun
    return Solution(experiment, pieces).error(), seconds
