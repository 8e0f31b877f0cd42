"""A march through time with error control: a run that chooses its windows and networks to meet a tolerance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pinn_ac.errors import require
from pinn_ac.estimate import PER_GROWTH, ErrorSoFar, halved, initial_values, points_needed, steps_needed
from pinn_ac.marching.control import LADDER, Controller
from pinn_ac.marching.kernel import Kernel
from pinn_ac.marching.pieces import Piece, blank
from pinn_ac.marching.progress import (
    USUAL,
    Progress,
    estimate_or_infinity,
    grid_of,
    modes_of,
    plain,
    usual_length,
)
from pinn_ac.marching.session import Session
from pinn_ac.marching.window import Settings, WindowProblem
from pinn_ac.problem import Problem, transfer
from pinn_ac.reference import Reference
from pinn_ac.tracking import Tracker
from pinn_ac.training import Checkpoints, StopSignals, Stopwatch, TrainingState, with_plain_counters
from pinn_ac.training import blank as blanks

LONGEST = 1.25
"""R times the longest length of a window in which the reaction changes the solution."""
CELLS = 24
"""Steps of time in a window, at least, for the estimate of its error."""
ROWS, COLUMNS = 8, 256
"""Times and points at which a window is compared with the reference."""


@dataclass
class March:
    """Solves one window of time after the other, each as accurately as its share of the tolerance asks.

    The error of a window is estimated from its residual (see `pinn_ac.estimate`). A window whose error is too large
    is rejected, and tried with more features or half the length. At the end the errors of all windows, carried to the
    horizon, are the estimate of the whole; where that misses the tolerance, all is repeated with smaller shares.

    Args:
        problem: in natural units.
        kernel: of its field.
        settings: of its windows.
        tolerance: a bound on the estimated relative L2 error.
        seed: of the run.
        trackers, checkpoints, seconds: as of a :class:`~pinn_ac.training.Trainer`. When the clock runs short, what is
            left is solved with the largest networks that there is time for.
        reference: the true solution, in the user's units; None for no errors in the history.
        stated: the problem in the user's units; None where these are the natural ones.
        most_modes: of the series that a window begins at; None for as many as nearly double precision asks for.
        costs: rung → seconds that an attempt of this size took last.
    """

    problem: Problem
    kernel: Kernel
    settings: Settings
    tolerance: float
    seed: int
    trackers: Sequence[Tracker] = ()
    checkpoints: Checkpoints | None = None
    seconds: float | None = None
    reference: Reference | None = None
    stated: Problem | None = None
    most_modes: int | None = None
    costs: dict[int, float] = field(default_factory=dict)

    @property
    def user(self) -> Problem:
        """The problem in the user's units."""
        return self.stated or self.problem

    # --- sizes that follow from the problem ----------------------------------------------------------------------

    @cached_property
    def usual(self) -> float:
        """The usual length of a window."""
        return usual_length(self.problem)

    @cached_property
    def modes(self) -> int:
        """Of the series that a window begins at."""
        needed = modes_of(self.problem)
        return needed if self.most_modes is None else min(needed, self.most_modes)

    @cached_property
    def grid(self) -> int:
        """Points of the period from which collocation points are taken."""
        return grid_of(self.modes)

    @cached_property
    def points(self) -> int:
        """Of the estimate's grid in x."""
        return min(points_needed(self.problem), self.grid)

    @cached_property
    def steps(self) -> int:
        """Of the estimate's grid in t, over the whole horizon.

        Twice as many as a reaction asks for; a window has `CELLS` of them at least, which is what resolves its field.
        """
        if self.problem.growth and self.problem.flux(0.0) is None:
            return round(2 * PER_GROWTH * self.problem.growth)
        return steps_needed(self.problem, self.points)

    def controller(self, tolerance: float) -> Controller:
        """For a tolerance."""
        growth = LONGEST / USUAL if self.problem.growth else 1.0
        return Controller(float(tolerance), self.usual, growth * self.usual, self.problem.horizon)

    @property
    def cells(self) -> int:
        """Steps of time in a window, at least, for the estimate of its error."""
        return CELLS

    def cells_in(self, length: float) -> int:
        """Steps of time in a window of this length."""
        return max(self.cells, round(self.steps * length / self.problem.horizon))

    # --- windows ---------------------------------------------------------------------------------------------------

    def window(self, index: int, condition: Any) -> WindowProblem:
        """The window of this number, which begins at the condition."""
        return WindowProblem(self.kernel, condition, index, self.seed, self.grid, self.settings)

    def carried(self, window: WindowProblem, piece: Piece) -> Any:
        """Where the next window begins: what the piece is at the end of this one."""
        return transfer(window.end(piece), self.modes, self.kernel.even, self.problem)

    def error_in(self, window: WindowProblem, piece: Piece) -> dict[str, float]:
        """The relative L2 error in a window, at a few times of the reference; empty without one."""
        reference = self.reference
        if reference is None:
            return {}
        start, length = float(piece.start), float(piece.length)
        stride = max(1, len(reference.x) // COLUMNS)
        t, xi = self.user.to_natural(np.asarray(reference.t), np.asarray(reference.x)[::stride])
        rows, local = rows_in(t, start, length)
        if not len(rows):
            return {}
        lift, places = window.lift(float(piece.pace)), 0.5 * self.grid * (xi + 1)
        if np.abs(places - places.round()).max() > 1e-6:  # they are none of the grid's, as between walls
            u, _ = self.kernel.values_at(lift, piece, local, xi)
        else:
            columns = np.broadcast_to(places.round().astype(int) % self.grid, (len(rows), len(xi)))
            u, _ = self.kernel.values(lift, piece, local, columns)
        exact = reference.u[rows][:, ::stride]
        return {"window_relative_l2": float(np.linalg.norm(u - exact) / np.linalg.norm(exact))}

    # --- begin, resume, run ----------------------------------------------------------------------------------------

    def blank(self) -> Piece:
        """A piece of zeros."""
        return blank(LADDER[-1], self.kernel.inputs, self.modes, len(self.problem.axes))

    def fresh(self, tolerance: float, rounds: int) -> Progress:
        """Before the first window."""
        u = initial_values(self.problem, self.points)
        whole, even, odd = (ErrorSoFar.at_start(np.zeros_like(one), one) for one in (u, halved(u, 0), halved(u, 1)))
        first = self.controller(tolerance).first(self.settings.units)
        return Progress((whole, even, odd), 0.0, first.length, first.rung, tolerance, rounds, 0.0)

    def begin(self) -> TrainingState:
        """The state before the first window."""
        return TrainingState(self.fresh(self.tolerance, 0), self.blank())

    def resume(self, params: Any) -> TrainingState:
        """The state of the newest readable checkpoint."""
        progress, piece = self.fresh(self.tolerance, 0), self.blank()

        def template(window: int, stage: int) -> TrainingState:
            return TrainingState(progress, piece, finished=blanks(window, piece))

        require(self.checkpoints is not None, "This run keeps no checkpoints, so it cannot resume: start a new run.")
        assert self.checkpoints is not None
        state = with_plain_counters(self.checkpoints.restore("state", template))
        return state._replace(optimizer=plain(state.optimizer))

    def run(self, state: TrainingState) -> TrainingState:
        """March from `state` to the horizon, as often as the tolerance asks; the end is saved.

        Raises:
            Stopped: a signal arrived; the state is saved.
            Diverged: a window could not be solved at all.
        """
        with StopSignals() as signals, Stopwatch() as watch:
            session = Session(self, signals, watch, state.seconds, state.compile_seconds)
            best = session.to_the_end(state)
            while session.repeats(best):
                again = session.to_the_end(session.tightened(best))
                if not estimate_or_infinity(again) < estimate_or_infinity(best):
                    break
                best = again
            return session.save(best)


def rows_in(t: np.ndarray, start: float, length: float) -> tuple[np.ndarray, np.ndarray]:
    """A few of the times t that lie in a window: their indices, and the times from its start."""
    inside = np.flatnonzero((t > start) & (t <= (start + length) * (1 + 1e-12)))
    if not len(inside):
        return inside, np.empty(0)
    rows = inside[np.unique(np.linspace(0, len(inside) - 1, ROWS).round().astype(int))]
    return rows, np.clip(t[rows] - start, 0, length)
