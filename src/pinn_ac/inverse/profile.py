"""A coefficient that depends on x, as a second small network."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, make_dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.ansatz import Lifted, ReactionFlow
from pinn_ac.derivatives import OwnTaylor
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.gradients import JaxGradient
from pinn_ac.inverse.inferred import Inferred
from pinn_ac.inverse.observations import Observations
from pinn_ac.inverse.search import Search
from pinn_ac.inverse.tangents import Directions
from pinn_ac.inverse.unknowns import Coefficients, Unknowns
from pinn_ac.loss import Loss
from pinn_ac.marching import Kernel
from pinn_ac.models import RandomFeatures, Splitting
from pinn_ac.models.splitting import KNOWN
from pinn_ac.optimizers import GaussNewton
from pinn_ac.problem import Problem
from pinn_ac.problem.own_period import OwnPeriod
from pinn_ac.running import computing
from pinn_ac.sampling import Monitor
from pinn_ac.seeds import host_generator
from pinn_ac.setup import Setup, assemble
from pinn_ac.tracking import Tracker, tracked

PER_UNIT = 4
"""Weights of a hidden unit."""


def log_factor(weights: Any, xi: Any) -> Any:
    """n(ξ) = Σ_j w_j tanh(p_j cos πξ + q_j sin πξ + r_j), for weights (4 units,): p, q, r, w of each unit in turn."""
    p, q, r, w = (weights[j::PER_UNIT] for j in range(PER_UNIT))
    return jnp.sum(w * jnp.tanh(p * jnp.cos(jnp.pi * xi) + q * jnp.sin(jnp.pi * xi) + r))


@cache
def placed(kind: Any) -> Any:
    """The equation `kind` in natural units whose x is ξ, neither shifted to an axis of u₀ nor cut to its period."""

    def own_period(self: Any) -> OwnPeriod:
        return OwnPeriod(1, 0.0, self.initial_condition)

    own = {"own_period": property(own_period), "__module__": __name__, "__doc__": kind.__doc__}
    return type(f"Placed{kind.__name__}", (kind,), own)


@cache
def varying(kind: Any, name: str, units: int) -> Any:
    """The equation `kind` with its coefficient θ replaced by θ exp n(ξ), see :func:`log_factor`.

    The weights are coefficients too, so that they can be traced. The lift and the flow of the ansatz, which need not
    solve anything, are those of the constant θ.
    """
    weights = tuple(f"weight_{j}" for j in range(PER_UNIT * units))

    def residual(self: Any, u: Any, point: Any) -> Any:
        n = log_factor(
            jnp.stack([jnp.asarray(getattr(self, one), float) for one in weights]), self.to_unit(point["x"])
        )
        local = self.with_coefficients({name: getattr(self, name) * jnp.exp(n)})
        return kind.residual(local, u, point)

    dimensions = {**(kind.dimensions or {}), **dict.fromkeys(weights, (0, 0))}
    own = {
        "residual": residual,
        "is_spectral": False,  # it is not the same at every x
        "symmetries": frozenset(),
        "dimensions": MappingProxyType(dimensions) if kind.dimensions is not None else None,
        "__module__": __name__,
        "__doc__": f"{kind.__name__} with a {name} that depends on x.",
    }
    more: list[Any] = [(one, float, field(default=0.0)) for one in weights]
    return make_dataclass(
        f"Varying{kind.__name__}", more, bases=(placed(kind),), namespace=own, frozen=True, kw_only=True
    )


@dataclass(frozen=True)
class _Varying(Unknowns):
    """θ and the weights of n: η = (ln θ, p, q, r, w of each unit), with the prior N(0, s²) of the weights."""

    known: Problem
    name: str
    guess: float
    units: int
    size: float
    seed: int

    @cached_property
    def _constant(self) -> Coefficients:
        own = {one.name: getattr(self.known, one.name) for one in fields(self.known)}
        kind: Any = type(self.known)
        return Coefficients(placed(kind)(**own), {self.name: self.guess})

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *(f"weight_{j}" for j in range(PER_UNIT * self.units)))

    @property
    def first(self) -> Problem:
        return self._constant.first

    @property
    def start(self) -> np.ndarray:
        drawn = host_generator(self.seed, "weights of a profile", 0).normal(size=PER_UNIT * self.units)
        drawn[PER_UNIT - 1 :: PER_UNIT] *= 0.1  # nearly constant
        return np.concatenate([self._constant.start, self.size * drawn])

    @property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        count = PER_UNIT * self.units
        return np.concatenate([self._constant.start, np.zeros(count)]), np.array([np.inf, *count * [self.size]])

    def values(self, eta: np.ndarray) -> np.ndarray:
        return np.concatenate([np.exp(eta[:1]), eta[1:]])

    def scales(self, eta: np.ndarray) -> np.ndarray:
        return np.concatenate([np.exp(eta[:1]), np.ones(len(eta) - 1)])

    def control(self, eta: np.ndarray) -> Problem:
        """With the coefficient's largest or least value: by which disturbances grow more, else fronts are thinner."""
        n = [float(log_factor(jnp.asarray(eta[1:]), xi)) for xi in np.linspace(-1, 1, 33)]
        both = [self._constant.natural(eta[:1] + one) for one in (max(n), min(n))]
        return max(both, key=lambda one: (one.growth, -(one.interface_width or math.inf)))

    def natural(self, eta: np.ndarray) -> Problem:
        return self._with(self._constant.natural(eta[:1]), eta)

    def problem(self, eta: np.ndarray) -> Problem:
        return self._with(self._constant.problem(eta[:1]), eta)

    def _with(self, constant: Problem, eta: np.ndarray) -> Problem:
        kind: Any = type(self.known)
        kind = varying(kind, self.name, self.units)
        own = {one.name: getattr(constant, one.name) for one in fields(constant)}
        return kind(**own, **dict(zip(self.names[1:], eta[1:].tolist(), strict=True)))

    def directions(self, eta: np.ndarray) -> Directions:
        ways = np.eye(len(eta))
        own = self._constant.natural(eta[:1]).coefficients[self.name]
        return Directions({one: ways[j] * (own if j == 0 else 1.0) for j, one in enumerate(self.names)})

    def kernel(self, kernel: Kernel) -> Kernel:
        window = kernel.field.problem
        return replace(kernel, field=kernel.field._replace(problem=self._with(window, self.start)))


