"""The search: Gauss–Newton over network and unknowns together, from coarse to fine.

The estimate minimises Σ ρ_i², ρ_i = (u(t_i, x_i) − u_i)/σ_i, among the fields that satisfy the equation: there is no
factor between data and equation, which is the limit of an ever larger weight of the equation. An iteration is one
sweep over the windows of time (see :mod:`pinn_ac.inverse.tangents`): it improves the network, and tells how the field
at the observations changes with the unknowns. The step of the unknowns is Levenberg–Marquardt's,

    min_δ ‖ρ + S δ‖² + λ ‖C δ‖²,   C the lengths of the columns of S,

in the logarithms of coefficients; network and unknowns move together. The windows and the
numbers of features are chosen by a march with error control, to a tolerance that tightens from 1e-3 on as the search
converges, down to a small part of the noise; and chosen anew where the unknowns have moved far.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pinn_ac.experiment import Experiment
from pinn_ac.files import write_whole
from pinn_ac.inverse.inferred import Inferred
from pinn_ac.inverse.observations import Observations
from pinn_ac.inverse.steps import DAMPING, INCREASE, damped_step, foreseen, relaxed
from pinn_ac.inverse.tangents import Swept, sweep
from pinn_ac.inverse.unknowns import Unknowns
from pinn_ac.marching import Kernel, March, Piece, estimate_of, pieces_of
from pinn_ac.tracking import Tracker, say_to_all
from pinn_ac.training import Diverged, Stopped, StopSignals, Stopwatch

LEVELS = (1e-3, 1e-6)
"""Tolerances of the marches before the finest."""
MODES = ((1e-4, 512), (1e-7, 2048))
"""From this tolerance on, so many modes are handed on from window to window at most."""
OF_NOISE = 3e-4
"""The finest tolerance is this part of the noise, relative to the data, or the run's own if that is larger."""
REACH = 1.2
"""How far an unknown may move from where the windows were chosen."""
GROWN, EARLY = 5.5, 2.0
"""Where the unknowns as they are let a disturbance grow by more e-folds than the first, data are looked at first till
it has grown by the second: with a rate ten times too large the solution settles at once, which tells nothing."""
LEFT = 30.0
"""Times the tolerance, that residual times the length of a window may be before windows are chosen anew."""
CLOSE = 0.05
"""A step below which a finer level begins."""
ENOUGH = 1e-3
"""The gain, in units of the noise's variance, below which a step is none: a thirtieth of a standard error."""
ROUGHLY = 10.0
"""Times as much is enough on a level that is not the finest."""
STEPS = 3
"""Of Gauss–Newton in a window and sweep, at most."""
MOST = 60
"""Sweeps of a search."""
UNSETTLED = (
    "The search ended before it had converged, so its standard errors are those of an unfinished fit: give more time "
    "by train.seconds, or a better guess."
)
FILE = "search.json"
"""In the run's folder: where the search stands."""


class Place(NamedTuple):
    """Where a search stands when it chooses its windows; all that follows, follows from it.

    eta: the unknowns.
    level: of the tolerance, from 0.
    damping: λ.
    sweeps: so far.
    seconds, compile_seconds: so far.
    tolerance: the finest one, once the noise is known.
    whole: all of the time is looked at, however far the problem grows in it.
    done: the search has ended here.
    settled: it has converged.
    """

    eta: tuple[float, ...]
    level: int = 0
    damping: float = DAMPING
    sweeps: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    tolerance: float | None = None
    whole: bool = False
    done: bool = False
    settled: bool = True


