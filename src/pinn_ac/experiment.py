"""An experiment: a problem and all that it takes to train a network on it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import RegularGridInterpolator

from pinn_ac import marching
from pinn_ac.ansatz import Field, Parameters
from pinn_ac.batch import Batch
from pinn_ac.compute import ComputeSettings, under_own_settings
from pinn_ac.derivatives import Engine
from pinn_ac.errors import is_whole, require
from pinn_ac.loss import Loss, Objective, build_terms
from pinn_ac.models import RandomFeatures
from pinn_ac.optimizers import GaussNewton, Optimizer
from pinn_ac.parallel import Shards, on_host, share_out
from pinn_ac.problem import LOCAL_ORDERS, FourierCondition, Problem, modes_needed, transfer
from pinn_ac.programs import Programs
from pinn_ac.residual import closure
from pinn_ac.sampling import Guides, Monitor, Sampler, Sobol, draw_points
from pinn_ac.seeds import named_key
from pinn_ac.training import Stage
from pinn_ac.weighting import Weighting

Points = Mapping[str, Any]

WINDOW_SECONDS = 20.0
"""A budget of less a window is better spent on one window: measured on two cores."""

MOST_SHOWN = 2**17
"""Collocation points in a figure."""

TABLE = (9, 1024)
"""Times and places at which a guide is tabulated."""

LEAST_SINGLE = 1e-3
"""The smallest tolerance for single precision."""

WINDOW = 1.25
"""R times the length of a window, where the number of windows is left to us; measured."""


@dataclass(frozen=True)
class Experiment:
    """What a configuration describes, ready to train or to evaluate.

    The horizon is cut into `windows` of one length, each a problem of its own that begins where the one before ends.
    The networks are of one shape, so that one compiled step trains all.

    `problem`, `breaks` and `window_length` have the user's units. All else (the field, its points, the residual, the
    loss) has natural ones, `Problem.natural`, with t from a window's start: units do not change how a run trains.

    Args:
        setup: what it was assembled from.
        windows: how many.
        field: on the first window; `Field.starting_from` makes it another one's.
        objective: of one window.
        programs: compiled; they serve every seed.
        sampler: draws its points.
        stages: train it.
        compute: under these settings all of it is computed.
        marches: the run chooses its windows and their networks itself, to meet a tolerance (`pinn_ac.marching`).
        ends: of such windows, in the user's units, once there are some.
    """

    setup: "Setup"
    windows: int
    field: Field
    objective: Objective
    programs: Programs
    sampler: Sampler
    stages: list[Stage]
    compute: ComputeSettings
    marches: bool = False
    ends: tuple[float, ...] = ()

    @property
    def problem(self) -> Problem:
        """The whole problem, in the user's units."""
        return self.setup.problem

    @property
    def seed(self) -> int:
        """The root of all randomness."""
        return self.setup.seed

    def with_seed(self, seed: int) -> "Experiment":
        """The same with another seed; both share what is compiled."""
        return replace(self, setup=replace(self.setup, seed=seed))

    @property
    def engine(self) -> Engine:
        """Differentiates in t and x."""
        return self.setup.derivatives

    @property
    def total_steps(self) -> int:
        """Of all stages and windows, at most."""
        return self.windows * sum(stage.steps for stage in self.stages)

    @under_own_settings
    def initial_params(self) -> Parameters:
        """The network's parameters before training; they follow the seed."""
        return self._initial_params

    @cached_property
    def _initial_params(self) -> Parameters:
        if self.marches:
            return marching.blank(marching.MOST_UNITS, self.field.features, marching.modes_of(self.problem.natural))
        return self.programs.initial_params(named_key(self.seed, "network"))

    @under_own_settings
    def draw(
        self,
        step: int,
        params: Parameters,
        previous: Points,
        enlargement: int = 1,
        condition: FourierCondition | None = None,
    ) -> dict[str, np.ndarray]:
        """The collocation points (t, ξ) that training goes on with at a step, in the run's precision.

        Args:
            step: how many there were before.
            params: the network's parameters at that step.
            previous: the points of the draw before; empty at the first one of a window.
            enlargement: how many times `sampler.num_points` are drawn.
            condition: where the window begins; None for the first.
        """
        every = self.sampler.resample_every
        index, count = step // every if every else 0, enlargement * self.sampler.num_points
        drawn = self.sampler.draw(self.box, self.seed, index, self.guides(params, condition), previous, count)
        # Rounded here, since they are saved so: what a resumed run computes from them must have the same bits.
        return {name: values.astype(jax.dtypes.canonicalize_dtype(float)) for name, values in drawn.items()}

    def collocation(self, params: Sequence[Parameters], conditions: Sequence[FourierCondition | None]) -> np.ndarray:
        """The points that the sampler draws for every window's network as it is now: (t, x), of shape (n, 2).

        t and x are in the user's units. The points are drawn anew, as many as the sampler was told, since a run keeps
        only its last window's. Where training draws more than once it is the second draw, as a sampler may keep some
        of the points of the first. Of more than `MOST_SHOWN` some are left out.

        Args:
            params: of each window's network.
            conditions: where each window begins.
        """
        parts = []
        for index, (network, condition) in enumerate(zip(params, conditions, strict=True)):
            points = self._points_of(index, network, condition)
            every_so_many = -(-len(points) * self.windows // MOST_SHOWN)
            t, x = self.problem.from_natural(*points[::every_so_many].T)
            parts.append(np.column_stack([t + self.starts[index], x]))
        whole = np.concatenate(parts)
        whole[:, 0] = np.minimum(whole[:, 0], self.problem.horizon)  # single precision may pass it
        return whole

    @under_own_settings
    def _points_of(self, index: int, params: Parameters, condition: FourierCondition | None) -> np.ndarray:
        """The points of a window, (n, 2), in natural units."""
        if self.marches:
            settings = marching_settings(self.setup)
            return marching.points_of(
                self.problem.natural, self.kernel, settings, self.seed, index, params, condition
            )
        every, drawn = self.sampler.resample_every, {}
        for step in (0, every) if every else (0,):
            drawn = self.draw(step, params, drawn, condition=condition)
        return np.asarray(drawn["residual"], np.float64)

    @cached_property
    def kernel(self) -> marching.Kernel:
        """Of the field, for a march."""
        return marching.Kernel(self.field, self.engine, self.setup.gradient)

    def guides(self, params: Parameters, condition: FourierCondition | None = None) -> Guides:
        """What adaptive samplers may ask with the network's parameters as they are; computed when they ask."""
        programs = self.programs

        def at(function: Callable[..., jax.Array], *arguments: Any) -> Callable[[np.ndarray], np.ndarray]:
            def asked(points: np.ndarray) -> np.ndarray:
                with self.compute.active():
                    return np.asarray(function(*arguments, jnp.asarray(points, float)), np.float64)

            return asked

        def tabulated_slope(points: np.ndarray) -> np.ndarray:
            if "table" not in self._tables or self._tables["of"] is not condition:
                self._tables.update(of=condition, table=_tabulated(at(programs.slope, condition), self.box))
            return self._tables["table"](points)

        return Guides(at(programs.residual, condition, params), tabulated_slope, at(programs.layer, condition))

    @cached_property
    def _tables(self) -> dict[str, Any]:
        """The slopes of the newest window."""
        return {}

    @under_own_settings
    def held_out(self, condition: FourierCondition | None = None) -> Batch:
        """A batch of Sobol points that training never sees."""
        sampler = Sobol(self.sampler.num_points, self.sampler.num_initial)
        return self.prepare(draw_points(sampler, self.box, self.seed, "validation", 0), condition)

    @under_own_settings
    def prepare(self, points: Points, condition: FourierCondition | None = None) -> Batch:
        """`Objective.prepare` of points in the run's precision, divided among its devices."""
        return self.programs.prepare(points, condition)

    def conditions(self, params: Sequence[Parameters]) -> list[FourierCondition | None]:
        """Where each window begins that these networks, one a window, lead to; None for the first."""
        conditions: list[FourierCondition | None] = [None]
        if self.marches:
            even = self.field.embedding.even(self.problem)
            return conditions + [piece.condition(even) for piece in params[1:]]
        for network in params[: self.windows - 1]:
            conditions.append(self.transfer(network, conditions[-1]))
        return conditions

    @under_own_settings
    def transfer(self, params: Parameters, condition: FourierCondition | None) -> FourierCondition:
        """Where the next window begins: what a window's field is at its end."""
        modes, even = self._modes, self.field.embedding.even(self.problem)
        xi = jnp.arange(2 * modes + 1 if even else 4 * modes) / (2 * modes) - (0 if even else 1)
        left, right = self.field.problem.domain
        x = xi if (left, right) == (-1.0, 1.0) else 0.5 * (left + right) + 0.5 * (right - left) * xi
        u = np.asarray(self.programs.at_end(params, condition, x), np.float64)
        return transfer(np.concatenate([u[::-1], u[1:-1]]) if even else u, modes, even)

    @cached_property
    def _modes(self) -> int:
        return modes_needed(self.problem.natural, self.field.problem.horizon)

    def with_windows_of(self, pieces: Sequence[Any]) -> "Experiment":
        """The same with the windows of the pieces that a march has found; the last one lasts to the horizon."""
        unit = self.problem.time_unit if self.problem.dimensions is not None else 1.0
        ends = [float(piece.start) * unit for piece in pieces[1:]]
        return replace(self, windows=len(pieces), ends=(*ends, self.problem.horizon))

    @property
    def starts(self) -> list[float]:
        """The time at which each window begins."""
        return [0.0, *self.breaks]

    @property
    def breaks(self) -> list[float]:
        """The times at which one window ends and the next begins."""
        return list(self.ends[:-1]) if self.ends else [k * self.window_length for k in range(1, self.windows)]

    def length(self, params: Parameters) -> float:
        """Of a window with these parameters, in natural units."""
        return float(params.length) if self.marches else self.field.problem.horizon

    @property
    def window_length(self) -> float:
        """T over the number of windows, in the user's units."""
        return self.problem.horizon / self.windows

    @property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where a window's points are drawn: half of the domain is enough where u is built even."""
        left, right = self.field.problem.domain
        start = 0.5 * (left + right) if self.field.embedding.even(self.problem) else left
        return (0.0, self.field.problem.horizon), (start, right)


def _tabulated(function: Callable[[np.ndarray], np.ndarray], box: Sequence[tuple[float, float]]) -> Callable:
    """A function of (t, x) interpolated linearly in a table over the box, which is denser at its start."""
    (start, end), (left, right) = box
    t, x = start + (end - start) * np.linspace(0, 1, TABLE[0]) ** 2, np.linspace(left, right, TABLE[1])
    grid = np.stack(np.meshgrid(t, x, indexing="ij"), axis=-1)
    values = function(grid.reshape(-1, 2)).reshape(TABLE)
    return RegularGridInterpolator((t, x), values, bounds_error=False, fill_value=None)


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
            self.tolerance is not None and isinstance(self.network, RandomFeatures) and solves and self.windows == "auto"
        )


