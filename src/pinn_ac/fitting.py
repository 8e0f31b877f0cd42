"""Training a network on a problem: `fit`, and the steps that it is made of."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from pinn_ac.ansatz import Lifted, ReactionFlow, Soft
from pinn_ac.derivatives import OwnTaylor
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.experiment import Experiment, Setup, assemble, marching_settings
from pinn_ac.gradients import JaxGradient
from pinn_ac.lapack import lapack_on_one_thread
from pinn_ac.loss import Loss
from pinn_ac.marching import March, estimate_of, pieces_of
from pinn_ac.models import MLP, Periodic, RandomFeatures, Splitting
from pinn_ac.models.splitting import KNOWN
from pinn_ac.optimizers import GaussNewton, LevenbergMarquardt
from pinn_ac.parallel import is_first, on_host
from pinn_ac.problem import LOCAL_ORDERS, Problem
from pinn_ac.reference import Reference, solve
from pinn_ac.residual import closure
from pinn_ac.sampling import Monitor, Sobol
from pinn_ac.solution import Solution
from pinn_ac.tracking import Memory, Tracker, steps_of_stages, tracked
from pinn_ac.training import Checkpoints, Intervals, OverfitGuard, Trainer, TrainingState, unstacked
from pinn_ac.windows import time_windows

REMEDIES = ("enlarge", "stop", "ignore")
"""What can be done about over-fitting."""
DEFAULT_TOLERANCE = 1e-10
"""Of the best method, where nothing else is said."""
BESIDE_THE_METHOD = {"embedding", "ansatz", "derivatives", "gradient", "precision", "device", "devices", "plan"}
"""Choices that leave the best method what it is."""
BY_THE_CLOCK = 100_000
"""Steps of the default optimizer where the clock is to end it."""


class Choices(TypedDict, total=False):
    """What can be chosen beside the problem; each has a default that suits the problem.

    network: a Flax module from features (d,) to a scalar, of `pinn_ac.models` or your own.
    embedding: the features of a point, such as `Periodic()` or `Splitting()` of `pinn_ac.models`.
    ansatz: how the network becomes u: `Soft()`, `Lifted()` or `ReactionFlow()` of `pinn_ac.ansatz`.
    derivatives: the engine for u_t, u_xx, …, of `pinn_ac.derivatives`.
    gradient: who differentiates the loss in the parameters, of `pinn_ac.gradients`.
    loss: norm and weights of its terms, `pinn_ac.loss.Loss`.
    weighting: adaptive weights of the points, of `pinn_ac.weighting`; None for none.
    sampler: of the collocation points, of `pinn_ac.sampling`.
    optimizer: of `pinn_ac.optimizers`; a sequence or a mapping of several is trained with one after the other.
    windows: the number of time windows, or "auto".
    precision: "float64" or "float32".
    device: "cpu", "gpu" or "auto".
    devices: how many share the points: a number, "all" or "auto".
    plan: how often the loop logs and evaluates, and what it does about over-fitting, :class:`Plan`.

    >>> import pinn_ac
    >>> small: pinn_ac.Choices = {"windows": 1, "precision": "float32"}  # for fit(problem, **small)
    """

    network: Any
    embedding: Any
    ansatz: Any
    derivatives: Any
    gradient: Any
    loss: Any
    weighting: Any
    sampler: Any
    optimizer: Any
    windows: Any
    precision: str
    device: str
    devices: Any
    plan: "Plan"


@dataclass(frozen=True)
class Plan:
    """How long a run trains, and how often it looks up.

    Args:
        seconds: wall-clock budget, compilation included; None for no bound.
        log_every: steps between lines of the history; None: 200 lines a stage.
        evaluate_every: steps between evaluations; None: 20 a stage.
        checkpoint_every: steps between checkpoints; None: 10 a stage.
        overfit: what to do where the network fits its points alone: "enlarge" doubles them, "stop" ends the time
            window, "ignore" does nothing.
        overfit_ratio: over-fitting is a held-out loss above so many times the training loss; above 1.
        tolerance: the run ends when the relative L2 error, estimated without a reference, is at most this; None
            for no such end. A network of drawn features is then solved for with error control (`pinn_ac.marching`).

    Raises:
        InputError: a value out of range.

    >>> Plan(seconds=60.0, evaluate_every=10).overfit
    'enlarge'
    """

    seconds: float | None = None
    log_every: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    overfit: str = "enlarge"
    overfit_ratio: float = 1000.0
    tolerance: float | None = None

    def __post_init__(self) -> None:
        for name in ("log_every", "evaluate_every", "checkpoint_every"):
            value = getattr(self, name)
            require(value is None or is_whole(value, 1), f"train.{name} is {value}: give a whole number from 1.")
        require(
            self.seconds is None or (is_number(self.seconds) and self.seconds > 0),
            f"train.seconds is {self.seconds}: give a positive number of seconds.",
        )
        tolerance = self.tolerance
        require(
            tolerance is None or (is_number(tolerance) and 0 < tolerance < 1),
            f"train.tolerance is {tolerance}: give a number between 0 and 1, such as 1e-6, or null for none.",
        )
        choices = f"{', '.join(REMEDIES[:-1])} or {REMEDIES[-1]}"
        require(self.overfit in REMEDIES, f"train.overfit is {self.overfit!r}: choose {choices}.")
        ratio = self.overfit_ratio
        require(is_number(ratio) and ratio > 1, f"train.overfit_ratio is {ratio}: give a number above 1.")


def fit(
    problem: Problem,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    reference: Reference | bool = False,
    progress: bool = True,
    trackers: Iterable[Tracker] = (),
    **choices: Unpack[Choices],
) -> Solution:
    """Train a network on a problem.

    Without further choices this is the package's best method for the problem, that of `experiment=record`, where the
    problem has a lift and a spectral reference: a network of drawn features in windows of time that are chosen, with
    the network's size, to meet a tolerance. Elsewhere, and where `steps` are given, all weights of a small network are
    trained by Levenberg–Marquardt.

    Args:
        problem: what to solve.
        steps: of the optimizer, in each time window; by default its own number. With several optimizers give each
            its own.
        seconds: wall-clock budget, compilation included; whichever is reached first ends the training.
        tolerance: a bound on the relative L2 error, held by the run's own estimate, without a reference: the training
            ends when it is met. Where it cannot be met, the best that was reached is returned, and a warning says so;
            `solution.estimate()` is the error. By default 1e-10 for the best method, and none for others.
        seed: of the network's initial parameters and of the points; the same seed gives the same bits.
        reference: True solves for the true solution first, so that the history has errors; or such a solution.
        progress: show the progress, in a terminal and in a notebook.
        trackers: who is told how the run goes, of `pinn_ac.tracking`.
        choices: see :class:`Choices`.

    Returns:
        The trained field.

    Raises:
        InputError: a choice that cannot be used; nothing has been computed then.
        Diverged: the loss became non-finite and more cautious steps did not help.
        Stopped: the process was asked to stop.
        TypeError: a choice that there is none of.

    >>> import pinn_ac
    >>> problem = pinn_ac.Burgers(viscosity=0.1)
    >>> solution = pinn_ac.fit(problem, steps=3, seed=1, progress=False)
    >>> from pinn_ac.ansatz import Soft
    >>> from pinn_ac.models import MLP, Periodic
    >>> from pinn_ac.optimizers import Adam
    >>> plain = pinn_ac.fit(
    ...     problem, network=MLP(width=8, depth=2), embedding=Periodic(), ansatz=Soft(), optimizer=Adam(), steps=5,
    ...     progress=False,
    ... )
    """
    unknown = [name for name in choices if name not in Choices.__annotations__]
    if unknown:
        raise TypeError(f"fit() has no {', '.join(unknown)}: it has {', '.join(Choices.__annotations__)}.")
    plan = choices.get("plan") or Plan()
    if seconds is not None:
        plan = replace(plan, seconds=seconds)
    if tolerance is not None:
        plan = replace(plan, tolerance=tolerance)
    is_best = steps is None and not {name for name in choices if name not in BESIDE_THE_METHOD}
    if is_best and can_march(problem):
        choices |= {"network": RandomFeatures(), "optimizer": GaussNewton(), "sampler": Monitor(num_points=None)}
        plan = replace(plan, tolerance=plan.tolerance or DEFAULT_TOLERANCE)
    if "optimizer" not in choices and seconds is not None and steps is None:
        choices["optimizer"] = LevenbergMarquardt(steps=BY_THE_CLOCK)
        plan = replace(plan, log_every=plan.log_every or 5, evaluate_every=plan.evaluate_every or 10)
    setup = choose(problem, steps, plan.seconds, seed, choices, plan.tolerance)
    experiment = assemble(setup)
    told = [*trackers, *([progress_bar()] if progress else [])]
    if reference is True:
        reference = solve(problem)
    with computing(experiment):
        return Training(experiment, plan, told, reference or None).run()


def progress_bar() -> Tracker:
    """Shows the progress, in a terminal, in a notebook and in a log."""
    from pinn_ac.reporting.progress import Progress  # here, as it is slow to import

    return Progress()


def can_march(problem: Problem) -> bool:
    """Whether the best method is for this problem."""
    return (
        isinstance(problem, Problem)
        and {"lift", "spectral"} <= problem.capabilities
        and problem.autonomous
        and LOCAL_ORDERS.issuperset(closure(problem.orders))
    )


def choose(
    problem: Problem,
    steps: int | None,
    seconds: float | None,
    seed: int,
    choices: Mapping[str, Any],
    tolerance: float | None = None,
) -> Setup:
    """The objects of a run: those that were chosen, and for the others the best that the problem allows.

    Raises:
        InputError: the seed or the optimizers cannot be used.
    """
    require(isinstance(problem, Problem), f"The problem is {problem!r}: give one such as pinn_ac.Burgers().")

    def best(*methods: Any) -> Any:
        """The first that the problem has all capabilities for."""
        return next(method for method in methods if problem.capabilities.issuperset(method.needs))

    known = tuple(name for name in KNOWN if problem.capabilities.issuperset(Splitting(known=(name,)).needs))
    defaults: dict[str, Any] = {
        "network": MLP(),
        "embedding": Splitting(known=known) if known else Periodic(),
        "ansatz": best(ReactionFlow(), Lifted(), Soft()),
        "derivatives": OwnTaylor(),
        "gradient": JaxGradient(),
        "loss": Loss(),
        "weighting": None,
        "sampler": best(Monitor(), Sobol()),
        "optimizer": LevenbergMarquardt(),
        "windows": "auto",
        "precision": "float64",
        "device": "auto",
        "devices": "auto",
    }
    chosen = defaults | {name: value for name, value in choices.items() if value is not None and name != "plan"}
    optimizers = stages(chosen.pop("optimizer"), steps)
    # JAX's keys would be those of the lower 32 bits in single precision.
    require(is_whole(seed, 0) and seed < 2**32, f"seed is {seed}: give a whole number from 0 to {2**32 - 1}.")
    return Setup(
        problem=problem, optimizers=optimizers, seconds=seconds, seed=seed, tolerance=tolerance, **chosen
    )


def stages(optimizers: Any, steps: int | None = None) -> dict[str, Any]:
    """Name → optimizer of each stage.

    Args:
        optimizers: one, or a sequence or mapping of several, in order.
        steps: of the only one; None leaves its own.

    Raises:
        InputError: there is none, one that is none, or `steps` with several.
    """
    if isinstance(optimizers, Mapping):
        named = dict(optimizers)
    else:
        listed = list(optimizers) if isinstance(optimizers, Sequence) else [optimizers]
        named = {}
        for one in listed:
            name = getattr(one, "name", type(one).__name__)
            named[name if name not in named else f"{name}_{len(named) + 1}"] = one
    require(bool(named), "There is no optimizer: give at least one.")
    for name, one in named.items():
        require(
            hasattr(one, "build") and hasattr(one, "steps"),
            f"The optimizer {name} is {one!r}: give one of pinn_ac.optimizers, such as Adam().",
        )
    require(
        steps is None or len(named) == 1,
        f"steps is for a run with one optimizer: give each of {', '.join(named)} its own.",
    )
    if steps is not None:
        named = {name: replace(one, steps=steps) for name, one in named.items()}
    for name, one in named.items():
        require(is_whole(one.steps, 1), f"stage {name} has {one.steps} steps: give a whole number from 1.")
    return named


@contextmanager
def computing(experiment: Experiment) -> Iterator[None]:
    """Within it this thread computes as the experiment wants it; afterwards the process is as it was."""
    with experiment.compute.active(), lapack_on_one_thread():
        yield


class Training:
    """A run under way: what begins it, what trains it, and what comes of it.

    Args:
        experiment: what is trained.
        plan: how long, and how often it logs and evaluates.
        trackers: told how it goes.
        reference: what errors are measured against, if they are.
        checkpoints: where the state is saved, if it is.
        past: the history before, where a run resumes.
    """

    def __init__(
        self,
        experiment: Experiment,
        plan: Plan,
        trackers: Iterable[Tracker] = (),
        reference: Reference | None = None,
        checkpoints: Checkpoints | None = None,
        past: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.experiment, self.plan, self.checkpoints = experiment, plan, checkpoints
        self.memory = Memory.of(past)
        self.trackers = [self.memory, *trackers] if is_first() else []
        self.trainer: Trainer | March = self._march(reference) if experiment.marches else Trainer(
            stages=experiment.stages,
            windows=time_windows(experiment, reference),
            trackers=self.trackers,
            checkpoints=checkpoints,
            intervals=Intervals(plan.log_every, plan.evaluate_every, plan.checkpoint_every),
            seconds=plan.seconds,
            guard=OverfitGuard(experiment.programs.loss, plan.overfit, plan.overfit_ratio),
        )

    def _march(self, reference: Reference | None) -> March:
        experiment, setup = self.experiment, self.experiment.setup
        assert setup.tolerance is not None
        return March(
            problem=experiment.problem.natural,
            kernel=experiment.kernel,
            settings=marching_settings(setup),
            tolerance=setup.tolerance,
            seed=experiment.seed,
            trackers=self.trackers,
            checkpoints=self.checkpoints,
            seconds=self.plan.seconds,
            reference=reference,
            time_unit=experiment.problem.time_unit if experiment.problem.dimensions is not None else 1.0,
        )

    @property
    def resumes(self) -> bool:
        """There is a checkpoint to go on from."""
        return self.checkpoints is not None and self.checkpoints.exist()

    def begin(self) -> TrainingState:
        """The state to train from: a fresh one, or that of the newest checkpoint."""
        if not self.resumes:
            return self.trainer.begin()
        state = self.trainer.resume(self.experiment.initial_params())
        return state._replace(optimizer=self.experiment.objective.shards.replicated(state.optimizer))

    def run(self, description: Mapping[str, Any] | None = None) -> Solution:
        """Train to the end.

        Args:
            description: of the run, for the trackers; see :meth:`pinn_ac.tracking.Tracker.start`.

        Raises:
            Diverged, Stopped: see :func:`fit`.
        """
        # A fresh run shows that it is starting: the state before its first step takes seconds to compile.
        state = self.begin() if self.resumes else None
        with self.tracked(0 if state is None else state.step, description) as metrics:
            solution = self.solution(self.trainer.run(self.begin() if state is None else state))
            metrics.update(solution.metrics)
        return solution

    def tracked(
        self, step: int, description: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[dict[str, Any]]:
        """Within it the trackers are told how the run goes from this step on; see `pinn_ac.tracking.tracked`."""
        total = None if self.experiment.marches else self.experiment.total_steps
        ends = {"total_steps": total, "seconds_budget": self.plan.seconds}
        return tracked(self.trackers, {"step": step, **ends, **(description or {})})

    def close(self) -> None:
        """Let go of the folder of checkpoints, if there is one."""
        if self.checkpoints is not None:
            self.checkpoints.close()

    def solution(self, state: TrainingState) -> Solution:
        """The trained field at a state, with what the training tells."""
        if isinstance(self.trainer, March):
            return self._marched(state, self.trainer.tolerance)
        params = (*unstacked(state.finished), on_host(state.best_params))
        metrics = {
            "train_seconds": state.seconds,
            "compile_seconds": state.compile_seconds,
            "steps": state.step,
            "windows": self.experiment.windows,
            "validation_loss": state.best_loss,
            "num_points": len(state.points["residual"]),
            "stages": steps_of_stages(self.memory.history),
            "ended_by": self._ended_by(state),
            "devices": self.experiment.objective.shards.count,
        }
        return Solution(self.experiment, params, self.memory.history, metrics)

    def _marched(self, state: TrainingState, tolerance: float) -> Solution:
        """The solution of a march, with its estimate; a warning where that misses the tolerance."""
        pieces = pieces_of(state)
        estimate, reliable = estimate_of(state)
        is_met = estimate <= tolerance
        metrics = {
            "train_seconds": state.seconds,
            "compile_seconds": state.compile_seconds,
            "steps": state.step,
            "windows": len(pieces),
            "validation_loss": state.best_loss,
            "tolerance": tolerance,
            "tolerance_met": is_met,
            "estimated_relative_l2": estimate if math.isfinite(estimate) else None,
            "estimate_unreliable": not reliable,
            "stages": steps_of_stages(self.memory.history),
            "ended_by": "the tolerance" if is_met else "the best that was found",
            "devices": self.experiment.objective.shards.count,
        }
        if not is_met:
            sentence = (
                f"The tolerance {tolerance:.1e} is not met: the estimated relative L2 error is {estimate:.1e}. "
                "Give more time by train.seconds, or a larger train.tolerance."
            )
            for tracker in self.trackers:
                tracker.say(sentence)
        return Solution(self.experiment, pieces, self.memory.history, metrics)

    def _ended_by(self, state: TrainingState) -> str:
        """What ended the last time window."""
        guard, seconds = self.trainer.guard, self.plan.seconds
        if seconds is not None and state.seconds >= seconds:
            return "the clock"
        return "over-fitting" if guard is not None and guard.stops(state.overfits) else "the number of steps"