@dataclass
class Search:
    """Finds the unknowns of a problem from observations.

    Args:
        experiment: of the problem at the first guess, a march.
        unknowns: what is sought.
        data: the observations, in the user's units.
        trackers: told how it goes.
        folder: where the search keeps its place; None for nowhere.
        seconds: wall-clock budget of the whole run; None for none.
        share: of it, that the search may take.
        windows: to begin with, such as those of a search that has ended near the first guess; None chooses them.
    """

    experiment: Experiment
    unknowns: Unknowns
    data: Observations
    trackers: Sequence[Tracker] = ()
    folder: Path | None = None
    seconds: float | None = None
    share: float = 1.0
    windows: tuple[Piece, ...] | None = None

    def __post_init__(self) -> None:
        problem, data = self.experiment.problem, self.data
        self.t, self.x = problem.to_natural(data.t, data.x)
        self.horizon = problem.natural.horizon
        self.t = np.minimum(self.t, self.horizon)
        self.kernels: dict[type, Kernel] = {}  # the newest, by the kind of its problem
        self.scale = float(np.sqrt(np.mean(data.u**2))) or 1.0  # of the data; of the whole field, once known
        self.level = self.finest  # the tolerance of this round
        self.until, self.seen = self.horizon, np.ones(len(data), bool)
        self.error = math.inf  # of the newest march, relative
        self.chosen: tuple[Piece, ...] = ()  # its windows

    # --- where it stands ----------------------------------------------------------------------------------------

    def begin(self) -> Place:
        """The first guess, or the place that is kept in the folder; a search that ran out of time may go on."""
        if self.folder is None or not (self.folder / FILE).is_file():
            return Place(tuple(map(float, self.unknowns.start)))
        held = json.loads((self.folder / FILE).read_text())
        place = Place(**{**held, "eta": tuple(held["eta"])})
        has_time = self.seconds is None or place.seconds < self.share * self.seconds
        goes_on = place.done and not place.settled and has_time and place.sweeps < MOST
        return place._replace(done=False, settled=True) if goes_on else place

    def keep(self, place: Place) -> Place:
        """Write the place."""
        if self.folder is not None:
            text = json.dumps(place._asdict())
            write_whole(self.folder / FILE, lambda path: path.write_text(text))
        return place

    @property
    def finest(self) -> float:
        """The tolerance of the run."""
        tolerance = self.experiment.setup.tolerance
        assert tolerance is not None
        return tolerance

    def tolerance(self, place: Place) -> float:
        """Of the marches of this level."""
        finest = self.finest if place.tolerance is None else place.tolerance
        return max(LEVELS[place.level], finest) if place.level < len(LEVELS) else finest

    # --- the search ---------------------------------------------------------------------------------------------

    def run(self, place: Place) -> tuple[Place, Inferred]:
        """To the end.

        Raises:
            Stopped: a signal arrived; the place is kept.
            Diverged: no march through time was possible.
        """
        with StopSignals() as signals, Stopwatch() as watch:
            self.watch, self.before, self.signals = watch, (place.seconds, place.compile_seconds), signals
            while True:
                place = begun = self.keep(self._timed(place))
                try:
                    place, inferred = self._round(place)
                except Stopped:  # the round is gone through again, so that the search goes on with the same bits
                    self.keep(self._timed(begun))
                    raise
                if place.done:
                    if not place.settled:
                        self._say(UNSETTLED)
                    return self._timed(place), inferred

    def _say(self, sentence: str) -> None:
        say_to_all(self.trackers, sentence)

    def _timed(self, place: Place) -> Place:
        seconds, compiled = self.before
        return place._replace(
            seconds=seconds + self.watch.seconds, compile_seconds=compiled + self.watch.compile_seconds
        )

    def _stop_if_asked(self) -> None:
        if self.signals.received:
            raise Stopped(self.signals.received)

    def _round(self, place: Place) -> tuple[Place, Inferred]:
        """From one choice of windows to the next."""
        eta, damping, sweeps, raised = np.array(place.eta), place.damping, place.sweeps, INCREASE
        self._look(eta, place)
        self.level = self.tolerance(place)
        chosen, pieces = eta, self._windows(eta, self.tolerance(place))
        here, sweeps = self.swept(eta, pieces), sweeps + 1
        self._log(place, eta, here, sweeps)
        self._stop_if_asked()
        while True:
            rho, S = self.weighted(eta, here)
            step = damped_step(rho, S, damping)
            noise = self._noise(rho)
            coarse = self.tolerance(place) > 3 * self.finest_needed(noise)
            enough = (ROUGHLY if coarse else 1.0) * ENOUGH * noise**2
            gain, left = foreseen(rho, S, enough)
            near = gain <= enough or left <= 1e-10
            if near or (coarse and left <= CLOSE) or self._over(sweeps):
                return self._next(place, eta, damping, sweeps, noise, near, coarse), self.inferred(eta, here)
            trial, anew = self._trial(place, eta, step, here, chosen)
            self._stop_if_asked()
            sweeps += 1
            new, _ = self.weighted(eta + step, trial)
            if float(new @ new) < float(rho @ rho):
                eta, here, damping, raised = eta + step, trial, damping * relaxed(rho, S, step, new), INCREASE
            else:
                floor = float(np.abs(step).max()) <= CLOSE and float(new @ new) < 1.1 * float(rho @ rho)
                if floor:  # what is left is the march's own error
                    return self._next(place, eta, damping, sweeps, noise, True, coarse), self.inferred(eta, here)
                damping, raised = max(damping, 1e-4) * raised, raised * INCREASE
            self._log(place, eta, here, sweeps)
            if anew and here is trial:  # the next round begins with the windows that it would choose
                self.windows = self.chosen
                return (
                    place._replace(eta=tuple(map(float, eta)), damping=damping, sweeps=sweeps),
                    self.inferred(eta, here),
                )

    def _trial(
        self, place: Place, eta: np.ndarray, step: np.ndarray, here: Swept, chosen: np.ndarray
    ) -> tuple[Swept, bool]:
        """A sweep at η + step, and whether windows were chosen for it: it is too far, or these leave too much."""
        if np.abs(eta + step - chosen).max() <= REACH:
            trial = self.swept(eta + step, here.moved(step))
            longest = max(float(piece.length) for piece in trial.pieces)
            if math.sqrt(trial.loss) * longest <= LEFT * self.tolerance(place) * self.scale:
                return trial, False
        try:
            return self.swept(eta + step, self._windows(eta + step, self.tolerance(place))), True
        except Diverged:
            return here._replace(u=np.full_like(here.u, np.inf)), False

    def _look(self, eta: np.ndarray, place: Place) -> None:
        """Decide until when the data are looked at."""
        growth, needed = self.unknowns.natural(eta).growth, 5 * len(eta)
        until = self.horizon if place.whole or growth <= GROWN else self.horizon * EARLY / growth
        if len(self.t) > needed:
            until = max(until, float(np.sort(self.t)[needed]))
        until = self.horizon if until > 0.9 * self.horizon or len(self.t) <= needed else until
        if until != self.until:
            self.windows = None
        self.until, self.seen = until, self.t <= until

    def _next(
        self, place: Place, eta: np.ndarray, damping: float, sweeps: int, noise: float, near: bool, coarse: bool
    ) -> Place:
        """The next level; or the end, where this was the finest that the noise asks for."""
        reached = place._replace(eta=tuple(map(float, eta)), sweeps=sweeps, damping=min(damping, 1e-3))
        if self.until < self.horizon and not self._over(sweeps):
            return reached._replace(whole=True)
        if self._over(sweeps):
            return reached._replace(done=True, settled=near and not coarse and self.until >= self.horizon)
        if coarse:
            finest = self.finest_needed(noise)
            level = place.level + 1
            while level < len(LEVELS) and LEVELS[level] <= 3 * finest:
                level = len(LEVELS)
            return reached._replace(level=level, tolerance=finest)
        return reached._replace(done=True)

    @property
    def _left(self) -> float:
        """Seconds that the search still has."""
        return math.inf if self.seconds is None else self.share * self.seconds - self.before[0] - self.watch.seconds

    def _over(self, sweeps: int) -> bool:
        """The search has had its sweeps or its time."""
        return self._left < 0 or sweeps >= MOST

    def finest_needed(self, noise: float) -> float:
        """The tolerance that this noise, in units of the data's, asks for."""
        sigma = self.data.sigma  # the smallest ones decide
        in_data = noise if sigma is None else noise / float(np.sqrt(np.mean(sigma**-2.0)))
        return max(self.finest, min(OF_NOISE * in_data / self.scale, LEVELS[0]))

    def _noise(self, rho: np.ndarray) -> float:
        """σ of ρ: 1 where the σ_i are given."""
        if self.data.sigma is not None:
            return 1.0
        dof = max(len(rho) - len(self.unknowns.names), 1)
        return float(np.sqrt(rho @ rho / dof))

    # --- the problem at some unknowns -----------------------------------------------------------------------------

    def march(self, eta: np.ndarray, tolerance: float, control: bool = False) -> March:
        """Of the problem at η, with the kernel whose programs serve all η; or of that to choose windows by."""
        problem = self.unknowns.control(eta) if control else self.unknowns.natural(eta)
        base = self.experiment.kernel if control else self.unknowns.kernel(self.experiment.kernel)
        kernels = self.kernels
        kind = type(problem)
        kernels[kind] = kernels.get(kind, base).at(problem.coefficients)
        return March(
            problem=replace(problem, horizon=self.until) if control and self.until < self.horizon else problem,
            kernel=kernels[kind],
            settings=self.experiment.setup.marching_settings,
            tolerance=tolerance,
            seed=self.experiment.seed,
            stated=self.experiment.problem,
            # Where the clock runs short it takes what there is time for.
            seconds=max(self._left, 1.0) if control and self._left < math.inf else None,
            most_modes=next((modes for least, modes in MODES if tolerance >= least), None),
        )

    def _windows(self, eta: np.ndarray, tolerance: float) -> tuple[Piece, ...]:
        """Windows and features for the problem at η, and the field there."""
        if self.windows is not None:
            windows, self.windows = self.windows, None
            return windows
        march = self.march(eta, tolerance, control=True)
        state = march.run(march.begin(), self.signals)
        self.error, self.chosen = estimate_of(state)[0], pieces_of(state)
        self.scale = state.optimizer.errors[0].size or self.scale
        return self.chosen

    def swept(self, eta: np.ndarray, pieces: Sequence[Piece]) -> Swept:
        """One sweep at η."""
        march = self.march(eta, self.level)
        return sweep(march, pieces, self.unknowns.directions(eta), self.t, self.x, STEPS)

    def weighted(self, eta: np.ndarray, here: Swept) -> tuple[np.ndarray, np.ndarray]:
        """ρ and S, with a row for each normal prior."""
        sigma = np.ones(len(self.data)) if self.data.sigma is None else self.data.sigma
        mean, deviation = self.unknowns.prior
        held = np.isfinite(deviation)
        misfit, slopes = (here.u - self.data.u) / sigma, here.slopes / sigma[:, None]
        rho = np.concatenate([misfit[self.seen], ((eta - mean) / deviation)[held]])
        S = np.vstack([slopes[self.seen], np.diag(1 / deviation)[held]])
        return np.nan_to_num(rho, nan=1e300, posinf=1e300), np.nan_to_num(S)

    def inferred(self, eta: np.ndarray, here: Swept) -> Inferred:
        """What the data say at η."""
        unknowns = self.unknowns
        return Inferred(
            names=unknowns.names,
            found=unknowns.values(eta),
            slopes=here.slopes * self.seen[:, None],
            residuals=here.u - self.data.u,
            sigma=self.data.sigma,
            floor=self.error * self.scale if math.isfinite(self.error) else 0.0,
            scales=unknowns.scales(eta),
            prior=unknowns.prior[1],
        )

    def _log(self, place: Place, eta: np.ndarray, here: Swept, sweeps: int) -> None:
        figures = {
            "seconds": self._timed(place).seconds,
            "loss": float(np.mean((here.u - self.data.u)[self.seen] ** 2)),
            "residual_loss": here.loss,
            "evaluations": sweeps,
            "tolerance": self.tolerance(place),
            **dict(zip(self.unknowns.names, self.unknowns.values(eta).tolist(), strict=True)),
        }
        for tracker in self.trackers:
            tracker.log(sweeps, "search", figures)