def assemble(setup: Setup) -> Experiment:
    """The experiment; nothing is computed yet.

    Raises:
        InputError: a choice that cannot be used.
    """
    compute = ComputeSettings.of(setup.precision, setup.device)
    with compute.active():
        _require_capabilities(setup)
        natural = setup.problem.natural
        if setup.marches:
            _require_march(setup)
            windows, first = 1, replace(natural, horizon=marching.usual_length(natural))
            field = Field(first, setup.embedding, marching.network, setup.ansatz, marching.pace)
        else:
            windows = count_windows(setup.problem, setup.windows, setup.seconds)
            first = replace(natural, horizon=natural.horizon / windows)
            field = Field(first, setup.embedding, setup.network.apply, setup.ansatz)
        shards = share_out(setup.devices)
        terms = build_terms(field, setup.derivatives)
        objective = Objective(terms, setup.loss.weights, setup.loss.norm, setup.gradient, shards)
        stages = [
            Stage(name, _on_all(method.build(objective), shards), method.steps)
            for name, method in setup.optimizers.items()
        ]
        sampler = _with_points(setup.sampler, field, setup.network, shards.count)
        _require_even_shares(sampler, objective)
        programs = Programs(setup.network, field, setup.derivatives, objective, setup.weighting)
    return Experiment(setup, windows, field, objective, programs, sampler, stages, compute, setup.marches)


