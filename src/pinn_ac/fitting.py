"""Training a network on a problem: `fit`, and the steps that it is made of."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, TypedDict, Unpack

from pinn_ac.ansatz import Lifted, ReactionFlow, Soft
from pinn_ac.derivatives import OwnTaylor
from pinn_ac.description import describe
from pinn_ac.errors import InputError, is_whole, plain, require
from pinn_ac.gradients import JaxGradient
from pinn_ac.inverse import Inference, Observations, unknowns_of
from pinn_ac.inverse.search import UNSETTLED
from pinn_ac.kinds import KINDS, require_kind
from pinn_ac.loss import Loss
from pinn_ac.models import MLP, Periodic, RandomFeatures, Splitting
from pinn_ac.models.splitting import KNOWN
from pinn_ac.optimizers import GaussNewton, LevenbergMarquardt
from pinn_ac.problem import LOCAL_ORDERS, Problem
from pinn_ac.reference import Reference, solve, solve_plane
from pinn_ac.residual import closure
from pinn_ac.running import Plan, Training, computing, missed, progress_bar
from pinn_ac.sampling import Monitor, Sobol
from pinn_ac.setup import LEAST_SINGLE, Setup, assemble
from pinn_ac.solution import Solution
from pinn_ac.tracking import Tracker

DEFAULT_TOLERANCE = {1: 1e-10, 2: 1e-5}
"""Of the best method, where nothing else is said, by the dimensions of space."""
INVERSE_TOLERANCE = 1e-9
"""Of the solution of a problem with unknown coefficients."""
SCALE_IN_PLANE = 0.3
"""Of the features that are drawn in the plane; measured: with 1000 of them a window's error is 2e-6 with 1, 3e-7 with
0.5 and 1e-7 with 0.3."""
BESIDE_THE_METHOD = {"embedding", "ansatz", "derivatives", "gradient", "precision", "device", "devices", "plan"}
"""Choices that leave the best method what it is, unless it is not for their values."""
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
    regime: how the training problem changes meanwhile, of `pinn_ac.regimes`; None for not at all.
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
    regime: Any
    sampler: Any
    optimizer: Any
    windows: Any
    precision: str
    device: str
    devices: Any
    plan: "Plan"


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
    data: Observations | None = None,
    unknown: Mapping[str, Any] | None = None,
    **choices: Unpack[Choices],
) -> Solution:
    """Train a network on a problem.

    Without further choices this is the package's best method for the problem. Where that has a lift and a spectral
    reference it is `experiment=record`: a network of drawn features in windows of time that are chosen, with the
    network's size, to meet a tolerance. Elsewhere, and where `steps` are given, all weights of a small network are
    trained by Levenberg–Marquardt.

    Args:
        problem: what to solve.
        steps: of the optimizer, in each time window; by default its own number. With several optimizers give each
            its own.
        seconds: wall-clock budget, compilation included; whichever is reached first ends the training.
        tolerance: a bound on the relative L2 error, held by the run's own estimate, without a reference: the training
            ends when it is met. Where it cannot be met, the best that was reached is returned, and a warning says so;
            `solution.estimate()` is the error. By default 1e-10 for the best method, in the plane 1e-5, in single
            precision 1e-3, and none for others.
        seed: of the network's initial parameters and of the points; the same seed gives the same bits.
        reference: True solves for the true solution first, so that the history has errors; or such a solution.
        progress: show the progress, in a terminal and in a notebook.
        trackers: who is told how the run goes, of `pinn_ac.tracking`.
        data: observations of the solution, :class:`~pinn_ac.Observations`; then the coefficients that are `unknown`
            are inferred from them, and what is returned is an :class:`~pinn_ac.InferredSolution` of the problem that
            was found, to a tolerance of 1e-9 by default. See docs/inverse.md.
        unknown: name → a guess, of the positive coefficients that `data` are to tell; a decade off will do. With
            "initial_condition" → :class:`~pinn_ac.inverse.UnknownStart` that is unknown too.
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
    strange = [name for name in choices if name not in Choices.__annotations__]
    if strange:
        raise TypeError(f"fit() has no {', '.join(strange)}: it has {', '.join(Choices.__annotations__)}.")
    plan = choices.get("plan") or Plan()
    require(isinstance(plan, Plan), f"plan is {plan!r}: give a pinn_ac.running.Plan, such as Plan(seconds=60.0).")
    trackers = _listed(trackers)
    if seconds is not None:
        plan = replace(plan, seconds=seconds)
    if tolerance is not None:
        plan = replace(plan, tolerance=tolerance)
    if data is not None or unknown is not None:
        plan = replace(plan, tolerance=plan.tolerance or INVERSE_TOLERANCE)
    choices = {name: value for name, value in choices.items() if not _is_default(name, value)}
    if steps is None and can_march(problem) and _leaves_the_method(choices):
        choices |= best_method(problem)
        least = LEAST_SINGLE if choices.get("precision") == "float32" else 0.0
        plan = replace(plan, tolerance=plan.tolerance or max(DEFAULT_TOLERANCE[len(problem.axes)], least))
    if "optimizer" not in choices and plan.seconds is not None and steps is None:
        choices["optimizer"] = LevenbergMarquardt(steps=BY_THE_CLOCK)
        plan = replace(plan, log_every=plan.log_every or 5, evaluate_every=plan.evaluate_every or 10)
    setup = choose(problem, steps, plan.seconds, seed, choices, plan.tolerance)
    display = progress_bar() if progress else None
    if data is not None or unknown is not None:
        solution = _inferred(setup, data, unknown, plan, trackers, reference, display)
    else:
        solution = _trained(setup, plan, trackers, reference, display)
    if not (display or any(type(one).say is not Tracker.say for one in trackers)):  # which would have said it
        for sentence in _to_know(solution):
            warnings.warn(sentence, stacklevel=2)
    return solution


