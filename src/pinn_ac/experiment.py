"""An experiment: a problem and all that it takes to train a network on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.interpolate import RegularGridInterpolator

from pinn_ac import marching
from pinn_ac.ansatz import Change, Field, Parameters
from pinn_ac.batch import Batch, coordinates
from pinn_ac.compilation import kept
from pinn_ac.compute import ComputeSettings, under_own_settings
from pinn_ac.derivatives import Engine, engine_for
from pinn_ac.loss import Objective
from pinn_ac.problem import FourierCondition, Problem, modes_needed, transfer, transfer_plane
from pinn_ac.programs import Programs
from pinn_ac.regimes import Moment, Regime
from pinn_ac.sampling import Box, Guides, Sampler, Sobol, draw_points, wall_points
from pinn_ac.seeds import named_key
from pinn_ac.training import Stage

if TYPE_CHECKING:
    from pinn_ac.setup import Setup

Points = Mapping[str, Any]
Condition = FourierCondition | Change | None
"""Where a time window begins, or what a stage of a regime changes; None for the problem's own."""

MOST_SHOWN = 2**17
"""Collocation points in a figure."""

TABLE = (9, 1024)
"""Times and places at which a guide is tabulated."""


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
        return engine_for(self.setup.derivatives, self.problem.axes)

    @property
    def total_steps(self) -> int:
        """Of all optimizers, in all windows and stages of the regime, at most."""
        return self.windows * self.passes * sum(stage.steps for stage in self.stages)

    @property
    def regime(self) -> Regime | None:
        """How the training problem changes while one network is trained, if it does."""
        return self.setup.regime

    @property
    def passes(self) -> int:
        """The number of the regime's stages; 1 without a regime."""
        return 1 if self.regime is None else self.regime.stages(self.problem)

    @under_own_settings
    def initial_params(self, condition: FourierCondition | None = None) -> Parameters:
        """The network's parameters before training; they follow the seed.

        Args:
            condition: where the window begins, for a network whose start is fitted to it; None for the first.
        """
        if condition is None or self.marches:
            return self._initial_params
        return self.programs.fitted(self._drawn_params, condition)

    @cached_property
    def _initial_params(self) -> Parameters:
        if self.marches:
            modes, dimensions = marching.modes_of(self.problem.natural), len(self.problem.axes)
            return marching.blank(marching.MOST_UNITS, self.field.features, modes, dimensions)
        return self.programs.fitted(self._drawn_params, None)

    @cached_property
    def _drawn_params(self) -> Parameters:
        return self.programs.initial_params(named_key(self.seed, "network"))

    @under_own_settings
    def draw(
        self,
        step: int,
        params: Parameters,
        previous: Points,
        enlargement: int = 1,
        condition: Condition = None,
        stage: int | None = None,
    ) -> dict[str, np.ndarray]:
        """The collocation points (t, ξ) that training goes on with at a step, in the run's precision.

        Args:
            step: how many there were before.
            params: the network's parameters at that step.
            previous: the points of the draw before; empty at the first one of a window.
            enlargement: how many times `sampler.num_points` are drawn.
            condition: where the window begins, or what the stage changes; None for the first.
            stage: of the regime, from 0; None for its last one.
        """
        every = self.sampler.resample_every
        index, count = step // every if every else 0, enlargement * self.sampler.num_points
        guides, regime = self.guides(params, condition), self.regime
        if regime is None:
            drawn = self.sampler.draw(self.box, self.seed, index, guides, previous, count)
            drawn |= self._at_walls(self.sampler, "training", index)
        else:
            at = self.passes - 1 if stage is None else stage
            drawn = self.sampler.draw(regime.box(self.box, at), self.seed, index, guides, previous, count)
            drawn |= regime.points(self.box, self.seed, "training", index, at)
            drawn |= self._at_walls(self.sampler, "training", index)
            drawn |= regime.remember(self._moment(step, params, previous, drawn["residual"]))
        # Rounded here, since they are saved so: what a resumed run computes from them must have the same bits.
        return {name: values.astype(jax.dtypes.canonicalize_dtype(float)) for name, values in drawn.items()}

    def _moment(self, step: int, params: Parameters, previous: Points, points: np.ndarray) -> Moment:
        flat, unravel = ravel_pytree(params)

        def measure(at: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            program = self.programs.derivatives(tuple(self.field.problem.orders))
            found = program(None, unravel(jnp.asarray(at)), *coordinates(jnp.asarray(points, float)))
            return np.asarray(found["u"], np.float64), np.asarray(found["residual"], np.float64)

        return Moment(step, max(0, step - self.sampler.resample_every), previous, np.asarray(flat), measure, points)

    def collocation(self, params: Sequence[Parameters], conditions: Sequence[FourierCondition | None]) -> np.ndarray:
        """The points that the sampler draws for every window's network as it is now: (t, x), (n, 2), or (t, x, y).

        t and x are in the user's units. The points are drawn anew, as many as the sampler was told, since a run keeps
        only its last window's. Where training draws more than once it is the second draw, as a sampler may keep some
        of the points of the first. Of more than `MOST_SHOWN` some are left out.

        Args:
            params: of each window's network.
            conditions: where each window begins.
        """
        return self.counted_collocation(params, conditions, MOST_SHOWN)[0]

    def counted_collocation(
        self, params: Sequence[Parameters], conditions: Sequence[FourierCondition | None], most: int
    ) -> tuple[np.ndarray, int, np.ndarray | None]:
        """:meth:`collocation` of about `most` points, how many there are, and f at these where it comes with them.

        f is in the user's units, (n,); None where it has to be computed.
        """
        parts, residuals, count = [], [], 0
        for index, (network, condition) in enumerate(zip(params, conditions, strict=True)):
            points, residual = self._points_of(index, network, condition)
            every_so_many, count = -(-len(points) * self.windows // most), count + len(points)
            t, x = self.problem.from_natural(*coordinates(points[::every_so_many]))
            parts.append(np.column_stack([t + self.starts[index], x]))
            if residual is not None:
                residuals.append(residual[::every_so_many] / self.problem.unit_of("t"))
        whole = np.concatenate(parts)
        whole[:, 0] = np.minimum(whole[:, 0], self.problem.horizon)  # single precision may pass it
        return whole, count, np.concatenate(residuals) if residuals else None

    @under_own_settings
    def _points_of(
        self, index: int, params: Parameters, condition: FourierCondition | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The points of a window, (n, 2), in natural units, and f at each where it comes with them."""
        if self.marches:
            return marching.points_of(self.marched(index, condition), params)
        every = self.sampler.resample_every
        drawn: Points = {}
        for step in (0, every) if every else (0,):
            drawn = self.draw(step, params, drawn, condition=condition)
        return np.asarray(drawn["residual"], np.float64), None

    @property
    def kernel(self) -> marching.Kernel:
        """Of the field, for a march."""
        return self.programs.kernel

    def march(self, **others: Any) -> marching.March:
        """The march that solves the problem; `others` are what else it may be given, such as its checkpoints."""
        setup = self.setup
        assert setup.tolerance is not None
        return marching.march_for(self.problem)(
            problem=self.problem.natural,
            kernel=self.kernel,
            settings=setup.marching_settings,
            tolerance=setup.tolerance,
            seed=self.seed,
            stated=self.problem,
            **others,
        )

    def marched(self, index: int, condition: FourierCondition | None) -> Any:
        """The window of this number of a march, which begins at the condition; None for the problem's own."""
        march = self.march()
        return march.window(index, condition or march.problem.initial_condition)

    @under_own_settings
    def estimate_again(self, pieces: Sequence[marching.Piece]) -> dict[str, Any]:
        """The estimate that a march had at its end of these windows."""
        return self.march().estimate_again(pieces)

    def guides(self, params: Parameters, condition: Condition = None) -> Guides:
        """What adaptive samplers may ask with the network's parameters as they are; computed when they ask."""
        programs = self.programs

        def at(function: Callable[..., jax.Array], *arguments: Any) -> Callable[[np.ndarray], np.ndarray]:
            def asked(points: np.ndarray) -> np.ndarray:
                with self.compute.active():
                    return np.asarray(function(*arguments, jnp.asarray(points, float)), np.float64)

            return asked

        def tabulated_slope(points: np.ndarray) -> np.ndarray:
            if len(self.box) > 2:
                return at(programs.slope, condition)(points)
            if "table" not in self._tables or self._tables["of"] is not condition:
                self._tables.update(of=condition, table=_tabulated(at(programs.slope, condition), self.box))
            return self._tables["table"](points)

        return Guides(at(programs.residual, condition, params), tabulated_slope, at(programs.layer, condition))

    @cached_property
    def _tables(self) -> dict[str, Any]:
        """The slopes of the newest window."""
        return {}

    @under_own_settings
    def held_out(self, condition: Condition = None, stage: int = 0) -> Batch:
        """A batch of Sobol points that training never sees, of a window or of a stage of the regime."""
        sampler, regime = Sobol(self.sampler.num_points, self.sampler.num_initial), self.regime
        walls = self._at_walls(sampler, "validation", 0)
        if regime is None:
            return self.prepare(draw_points(sampler, self.box, self.seed, "validation", 0) | walls, condition)
        drawn = draw_points(sampler, regime.box(self.box, stage), self.seed, "validation", 0)
        return self.prepare(drawn | walls | regime.points(self.box, self.seed, "validation", 0, stage), condition)

    def _at_walls(self, sampler: Sampler, stream: str, index: int) -> dict[str, np.ndarray]:
        """The points of the term "boundary", where there is one."""
        if "boundary" not in self.objective.terms:
            return {}
        return {"boundary": wall_points(sampler, self.box, self.seed, stream, index)}

    @under_own_settings
    def prepare(self, points: Points, condition: Condition = None) -> Batch:
        """`Objective.prepare` of points in the run's precision, divided among its devices."""
        return self.programs.prepare(points, condition)

    def recalled(self, change: Change | None, drawn: Points) -> Change | None:
        """What a stage of the regime changes, with what it remembered at this draw."""
        assert self.regime is not None
        return self.regime.recalled(change, drawn, ravel_pytree(self.initial_params())[1])

    def conditions(self, params: Sequence[Parameters]) -> list[FourierCondition | None]:
        """Where each window begins that these networks, one a window, lead to; None for the first."""
        conditions: list[FourierCondition | None] = [None]
        if self.marches:
            even = self.field.embedding.even(self.field.problem)
            return conditions + [piece.condition(even) for piece in params[1:]]
        for network in params[: self.windows - 1]:
            conditions.append(self.transfer(network, conditions[-1]))
        return conditions

    @under_own_settings
    def transfer(self, params: Parameters, condition: FourierCondition | None) -> FourierCondition:
        """Where the next window begins: what a window's field is at its end."""
        if len(self.problem.axes) == 2:
            return self._transfer_in_plane(params, condition)
        modes, half = self._modes, self.field.half
        even = self.field.embedding.even(self.field.problem)
        xi = jnp.arange(2 * modes + 1 if half else 4 * modes) / (2 * modes) - (0 if half else 1)
        left, right = self.field.problem.domain
        x = xi if (left, right) == (-1.0, 1.0) else 0.5 * (left + right) + 0.5 * (right - left) * xi
        u = np.asarray(self.programs.at_end(params, condition, x), np.float64)
        return transfer(np.concatenate([u[::-1], u[1:-1]]) if half else u, modes, even, self.field.problem)

    def _transfer_in_plane(self, params: Parameters, condition: Any) -> Any:
        modes, problem = marching.plane_modes(self.problem.natural), self.field.problem
        points = marching.points_for(modes)
        if getattr(self.field.ansatz, "diffuses", True):
            start, program = condition or problem.initial_condition, kept(self.programs, _values_in_plane)
            u = marching.end_on_grid(program, problem, params, start, problem.horizon, points)
        else:
            u = np.asarray(self.programs.at_end(params, condition, jnp.asarray(problem.places(points**2), float)))
        return transfer_plane(u.astype(np.float64).reshape(points, points), modes)

    @cached_property
    def _modes(self) -> int:
        return modes_needed(self.problem.natural, self.field.problem.horizon)

    def with_windows_of(self, pieces: Sequence[Any]) -> "Experiment":
        """The same with the windows of the pieces that a march has found; the last one lasts to the horizon."""
        ends = [float(piece.start) * self.problem.time_unit for piece in pieces[1:]]
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
    def box(self) -> Box:
        """Where a window's points are drawn: half of the domain where u is built even, or lies between walls."""
        if len(self.problem.axes) == 2:
            sides: Any = self.field.problem.domain
            return ((0.0, self.field.problem.horizon), *sides)
        left, right = self.field.problem.domain
        start = 0.5 * (left + right) if self.field.half else left
        return (0.0, self.field.problem.horizon), (start, right)


def _values_in_plane(programs: Programs) -> Any:
    return marching.values_from_lift(programs.field)


def _tabulated(function: Callable[[np.ndarray], np.ndarray], box: Sequence[tuple[float, float]]) -> Callable:
    """A function of (t, x) interpolated linearly in a table over the box, which is denser at its start."""
    (start, end), (left, right) = box
    t, x = start + (end - start) * np.linspace(0, 1, TABLE[0]) ** 2, np.linspace(left, right, TABLE[1])
    grid = np.stack(np.meshgrid(t, x, indexing="ij"), axis=-1)
    values = function(grid.reshape(-1, 2)).reshape(TABLE)
    return RegularGridInterpolator((t, x), values, bounds_error=False, fill_value=None)
