"""The interface of every regime."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pinn_ac.ansatz import Change, Field, Parameters
from pinn_ac.loss import Term
from pinn_ac.problem import Problem
from pinn_ac.sampling import Box

Points = Mapping[str, Any]


class Moment(NamedTuple):
    """A draw of points as a regime sees it.

    step: steps of the run before it.
    last: steps of the run before the draw before it, if that was due at its time.
    previous: the draw before, in the run's precision; empty at a stage's first.
    params: the network's parameters now, flat, (P,).
    measure: (flat parameters, points (n, 2)) → u and f there, (n,) each, with the problem's own coefficients.
    points: the collocation points that were drawn, (n, 2).
    """

    step: int
    last: int
    previous: Points
    params: np.ndarray
    measure: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    points: np.ndarray


class Regime:
    """How the problem that one network is trained on, on the whole horizon, changes while it is trained.

    A run with a regime has stages, one after the other. Each goes through all optimizers with all of their steps, and
    begins with the best parameters of the stage before and new states of the optimizers. The last one's parameters
    are the solution. The methods here leave everything as it is; a regime, a frozen dataclass, overrides some.

    All is in natural units (`Problem.natural`), but for the regime's own settings, which say so.
    """

    @property
    def draws(self) -> bool:
        """Whether it acts at draws of points, so that a sampler that draws once is of no use to it."""
        return False

    @property
    def vanishing(self) -> bool:
        """Whether terms of the loss are zero where a stage begins, so that nothing can be weighed by their sizes."""
        return False

    @property
    def counts(self) -> Mapping[str, int]:
        """Name of a term that the regime adds → how many points it has."""
        return {}

    @property
    def weights(self) -> Mapping[str, float]:
        """Name of a term that the regime adds → its weight."""
        return {}

    def stages(self, problem: Problem) -> int:
        """How many; a problem in the user's units.

        Raises:
            InputError: the regime does not suit the problem.
        """
        return 1

    def terms(self, field: Field, terms: Mapping[str, Term]) -> dict[str, Term]:
        """The terms of the loss, in place of those that a run without the regime has."""
        return dict(terms)

    def box(self, box: Box, stage: int) -> Box:
        """Where the collocation points of a stage (from 0) lie; the initial ones lie at the beginning of it."""
        return box

    def points(self, box: Box, seed: int, stream: str, index: int, stage: int) -> dict[str, np.ndarray]:
        """Draw number `index` of the points of terms that the regime adds, as `draw_points` of a sampler has it."""
        return {}

    def change(self, problem: Problem, stage: int, finished: tuple[Parameters, ...]) -> Change | None:
        """What the terms' `prepare` gets in place of an initial condition; None where a stage changes nothing.

        Args:
            problem: in the user's units.
            stage: from 0.
            finished: the best parameters of every stage before.
        """
        return None

    def remember(self, moment: Moment) -> dict[str, np.ndarray]:
        """Numbers to keep from this draw on, under names that begin with `batch.MEMORY`; checkpoints hold them."""
        return {}

    def recalled(self, change: Change | None, drawn: Points, unravel: Callable[[Any], Parameters]) -> Change | None:
        """The change of a stage with what was remembered at the newest draw.

        Args:
            change: of the stage.
            drawn: the newest draw.
            unravel: flat parameters → parameters.
        """
        return change
