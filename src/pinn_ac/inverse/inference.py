"""An inverse run: from a problem, observations and what is unknown to the solution that fits them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.errors import require
from pinn_ac.files import write_whole
from pinn_ac.inverse.inferred import Inferred
from pinn_ac.inverse.observations import Observations
from pinn_ac.inverse.search import UNSETTLED, Place, Search
from pinn_ac.inverse.unknowns import Unknowns
from pinn_ac.problem import Problem
from pinn_ac.reference import Reference
from pinn_ac.running import Plan, Training, require_suited
from pinn_ac.setup import Setup, assemble
from pinn_ac.solution import INFERRED, Solution
from pinn_ac.tracking import Memory, Tracker, say_to_all, tracked
from pinn_ac.training import Checkpoints, TrainingState

FILE = INFERRED
"""In the run's folder: the data, the fit, and its sensitivities."""
SETTLED = 0.5
"""The part of a clock that the search may take; the rest is for the solution of the problem that it finds."""


class InferredSolution(Solution):
    """The solution of the problem that fits the data best, and what the data say of it.

    Besides what every :class:`~pinn_ac.Solution` has: `inferred`, an :class:`~pinn_ac.inverse.Inferred`, with the
    estimates, their standard errors and their correlation, and `data`, the observations.

    >>> from pinn_ac import InferredSolution, Solution
    >>> issubclass(InferredSolution, Solution)
    True
    """

    inferred: Inferred
    data: Observations

    @classmethod
    def of(cls, solution: Solution, inferred: Inferred, data: Observations) -> "InferredSolution":
        """A solution with what was inferred."""
        found = cls(solution.experiment, solution.params, solution.history, solution.metrics, solution.folder)
        found.inferred, found.data = inferred, data
        return found

    def plot_fit(self, path: str | Path | None = None) -> Any:
        """Draw the fit, the residuals of the data, and how sure the unknowns are.

        Of two unknowns that the data determine these are regions of confidence, else two standard errors of each.

        Args:
            path: a file to write the picture to, such as "inferred.png", or .pdf or .svg; None for none.

        Returns:
            matplotlib's figure.
        """
        from pinn_ac.reporting.inverse import draw_inferred  # only here, as matplotlib is slow to import
        from pinn_ac.reporting.style import place_of_picture, shown

        place = place_of_picture(path)
        return shown(draw_inferred(self.data, self.inferred), place)

    def save(self, folder: str | Path) -> Path:
        """:meth:`Solution.save`, with what was inferred."""
        place = super().save(folder)
        store(place, self.inferred, self.data)
        return place