@dataclass(frozen=True, eq=False)
class InferredProfile:
    """A coefficient θ(x) = θ₀ exp n(ξ) and how sure it is.

    Its standard error is that of a normal posterior (Laplace): with the covariance C of η = (ln θ₀, weights) from
    data and prior, the variance of ln θ(x) is J C Jᵀ, J = ∂ ln θ(x)/∂η. Where no datum feels θ(x) that is the
    prior's. It is honest for profiles that the network and its prior can be; the solver's own error is not estimated,
    since the equation is not the same at every x.

    Args:
        problem: what was solved, an equation with that coefficient.
        inferred: the weights, their covariance and the residuals of the data.
    """

    problem: Problem
    inferred: Inferred

    def __call__(self, x: Any) -> np.ndarray:
        """θ at places x, in the units of the domain, in those of θ."""
        return self._known(x)[0]

    def standard_error(self, x: Any) -> np.ndarray:
        """Of θ there."""
        values, slopes = self._known(x)
        variance = np.einsum("...i,ij,...j->...", slopes, self.inferred.covariance, slopes)
        return values * np.sqrt(variance)

    def _known(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            xi, weights = self.problem.to_unit(jnp.asarray(x, float)), jnp.asarray(self.inferred.found[1:])
            n, slopes = (
                np.asarray(jnp.vectorize(one, signature=signature)(xi))
                for one, signature in (
                    (lambda xi: log_factor(weights, xi), "()->()"),
                    (lambda xi: jax.grad(log_factor)(weights, xi), "()->(p)"),
                )
            )
        return self.inferred.found[0] * np.exp(n), np.concatenate([np.ones((*n.shape, 1)), slopes], axis=-1)


def infer_profile(
    problem: Problem,
    data: Observations,
    name: str,
    guess: float,
    *,
    units: int = 2,
    size: float = 1.0,
    tolerance: float = 1e-6,
    seed: int = 0,
    trackers: Iterable[Tracker] = (),
) -> InferredProfile:
    """A positive coefficient as a function of x, from observations: a second small network, trained with the first.

    θ(x) = θ₀ exp n(ξ), n(ξ) = Σ_j w_j tanh(p_j cos πξ + q_j sin πξ + r_j), its weights N(0, s²) before the data are
    seen. The equation is satisfied in the limit, as for constants, by the same Gauss–Newton. It is the problem's
    residual with θ(x) in place of θ: a diffusivity D(x) multiplies u_xx, with no term D'(x) u_x.

    Args:
        problem: the equation; what it has for the coefficient does not count.
        data: the observations, with their sigma, against which the prior is weighed.
        name: of the coefficient.
        guess: θ₀ to begin with, a positive number.
        units: j = 1 … units.
        size: s > 0.
        tolerance: of the march that chooses windows and features, for a constant coefficient.
        seed: of the features' and the weights' draws.
        trackers: told how it goes.

    Raises:
        InputError: an argument out of range, or data without sigma or none of the problem's.

    Example:
        ::

            rate = infer_profile(problem, data, "reaction_rate", 2.0)
            rate(0.3), rate.standard_error(0.3)
    """
    require(
        len(problem.axes) == 1 and not problem.has_walls,
        "A coefficient that depends on x is found on a periodic domain of one dimension: choose another problem.",
    )
    require(is_whole(units, 1), f"units is {units}: give a whole number from 1.")
    require(is_number(size) and size > 0, f"size is {size}: give a positive number.")
    require(
        data.sigma is not None, "A profile has a prior, which needs the data's noise: give the observations' sigma."
    )
    unknowns = _Varying(problem, name, guess, units, float(size), seed)
    first = unknowns.first  # refuses a name or a guess
    data.check(first, 1)
    known = tuple(one for one in KNOWN if first.capabilities.issuperset(Splitting(known=(one,)).needs))
    setup = Setup(
        problem=first,
        network=RandomFeatures(),
        embedding=Splitting(symmetry=False, known=known),
        ansatz=ReactionFlow() if "flow" in first.capabilities else Lifted(),
        derivatives=OwnTaylor(),
        gradient=JaxGradient(),
        loss=Loss(),
        sampler=Monitor(num_points=None),  # type: ignore[arg-type]
        optimizers={"gauss_newton": GaussNewton()},
        seed=seed,
        tolerance=tolerance,
    )
    experiment, told = assemble(setup), list(trackers)
    with computing(experiment), tracked(told, {}):
        search = Search(experiment, unknowns, data, told)
        place, inferred = search.run(search.begin())
        return InferredProfile(unknowns.problem(np.array(place.eta)), inferred)
