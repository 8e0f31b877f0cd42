"""Physics-informed neural networks for the Allen–Cahn equation and its kind, with their own differentiation.

>>> import pinn_ac
>>> problem = pinn_ac.AllenCahn(diffusivity=1e-2)
>>> solution = pinn_ac.fit(problem, steps=3, seed=1, progress=False)
>>> solution(0.5, [-0.5, 0.0, 0.5]).shape
(3,)

The rest is in rooms: `pinn_ac.models`, `ansatz`, `derivatives`, `gradients`, `loss`, `weighting`, `regimes`,
`sampling`, `optimizers` and `tracking` hold what `fit` can be given, `problem` the equations and initial conditions,
`reference` the spectral solver and `autodiff` our own differentiation.
"""

import importlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pinn_ac.errors import InputError
from pinn_ac.estimate import Estimate
from pinn_ac.fitting import Choices, fit
from pinn_ac.inverse import InferredSolution, Observations
from pinn_ac.problem import AllenCahn, AllenCahn2D, Burgers, Problem
from pinn_ac.running import Plan
from pinn_ac.solution import Solution
from pinn_ac.training import Diverged, Stopped

__all__ = [
    "AllenCahn",
    "AllenCahn2D",
    "Burgers",
    "Choices",
    "Diverged",
    "Estimate",
    "InferredSolution",
    "InputError",
    "Observations",
    "Plan",
    "Problem",
    "Solution",
    "Stopped",
    "__version__",
    "fit",
    "load_run",
]

try:
    __version__ = version("pinn_ac")
    """The version, which pyproject.toml holds."""
except PackageNotFoundError:  # the sources alone, on the path
    __version__ = "unknown"


def load_run(folder: str | Path, device: str | None = None, allow: Iterable[str] | None = ()) -> Solution:
    """The solution in a run's folder, as `train.py` or :meth:`Solution.save` wrote it: its best parameters so far.

    Args:
        folder: a run's folder; the run may have finished, been interrupted, or be going on. Where one to a tolerance
            has not come to, u stays as it was at the end of its last window, and its estimate is not known.
        device: "cpu", "gpu" or "auto"; by default that of the run.
        allow: modules of yours whose classes the run uses, such as ["my_module"]. A folder may be a stranger's, so
            nothing else than this package's own classes is made without it.

    Raises:
        InputError: `folder` is not a run's, its config is not usable, or no checkpoint can be read.

    >>> import pinn_ac
    >>> solution = pinn_ac.fit(pinn_ac.AllenCahn(diffusivity=1e-2), steps=2, progress=False)
    >>> folder = solution.save("here")
    >>> float(pinn_ac.load_run(folder)(0.5, 0.3)) == float(solution(0.5, 0.3))
    True
    """
    # The application is imported when it is asked for: the library does without Hydra.
    return importlib.import_module("pinn_ac.app.saved_run").load_run(folder, device, allow)