class Inference:
    """An inverse run under way.

    Args:
        setup: of a run to a tolerance with drawn features, of the problem with its known coefficients.
        unknowns: what is sought.
        data: the observations.
        plan: the clock, and how often it logs.
        trackers: told how it goes.
        folder: where the search keeps its place; None for nowhere.
        display: shows how it goes, and ends with the search and the solution; the trackers stay open for the report.

    Raises:
        InputError: the setup is none of these, or the data do not suit the problem.
    """

    def __init__(
        self,
        setup: Setup,
        unknowns: Unknowns,
        data: Observations,
        plan: Plan,
        trackers: Iterable[Tracker] = (),
        folder: Path | None = None,
        display: Tracker | None = None,
    ) -> None:
        require(
            len(setup.problem.axes) == 1,
            f"What is unknown is found in one space dimension, and {type(setup.problem).__name__} has two: choose "
            "another problem.",
        )
        require(
            setup.marches,
            "What is unknown is found by a run to a tolerance with drawn features: choose experiment=inverse.",
        )
        require(
            setup.precision == "float64",
            "What is unknown is found in double precision: choose precision=float64.",
        )
        require_suited(plan, setup.marches)
        free = ~np.isfinite(unknowns.prior[1])
        data.check(setup.problem, int(np.sum(free)))
        require(
            bool(free.all()) or data.sigma is not None,
            "A prior can be weighed against the data only where their noise is known: give the observations' sigma.",
        )
        self.setup, self.unknowns, self.data, self.plan = setup, unknowns, data, plan
        self.folder = folder
        self.checkpoints: Checkpoints | None = None
        self.memory = Memory()
        self.kept, self.shown = [self.memory, *trackers], [display] if display is not None else []
        self.trackers = [*self.kept, *self.shown]
        self.experiment = assemble(replace(setup, problem=unknowns.first))
        self.search = Search(self.experiment, unknowns, data, self.trackers, folder, plan.seconds, SETTLED)

    def keep_in(self, checkpoints: Checkpoints, past: Iterable[Mapping[str, Any]] = ()) -> None:
        """Save the solution at the end in these checkpoints, and go on from there where they hold one.

        Args:
            checkpoints: of the solution at the end.
            past: the history before, where a run resumes.
        """
        self.checkpoints = checkpoints
        self._remember(Memory.of(past))

    def _remember(self, memory: Memory) -> None:
        self.kept[0] = self.trackers[0] = self.memory = memory

    def run(
        self,
        description: Mapping[str, Any] | None = None,
        reference: Callable[[Problem], Reference | None] = lambda problem: None,
    ) -> InferredSolution:
        """Search, then solve the problem that was found to the run's tolerance.

        Args:
            description: of the run, for the trackers.
            reference: the problem that was found → its true solution, for errors in the history; None for none.

        Raises:
            Diverged, Stopped: see :func:`pinn_ac.fit`.
        """
        with self.trained(description, reference) as (solution, _):
            return solution

    @contextmanager
    def trained(
        self,
        description: Mapping[str, Any] | None = None,
        reference: Callable[[Problem], Reference | None] = lambda problem: None,
    ) -> Iterator[tuple[InferredSolution, dict[str, Any]]]:
        """:meth:`run`; within it the trackers are still open, to be finished with what a report adds.

        Yields:
            The solution, and the results that the trackers will be finished with, to which the block adds its own.
        """
        place, solving = self.search.begin(), None
        if place.done and self.checkpoints is not None and self.checkpoints.exist():
            solving = self._solving(place, reference)  # which is gone on with
        step = place.sweeps if solving is None else solving[1].step
        described = {"step": step, "seconds_budget": self.plan.seconds, "total_steps": None, **(description or {})}
        with tracked(self.kept, described) as metrics:
            with tracked(self.shown, described):
                place, inferred = self._searched(place)
                sentence = inferred.sentence()
                if sentence is not None:
                    self._say(sentence)
                training, state = solving or self._solving(place, reference)
                solution = training.solution(training.trainer.run(state))
            solution.metrics.update(inferred.metrics())
            solution.metrics.update(sweeps=place.sweeps, search_seconds=place.seconds, search_converged=place.settled)
            metrics.update(solution.metrics)
            yield InferredSolution.of(solution, inferred, self.data), metrics

    def _searched(self, place: Place) -> tuple[Place, Inferred]:
        if place.done and self.folder is not None:
            if not place.settled:
                self._say(UNSETTLED)
            return place, stored(self.folder)[0]
        place, inferred = self.search.run(place)
        if self.folder is not None:
            store(self.folder, inferred, self.data)
        self.search.keep(place)
        return place, inferred

    def _solving(
        self, place: Place, reference: Callable[[Problem], Reference | None]
    ) -> tuple[Training, TrainingState]:
        """The training of the problem that was found, and the state that it begins or goes on with."""
        problem = self.unknowns.problem(np.array(place.eta))
        experiment = assemble(replace(self.setup, problem=problem))
        training = Training(
            experiment, self.plan, self.trackers[1:], reference(problem), self.checkpoints, self.memory.history
        )
        self._remember(training.memory)
        state = training.begin()
        if not training.resumes:
            state = state._replace(step=place.sweeps, seconds=place.seconds, compile_seconds=place.compile_seconds)
        return training, state

    def _say(self, sentence: str) -> None:
        say_to_all(self.trackers, sentence)


def store(folder: Path, inferred: Inferred, data: Observations) -> None:
    """Write the data, the fit and its sensitivities to `FILE` in a folder."""
    arrays = {
        "names": np.array(inferred.names),
        "found": inferred.found,
        "scales": inferred.scales,
        "slopes": inferred.slopes,
        "prior": inferred.prior,
        "floor": np.array(inferred.floor),
        "t": data.t,
        "x": data.x,
        "u": data.u,
        "fit": data.u + inferred.residuals,
    } | ({} if data.sigma is None else {"sigma": data.sigma})
    write_whole(folder / FILE, lambda path: np.savez(path, **arrays))


def stored(folder: Path) -> tuple[Inferred, Observations]:
    """What :func:`store` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as held:
        data = Observations(held["t"], held["x"], held["u"], held["sigma"] if "sigma" in held.files else None)
        inferred = Inferred(
            tuple(map(str, held["names"])),
            held["found"],
            held["slopes"],
            held["fit"] - held["u"],
            data.sigma,
            float(held["floor"]),
            held["scales"],
            held["prior"],
        )
    return inferred, data