def _require_capabilities(setup: Setup) -> None:
    """Refuse a choice that needs what the problem does not know."""
    alternatives = {
        "ansatz": "choose ansatz=lifted or ansatz=soft",
        "embedding": "choose embedding=periodic, or leave what needs it out of embedding.known",
        "sampler": "choose another sampler, such as sampler=sobol",
    }
    for group, instead in alternatives.items():
        chosen = getattr(setup, group)
        for capability in chosen.needs:
            setup.problem.require(capability, f"The {group} {type(chosen).__name__}", instead)


def marching_settings(setup: Setup) -> marching.Settings:
    """What a march takes from the objects that a run is made of."""
    network, method, sampler = setup.network, next(iter(setup.optimizers.values())), setup.sampler
    spacing = marching.Spacing(sampler.arc_length, sampler.layer)
    return marching.Settings(
        scale=float(network.scale),
        distribution=network.distribution,
        spacing=spacing,
        floor=method.floor,
        steps=method.steps,
        units=network.width,
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
    require(
        setup.ansatz.exact_at_start,
        "A run to a tolerance with drawn features needs an ansatz with the initial condition built in: choose "
        "ansatz=reaction_flow or ansatz=lifted.",
    )
    require(
        isinstance(setup.sampler, Monitor) and setup.sampler.num_points is None and not setup.sampler.importance,
        "A run to a tolerance with drawn features chooses its own number of points: choose sampler=monitor, and "
        "leave sampler.num_points and sampler.importance as they are.",
    )
    require(
        setup.network.activation == "tanh",
        f"model.activation is {setup.network.activation}: a run to a tolerance has tanh; leave it out.",
    )
    require(
        setup.weighting is None,
        "A run to a tolerance with drawn features solves for all points at once: choose weighting=none.",
    )
    require(
        setup.precision == "float64" or (setup.tolerance or 0) >= LEAST_SINGLE,
        f"train.tolerance is {setup.tolerance}, which single precision cannot hold: give {LEAST_SINGLE} or more, or "
        "precision=float64.",
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
    hurried = seconds is None or seconds < windows * WINDOW_SECONDS
    if wanted == "auto" and hurried and problem.excess <= 1:
        windows = 1
    if wanted == "auto" and not problem.autonomous:
        windows = 1
    require(is_whole(windows, 1), f"windows is {wanted}: give auto or a whole number from 1.")
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


def _require_even_shares(sampler: Sampler, objective: Objective) -> None:
    devices = objective.shards.count
    for term, name in (("residual", "num_points"), ("initial", "num_initial")):
        count = getattr(sampler, name)
        require(
            term not in objective.terms or count % devices == 0,
            f"sampler.{name} is {count}, which {devices} devices cannot share evenly: give a multiple of {devices}.",
        )
