"""What a run is made of, as objects, and how an experiment is assembled from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac import marching
from pinn_ac.ansatz import Field
from pinn_ac.compute import ComputeSettings
from pinn_ac.derivatives import Engine, engine_for
from pinn_ac.errors import is_whole, require
from pinn_ac.experiment import Experiment
from pinn_ac.loss import Loss, Objective, build_terms
from pinn_ac.models import RandomFeatures
from pinn_ac.optimizers import GaussNewton, Optimizer
from pinn_ac.parallel import Shards, on_host, share_out
from pinn_ac.problem import LOCAL_ORDERS, Problem
from pinn_ac.problem.initial_conditions import require_known
from pinn_ac.programs import Programs
from pinn_ac.regimes import Regime
from pinn_ac.residual import closure
from pinn_ac.sampling import FailureInformed, Monitor, Sampler
from pinn_ac.training import Stage
from pinn_ac.weighting import Weighting, require_terms

WINDOW_SECONDS = 20.0
"""A budget of less a window is better spent on one window: measured on two cores."""

LEAST_SINGLE = 1e-3
"""The smallest tolerance for single precision."""
ROUNDINGS = 7.0
"""Of single precision in the values of a condition between walls, times what cancels there (measured)."""

WINDOW = 1.25
"""R times the length of a window, where the number of windows is left to us; measured."""


@dataclass(frozen=True)
class Setup:
    """All that a run is made of: what a config's groups name, as objects. The objective comes last, from the others.

    Args:
        problem: in the user's units.
        network: a Flax module from features (d,) to a scalar.
        embedding: what of a point the network sees.
        ansatz: how the network becomes a field.
        derivatives: the engine that differentiates in t and x.
        gradient: who differentiates the loss with respect to the parameters.
        loss: the norm and the weights of its terms.
        sampler: draws the collocation points; `num_points` None means four times the network's parameters or more.
        optimizers: name of a stage → the method that trains in it, in order.
        weighting: changes the weights of points before each step; None leaves them as they are.
        regime: how the training problem changes while one network is trained on all of it; None for not at all.
        windows: how many windows of time, or "auto".
        seconds: the budget, which "auto" looks at.
        precision, device: of :class:`~pinn_ac.compute.ComputeSettings`.
        devices: of :func:`~pinn_ac.parallel.share_out`.
        seed: root of all randomness.
        tolerance: a bound on the estimated relative L2 error, at which the run ends; None for none.
    """

    problem: Problem
    network: Any
    embedding: Any
    ansatz: Any
    derivatives: Engine
    gradient: Any
    loss: Loss
    sampler: Sampler
    optimizers: Mapping[str, Any]
    weighting: Weighting | None = None
    regime: Regime | None = None
    windows: Any = "auto"
    seconds: float | None = None
    precision: str = "float64"
    device: str = "auto"
    devices: Any = "auto"
    seed: int = 0
    tolerance: float | None = None

    @property
    def marches(self) -> bool:
        """The run is a march with error control: drawn features, Gauss–Newton alone, a tolerance, windows "auto"."""
        methods = list(self.optimizers.values())
        solves = len(methods) == 1 and isinstance(methods[0], GaussNewton)
        return (
            self.tolerance is not None
            and isinstance(self.network, RandomFeatures)
            and solves
            and self.windows == "auto"
        )

    @property
    def marching_settings(self) -> marching.Settings:
        """What a march takes from these objects."""
        network, method, sampler = self.network, next(iter(self.optimizers.values())), self.sampler
        assert isinstance(sampler, Monitor)
        return marching.Settings(
            scale=float(network.scale),
            distribution=network.distribution,
            spacing=marching.Spacing(sampler.arc_length, sampler.layer),
            floor=method.floor,
            solver=method.solver,
            steps=method.steps,
            units=network.width,
        )


def assemble(setup: Setup) -> Experiment:
    """The experiment; nothing is computed yet.

    Raises:
        InputError: a choice that cannot be used.
    """
    compute = ComputeSettings.of(setup.precision, setup.device)
    with compute.active():
        _require_capabilities(setup)
        _require_methods_for(setup)
        _require_digits(setup)
        natural = setup.problem.natural
        if setup.marches:
            _require_march(setup)
            windows, first = 1, replace(natural, horizon=marching.usual_length(natural))
            field = Field(first, setup.embedding, marching.network, setup.ansatz, marching.pace)
        else:
            wanted = 1 if setup.regime is not None and setup.windows == "auto" else setup.windows
            windows = count_windows(setup.problem, wanted, setup.seconds)
            if windows > 1:  # each begins at what is known of the one before
                require_known(setup.problem)
            first = replace(natural, horizon=natural.horizon / windows)
            network, separates = setup.network, getattr(setup.network, "separates", False)
            factors = network.factors if separates else None
            field = Field(first, setup.embedding, network.apply, setup.ansatz, factors=factors)
        shards = share_out(setup.devices)
        engine = engine_for(setup.derivatives, setup.problem.axes)
        terms, weights = build_terms(field, engine, setup.loss.slopes), dict(setup.loss.weights)
        if setup.regime is not None:
            _require_regime(setup, windows)
            terms, weights = setup.regime.terms(field, terms), {**weights, **setup.regime.weights}
        objective = Objective(terms, weights, setup.loss.norm, setup.gradient, shards)
        require_terms(setup.weighting, objective.terms)
        stages = [
            Stage(name, _on_all(method.build(objective), shards), method.steps)
            for name, method in setup.optimizers.items()
        ]
        sampler = _with_points(setup.sampler, field, setup.network, shards.count)
        _require_even_shares(sampler, setup.regime, objective)
        programs = Programs(setup.network, field, engine, objective, setup.weighting)
    return Experiment(setup, windows, field, objective, programs, sampler, stages, compute, setup.marches)


def _require_capabilities(setup: Setup) -> None:
    """Refuse a choice that needs what the problem does not know, or a tolerance for what cannot be solved to it."""
    if not setup.problem.capabilities.isdisjoint(("lift", "spectral")):
        require_known(setup.problem)
    solves = any(isinstance(method, GaussNewton) for method in setup.optimizers.values())
    require(
        setup.tolerance is None or not solves or setup.marches,
        "With train.tolerance optimizer=gauss_newton is for model=random_features and windows=auto: choose these, or "
        "train all weights of a network by experiment=levenberg_marquardt.",
    )
    require(
        not getattr(setup.network, "separates", False) or getattr(setup.embedding, "separable", False),
        f"The network {type(setup.network).__name__} needs features of t alone and of x alone, and the embedding "
        f"{type(setup.embedding).__name__} mixes them: choose embedding=periodic.",
    )
    alternatives = {
        "ansatz": "choose ansatz=lifted or ansatz=soft",
        "embedding": "choose embedding=periodic, or leave what needs it out of embedding.known",
        "sampler": "choose another sampler, such as sampler=sobol",
    }
    for group, instead in alternatives.items():
        chosen = getattr(setup, group)
        for capability in getattr(chosen, "needs", ()):
            setup.problem.require(capability, f"The {group} {type(chosen).__name__}", instead)


def _require_methods_for(setup: Setup) -> None:
    """Refuse what is for one space dimension where the problem has two."""
    if len(setup.problem.axes) == 1:
        return
    kind = type(setup.problem).__name__
    of_a_line = {
        "regime=none": setup.regime is not None,
        "loss=mse": bool(setup.loss.slopes),
        "another model, such as model=mlp": getattr(setup.network, "separates", False),
        "another sampler, such as sampler=sobol": isinstance(setup.sampler, FailureInformed),
    }
    for instead, is_chosen in of_a_line.items():
        require(
            not is_chosen,
            f"{kind} has two space dimensions, and what was chosen is a method for one: choose {instead}.",
        )


def _require_digits(setup: Setup) -> None:
    """Refuse single precision where it leaves no three digits of u₀ between walls."""
    condition = setup.problem.circle.initial_condition
    lost = ROUNDINGS * 0.5 * float(np.finfo(np.float32).eps) * float(getattr(condition, "cancels", 1.0))
    require(
        setup.precision == "float64" or lost <= LEAST_SINGLE,
        f"Single precision would leave errors of {lost:.1g} in the initial condition, since at the walls "
        "that is far from what the equation asks for: set precision=float64.",
    )


def _require_march(setup: Setup) -> None:
    """Refuse what a march with error control cannot be made of."""
    problem, instead = setup.problem, "leave train.tolerance out, or choose model=mlp optimizer=levenberg_marquardt"
    for capability in ("lift", "spectral"):
        problem.require(capability, "A run to a tolerance with drawn features", instead)
    kind = type(problem).__name__
    require(
        LOCAL_ORDERS.issuperset(closure(problem.orders)) and problem.autonomous,
        f"A run to a tolerance with drawn features is for equations in u_t, u_x and u_xx whose coefficients do not "
        f"depend on t, and {kind} is none: {instead}.",
    )
    assert setup.tolerance is not None
    marching.require_modes(problem.natural, setup.tolerance)
    require(
        setup.ansatz.exact_at_start and getattr(setup.ansatz, "diffuses", True),
        "A run to a tolerance with drawn features needs an ansatz with the initial condition's heat flow built in: "
        "choose ansatz=reaction_flow or ansatz=lifted.",
    )
    require(
        isinstance(setup.sampler, Monitor) and setup.sampler.num_points is None and not setup.sampler.importance,
        "A run to a tolerance with drawn features chooses its own number of points: choose sampler=monitor, and "
        "leave sampler.num_points and sampler.importance as they are.",
    )
    require(
        setup.network.width is None or setup.network.width <= marching.MOST_UNITS,
        f"model.width is {setup.network.width}, and a run to a tolerance has {marching.MOST_UNITS} features a window "
        "at most: give a number to begin with, or null.",
    )
    require(
        setup.network.seed in (0, setup.seed),
        f"model.seed is {setup.network.seed}, and a run to a tolerance draws its features by the run's seed: give "
        "that, and leave model.seed out.",
    )
    require(
        setup.network.activation == "tanh",
        f"model.activation is {setup.network.activation}: a run to a tolerance has tanh; leave it out.",
    )
    require(
        not setup.loss.slopes,
        "A run to a tolerance with drawn features solves for the residual alone: choose loss=mse.",
    )
    require(
        setup.weighting is None,
        "A run to a tolerance with drawn features solves for all points at once: choose weighting=none.",
    )
    require(
        setup.devices in ("auto", 1),
        f"devices is {setup.devices}, and a run to a tolerance with drawn features solves small systems one after "
        "the other on one device: leave devices out.",
    )
    require(
        jax.process_count() == 1,
        "A run to a tolerance with drawn features is that of one process: start it by itself, without srun or "
        "JAX_NUM_PROCESSES.",
    )
    require(
        setup.precision == "float64" or (setup.tolerance or 0) >= LEAST_SINGLE,
        f"train.tolerance is {setup.tolerance}, which single precision cannot hold: give {LEAST_SINGLE} or more, or "
        "precision=float64.",
    )


def _require_regime(setup: Setup, windows: int) -> None:
    """Refuse a regime that does not go with the rest."""
    regime, kind = setup.regime, type(setup.regime).__name__
    assert regime is not None
    require(
        not setup.marches,
        "A run to a tolerance with drawn features chooses its windows itself: choose regime=none, or another model.",
    )
    require(
        windows == 1,
        f"The regime {kind} trains one network on the whole horizon, and windows is {setup.windows}: choose "
        "windows=1 or regime=none.",
    )
    require(
        not (regime.vanishing and getattr(setup.weighting, "balances", False)),
        f"The weighting {type(setup.weighting).__name__} weighs terms of the loss by their sizes, and where a stage "
        f"of {kind} begins some have none: choose weighting=none, or one that weighs points, such as rba.",
    )
    regime.stages(setup.problem)
    require(
        not regime.draws or setup.sampler.resample_every > 0,
        f"The regime {kind} acts where points are drawn anew, and sampler.resample_every is 0: give 1 or more.",
    )


def _with_points(sampler: Sampler, field: Field, network: Any, devices: int) -> Sampler:
    """The sampler; `num_points` None becomes the least power of two that is four times the network's parameters.

    Where several devices cannot share that evenly, a little more. With fewer points than that a least-squares method
    fits them and not the solution (measured).
    """
    if sampler.num_points is not None:
        return sampler
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(field.features)))
    enough = 4 * sum(leaf.size for leaf in jax.tree.leaves(params))
    power = 1 << (enough - 1).bit_length()
    return replace(sampler, num_points=-(-power // devices) * devices)


def count_windows(problem: Problem, wanted: Any, seconds: float | None) -> int:
    """How many windows the horizon is cut into: as `wanted`, or for "auto" such that R times their length ≤ `WINDOW`.

    One window gets further where windows would have less than `WINDOW_SECONDS` each, and as far in fewer steps where
    no clock is set; if the flow of the reaction alone makes interfaces in it at most e times too thin.

    Raises:
        InputError: it is neither, or the windows are so long that their flow of the reaction would stop.
    """
    windows = max(1, math.ceil(problem.growth / WINDOW)) if wanted == "auto" else wanted
    require(is_whole(windows, 1), f"windows is {wanted}: give auto or a whole number from 1.")
    hurried = seconds is None or seconds < windows * WINDOW_SECONDS
    if wanted == "auto" and hurried and problem.excess <= 1:
        windows = 1
    if wanted == "auto" and not problem.autonomous:
        windows = 1
    require(
        windows == 1 or problem.autonomous,
        f"windows is {wanted}, but {type(problem).__name__} depends on t itself, so that its time cannot be cut: "
        "give 1 or auto.",
    )
    fewest = math.ceil(problem.growth / (problem.most_growth))
    require(
        windows == 1 or windows >= fewest,
        f"windows is {wanted}, too few for this reaction and horizon: give 1, auto, or a number from {fewest}.",
    )
    return windows


def _on_all(optimizer: Optimizer, shards: Shards) -> Optimizer:
    """The optimizer with its state on all devices of the run."""
    return optimizer._replace(
        init=lambda params: shards.replicated(optimizer.init(on_host(params))),
        on_nonfinite=lambda state: shards.replicated(optimizer.on_nonfinite(on_host(state))),
    )


def _require_even_shares(sampler: Sampler, regime: Regime | None, objective: Objective) -> None:
    devices = objective.shards.count
    for count in ({} if regime is None else regime.counts).values():
        require(
            count % devices == 0,
            f"regime.num_points is {count}, which {devices} devices cannot share evenly: give a multiple of it.",
        )
    for term, name in (("residual", "num_points"), ("initial", "num_initial")):
        count = getattr(sampler, name)
        require(
            term not in objective.terms or count % devices == 0,
            f"sampler.{name} is {count}, which {devices} devices cannot share evenly: give a multiple of {devices}.",
        )