def _to_know(solution: Solution) -> Iterator[str]:
    """What whoever uses a solution should know of it: what it misses, and what the observations leave open."""
    metrics = solution.metrics
    if metrics.get("tolerance_met") is False:
        yield missed(metrics)
    if metrics.get("inferred_undetermined"):
        yield metrics["inferred_undetermined"]
    if metrics.get("search_converged") is False:
        yield UNSETTLED


def _is_default(name: str, value: Any) -> bool:
    """Whether a choice says no more than its absence."""
    return value is None or (name == "windows" and isinstance(value, str) and value == "auto")


def _leaves_the_method(choices: Mapping[str, Any]) -> bool:
    """Whether the best method, which needs the heat flow of u₀ built in and one device, can be what it is."""
    ansatz = choices.get("ansatz")
    suits = ansatz is None or (getattr(ansatz, "exact_at_start", False) and getattr(ansatz, "diffuses", True))
    return suits and BESIDE_THE_METHOD.issuperset(choices) and choices.get("devices", 1) in ("auto", 1)


def _trained(
    setup: Setup, plan: Plan, trackers: Iterable[Tracker], reference: Reference | bool, display: Tracker | None
) -> Solution:
    experiment = assemble(setup)
    if reference is True:
        solver: Any = solve if len(setup.problem.axes) == 1 else solve_plane
        reference = solver(setup.problem)
    with computing(experiment):
        return Training(experiment, plan, trackers, reference or None, display=display).run(described(setup))


def _listed(trackers: Any) -> list[Tracker]:
    """The trackers as a list.

    Raises:
        InputError: they are none.
    """
    is_list = isinstance(trackers, Iterable) and not isinstance(trackers, str)
    require(is_list, f"trackers is {trackers!r}: give a list of them, such as [Jsonl(PATH)] of pinn_ac.tracking.")
    found = list(trackers)
    for one in found:
        require_kind("tracker", one)
    return found


def described(setup: Setup) -> dict[str, Any]:
    """What the trackers of a run are told of it: its settings, where its objects can be written as plain values."""
    try:
        return {"config": describe(setup)}
    except InputError:  # of an object of the user's own
        return {}


def _inferred(
    setup: Setup,
    data: Observations | None,
    unknown: Mapping[str, Any] | None,
    plan: Plan,
    trackers: Iterable[Tracker],
    reference: Reference | bool,
    display: Tracker | None,
) -> Solution:
    require(isinstance(data, Observations), f"data is {data!r}: give pinn_ac.Observations(t, x, u).")
    require(
        not isinstance(reference, Reference),
        "reference is a solution, but that of the problem to be found is not known yet: give True or False.",
    )
    assert data is not None
    inference = Inference(setup, unknowns_of(setup.problem, unknown or {}), data, plan, trackers, display=display)
    with computing(inference.experiment):
        return inference.run(described(setup), solve if reference else lambda problem: None)


def best_method(problem: Problem) -> dict[str, Any]:
    """The choices that make a run one of the best method: drawn features, found by Gauss–Newton."""
    sampler = Monitor(num_points=None)  # type: ignore[arg-type]
    network = RandomFeatures() if len(problem.axes) == 1 else RandomFeatures(scale=SCALE_IN_PLANE)
    return {"network": network, "optimizer": GaussNewton(), "sampler": sampler}


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
        InputError: the seed, or an object that was chosen, cannot be used.
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
        "regime": None,
        "sampler": best(Monitor(), Sobol()),
        "optimizer": LevenbergMarquardt(),
        "windows": "auto",
        "precision": "float64",
        "device": "auto",
        "devices": "auto",
    }
    chosen = defaults | {name: value for name, value in choices.items() if value is not None and name != "plan"}
    for name, value in chosen.items():
        if name in KINDS and name != "optimizer" and value is not None:
            require_kind(name, value)
    loss = chosen["loss"]
    require(isinstance(loss, Loss), f"loss is {loss!r}: give a pinn_ac.loss.Loss, such as Loss('l1').")
    # NumPy's numbers and words become Python's, which can be written to a file.
    chosen = {name: plain(value) for name, value in chosen.items()}
    seed, seconds, tolerance, steps = map(plain, (seed, seconds, tolerance, steps))
    optimizers = stages(chosen.pop("optimizer"), steps)
    # JAX's keys would be those of the lower 32 bits in single precision.
    require(is_whole(seed, 0) and seed < 2**32, f"seed is {seed}: give a whole number from 0 to {2**32 - 1}.")
    return Setup(problem=problem, optimizers=optimizers, seconds=seconds, seed=seed, tolerance=tolerance, **chosen)


def stage_name(optimizer: Any) -> str:
    """What a stage is called: the optimizer's own name, or its class's."""
    return str(getattr(optimizer, "name", type(optimizer).__name__))


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
        is_list = isinstance(optimizers, Sequence) and not isinstance(optimizers, str)
        listed = list(optimizers) if is_list else [optimizers]
        named = {}
        for one in listed:
            name = stage_name(one)
            named[name if name not in named else f"{name}_{len(named) + 1}"] = one
    require(bool(named), "There is no optimizer: give at least one.")
    for one in named.values():
        require_kind("optimizer", one)
    require(
        steps is None or len(named) == 1,
        f"steps is for a run with one optimizer: give each of {', '.join(named)} its own.",
    )
    if steps is not None:
        for name, one in named.items():
            require(is_dataclass(one), f"steps cannot be set for {name}, which is no dataclass: give it its own.")
        named = {name: replace(one, steps=steps) for name, one in named.items()}
    for name, one in named.items():
        require(is_whole(one.steps, 1), f"stage {name} has {one.steps} steps: give a whole number from 1.")
    return named
