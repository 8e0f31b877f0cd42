"""A problem: an evolution equation on an interval, its ends, its initial condition, and what else is known of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import InputError, interval, is_number, plain, require, require_object
from pinn_ac.problem import ends
from pinn_ac.problem.capabilities import CAPABILITIES
from pinn_ac.problem.initial_conditions import Cosine, InitialCondition, NaturalDomain
from pinn_ac.problem.leaves import flatten, unflatten, with_condition
from pinn_ac.problem.natural import InUnits
from pinn_ac.problem.units import require_definition


@dataclass(frozen=True, kw_only=True)
class Problem(InUnits):
    """An evolution equation f(u, u_t, u_x, …) = 0 for u(t, x) on [a, b] × [0, T], u(0, x) = u₀(x), periodic in x or
    between walls.

    To state an equation of your own, write a frozen dataclass that inherits from this one. Its fields are the
    coefficients. It must define :attr:`orders`, the derivatives that appear in the equation, and :meth:`residual`;
    and :attr:`dimensions`, the units of its coefficients, if it is to be trained in natural units. Whatever else is
    known of the equation is optional, and makes more methods available (see `CAPABILITIES`):

    * `diffusion` (D of a term D u_xx): the lifted ansatz, and features of the heat flow of u₀;
    * `flow` (the exact solution of the reaction alone): the reaction-flow ansatz and its feature;
    * `reaction` or `flux` (the nonlinear term): the spectral reference solution and the error estimate;
    * `energy_density`, `bound`: metrics.

    t and x may have any units; u has none. What is trained is the same problem in natural units (:attr:`natural`).

    A problem is a JAX pytree whose leaves are its coefficients, and the arrays of an initial condition that is a
    pytree. So coefficients can be traced, differentiated and trained; see :meth:`with_coefficients`.

    Args:
        domain: (a, b) with a < b; one period, or what lies between the walls.
        horizon: T > 0, the final time.
        initial_condition: u₀ as a function of ξ = 2(x − (a+b)/2)/(b − a) in [−1, 1), the domain scaled to
            [−1, 1); on the default domain ξ is x. Where the equation has a diffusion or a nonlinear term, and a
            period, one of `pinn_ac.problem`, of which more than its values is known.
        boundary: "periodic": u and its derivatives are the same at a and b. "neumann": u_x = 0 at both, for equations
            that a reflection leaves as they are (:attr:`symmetries`). "dirichlet": u is held at both; see
            docs/ends.md.
        boundary_values: u(t, a) and u(t, b) for all t, of "dirichlet"; None for those of u₀, which must be the same.

    Raises:
        InputError: a coefficient is not a finite number, the domain is empty, or the horizon is not positive; or the
            class lacks a residual, or gives units of coefficients that it does not have; or the equation or u₀ does
            not allow the boundary.

    Example: the Fisher–KPP equation u_t = D u_xx + r u (1 − u).

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class FisherKPP(Problem):
    ...     diffusivity: float = 1e-3
    ...     growth_rate: float = 5.0
    ...     orders = ("t", "xx")
    ...     dimensions = {"diffusivity": (2, -1), "growth_rate": (0, -1)}
    ...     def residual(self, u, point):
    ...         return u["t"] - self.diffusivity * u["xx"] - self.growth_rate * u["u"] * (1 - u["u"])
    >>> FisherKPP(horizon=2.0).natural.growth_rate
    10.0
    """

    domain: tuple[float, float] = (-1.0, 1.0)
    horizon: float = 1.0
    initial_condition: InitialCondition = field(default_factory=Cosine)
    boundary: str = "periodic"
    boundary_values: tuple[float, float] | None = None

    axes: ClassVar[tuple[str, ...]] = ("x",)
    """The axes of space; see `pinn_ac.problem.plane` for two."""
    orders: ClassVar[tuple[str, ...]] = ("t", "x", "xx")
    """The derivatives of u that the residual needs, named by the axes that it is taken along: "t", "xx", "tx"."""
    dimensions: ClassVar[Mapping[str, tuple[int, int]] | None] = None
    """Coefficient → (p, q), where its unit is length^p time^q. None: the problem is trained in its own units."""
    symmetries: ClassVar[frozenset[str]] = frozenset()
    """Which of these solve the equation whenever u does: "even", u(t, −x); "odd", −u(t, −x); "sign", −u(t, x)."""
    steepening: ClassVar[float] = 10.0
    """The factor by which the slopes of u₀ grow, at most: a rough guess, from which resolutions start."""
    degree: ClassVar[int] = 3
    """The degree of the nonlinear term as a polynomial in u: from it follows how many harmonics of u₀ it excites."""
    most_growth: ClassVar[float] = math.inf
    """The largest :attr:`growth` that one time window may have."""
    autonomous: ClassVar[bool] = True
    """Whether the residual is free of t itself, so that [0, T] can be cut into time windows."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        jax.tree_util.register_pytree_node(cls, flatten, partial(unflatten, cls))

    def __post_init__(self) -> None:
        cls = type(self)
        own = {one.name for one in fields(self)} - _OF_EVERY_PROBLEM
        require_definition(cls, cls.residual is not Problem.residual, own)
        object.__setattr__(self, "domain", self._checked_domain())
        for name, value in self.coefficients.items():
            self.require_number(name)
            object.__setattr__(self, name, float(value))  # whole numbers could not be differentiated
        self.require_number("horizon", above=0.0)
        require_object("problem.initial_condition", self.initial_condition)
        for name in ("horizon", "initial_condition"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        require(
            callable(self.initial_condition),
            f"problem.initial_condition is {self.initial_condition!r}: choose one by problem/initial_condition=NAME.",
        )
        dimension = getattr(self.initial_condition, "dimension", 1)
        require(
            dimension == len(self.axes),
            f"problem.initial_condition is one of {dimension} space dimension{'s' * (dimension > 1)}, and "
            f"{type(self).__name__} has {len(self.axes)}: choose another by problem/initial_condition=NAME.",
        )
        placed = getattr(self.initial_condition, "on_domain", None)
        if placed is not None:
            ends.require_same_boundary(self)
            object.__setattr__(self, "initial_condition", placed(self.domain))
        object.__setattr__(self, "boundary_values", ends.checked(self))

    def _checked_domain(self) -> Any:
        return self.domain if isinstance(self.domain, NaturalDomain) else interval("problem.domain", self.domain)

    def require_number(self, name: str, least: float = -math.inf, above: float = -math.inf) -> None:
        """Refuse a field whose value is not a finite number ≥ `least` and > `above`; for `__post_init__`.

        Raises:
            InputError: it is refused.
        """
        value = getattr(self, name)
        wanted = (
            "a positive number" if above == 0 else "zero or a positive number" if least == 0 else "a finite number"
        )
        hint = "; arrays and traced values are set by with_coefficients" if isinstance(value, jax.Array) else ""
        is_in_range = is_number(value) and value >= least and value > above
        given = str(value).removesuffix(".0")  # coefficients are floats by now: -1 is said as it was given
        require(is_in_range, f"problem.{name} is {given}: give {wanted}{hint}.")

    def residual(self, u: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """f at one point: zero for a solution, with the unit of u_t.

        Args:
            u: "u" and the derivatives of :attr:`orders` by their names, such as u["xx"].
            point: the coordinates "t" and "x" in the problem's own units, for equations that depend on them.
        """
        raise NotImplementedError

    # --- coefficients -----------------------------------------------------------------------------------------

    @property
    def coefficients(self) -> dict[str, Any]:
        """Name → value: the fields that `dimensions` lists; without it, all that are annotated as `float`."""
        known, own = self.dimensions, [one for one in fields(self) if one.name not in _OF_EVERY_PROBLEM]
        names = [one.name for one in own if (one.type in (float, "float") if known is None else one.name in known)]
        return {name: getattr(self, name) for name in names}

    def with_coefficients(self, values: Mapping[str, Any]) -> Self:
        """The problem with other coefficients, which may be arrays or traced values; they are not checked.

        Everything that is decided before anything is computed (units, time windows, which formulas are compiled) is
        still decided by the plain numbers that the problem had before; see :attr:`nominal`.

        Args:
            values: name → number, array or traced value, of some of :attr:`coefficients`.

        Raises:
            InputError: there is no coefficient of that name.

        >>> import jax
        >>> from pinn_ac import AllenCahn
        >>> def f(rate):
        ...     problem = AllenCahn().with_coefficients({"reaction_rate": rate})
        ...     return problem.residual({"u": 2.0, "t": 0.0, "xx": 0.0}, {})
        >>> float(jax.grad(f)(5.0))
        6.0
        """
        names = list(self.coefficients)
        unknown = [name for name in values if name not in names]
        require(
            not unknown,
            f"{type(self).__name__} has no coefficient {', '.join(unknown)}: it has {', '.join(names) or 'none'}.",
        )
        leaves, static = flatten(self)
        return unflatten(type(self), static, [*(self.coefficients | dict(values)).values(), *leaves[len(names) :]])

    def with_initial_condition(self, condition: Any) -> Self:
        """The problem with another initial condition, which may hold traced values; all else stays as it is."""
        return with_condition(self, condition)

    @property
    def pace(self) -> Any:
        """How fast the clock of the lift and of :meth:`paced_flow` runs: 1, unless :meth:`at_pace` has set it."""
        return vars(self).get("_pace", ONE)

    def at_pace(self, pace: Any) -> Self:
        """The problem whose lift and :meth:`paced_flow` go by a clock that shows `pace` times t, `pace` in [0, 1].

        Both are parts of an ansatz for u, and need not solve anything: at pace 0 the lift stays u₀ and the flow moves
        nothing, which suits a solution that has settled.
        """
        other = self.with_initial_condition(self.initial_condition)
        vars(other)["_pace"] = pace
        return other

    @property
    def nominal(self) -> Self:
        """The problem with plain numbers: those that its coefficients were before they became arrays or traced."""
        return vars(self).get("_nominal", self)

    # --- what decides time windows and resolutions ----------------------------------------------------------------

    @property
    def growth(self) -> float:
        """By how many e-folds a small disturbance may grow over the horizon; 0 where none grows."""
        return 0.0

    @property
    def excess(self) -> float:
        """By how many e-folds of growth the horizon is too long for one time window; negative where it is not."""
        return -math.inf

    @property
    def interface_width(self) -> float | None:
        """w in ξ of the interfaces tanh(ξ/w) that solutions form; None where none are known."""
        return None

    @property
    def steepest_slope(self) -> float:
        """max |u₀'(x)|; 1 for a constant."""
        here = self if hasattr(self.initial_condition, "steepest_slope") else self.circle
        return here.initial_condition.steepest_slope * 2 / here.period

    # --- linear part: diffusion ---------------------------------------------------------------------------------

    @property
    def diffusion(self) -> Any:
        """D of the equation's term D u_xx; with it the heat flow of u₀ can be built in. None where there is none."""
        return None

    @property
    def unit_diffusivity(self) -> Any:
        """`diffusion` in the unit coordinate ξ: D (2/(b − a))²."""
        return self.diffusion * (2 / self.period) ** 2

    def symbol(self, wavenumber: np.ndarray) -> np.ndarray:
        """L(k), real: the linear part L takes e^{ikx} to L(k) e^{ikx}. Of diffusion alone it is −D k²."""
        return -self.diffusion * wavenumber**2

    def heat_coordinates(self, t: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What the heat flow of u₀ depends on at (t, x): the variance 2D·pace·t, with D in units of ξ, and ξ."""
        return 2 * self.unit_diffusivity * self._clock(t), self.to_unit(x)

    def _clock(self, t: Any) -> jax.Array:
        return jnp.asarray(t) if self.pace is ONE else self.pace * jnp.asarray(t)

    @property
    def largest_variance(self) -> float:
        """The variance of the heat flow at the horizon."""
        return 2 * self.nominal.unit_diffusivity * self.horizon

    def lift(self, t: jax.Array, x: jax.Array, order: int = 0) -> jax.Array:
        """g = exp(tD∂²)u₀ (`order` 0) or g_x (`order` 1): u₀ at t = 0, smooth and periodic for t > 0.

        Between walls where u is held: B + exp(tD∂²)(u₀ − B) with B of :class:`~pinn_ac.problem.reflected.Base`.
        """
        here = self.circle
        variance, xi = here.heat_coordinates(t, x)
        if self.has_walls:
            xi = self.unit_place(x)
        g = here.initial_condition.heat_flow(variance, xi, here.largest_variance)[order]
        return (g + here.base(xi, order) if here.is_mirrored else g) * (2 / here.period) ** order

    def initial(self, x: jax.Array) -> jax.Array:
        """u₀(x)."""
        here, xi = self.circle, self.unit_place(x)
        u = here.initial_condition(xi)
        return u + here.base(xi) if here.is_mirrored else u

    def approximation(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """An approximation of u before any training: the lift, unless the equation knows a better one."""
        return self.lift(t, x)

    def kink_layer(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """Σ exp(−d²/(16s))/√s over the kinks of u₀, with d the distance in ξ to each; 0 where u₀ has none.

        s = Dt + 1e-8, with D in units of ξ: a density as wide as the layer into which diffusion spreads the kink.
        Its integral over ξ is the same at every time, 4√π for each kink.
        """
        here = self.circle
        xi = here.to_unit(x)
        s = here.unit_diffusivity * jnp.asarray(t) + 1e-8
        layers = jnp.zeros_like(s * xi)
        for kink in here.initial_condition.kinks:
            distance = xi - kink - 2 * jnp.round((xi - kink) / 2)
            layers = layers + jnp.exp(-(distance**2) / (16 * s)) / jnp.sqrt(s)
        return layers

    # --- nonlinear term -------------------------------------------------------------------------------------------

    def flow(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(t, w): the solution at time t of u' = reaction(u) with u(0) = w, an ordinary differential equation."""
        raise NotImplementedError

    def paced_flow(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """:meth:`flow` by the clock of the lift; see :meth:`at_pace`."""
        return self.flow(self._clock(t), w)

    def reaction(self, u: Any) -> Any:
        """The reaction in the nonlinear term N(u) = reaction(u) − ∂x flux(u) of u_t = L u + N(u)."""
        return 0.0 * u

    def flux(self, u: Any) -> Any:
        """The flux in the nonlinear term; None where it has none; see :meth:`reaction`."""
        return None

    def reaction_defect(self, u: Any, e: Any) -> Any:
        """reaction(u + e) − reaction(u); override it by a form without cancellation for tiny e."""
        return self.reaction(u + e) - self.reaction(u)

    def flux_defect(self, u: Any, e: Any) -> Any:
        """flux(u + e) − flux(u), or None; see :meth:`reaction_defect`."""
        before = self.flux(u)
        return None if before is None else self.flux(u + e) - before

    # --- diagnostics ----------------------------------------------------------------------------------------------

    def energy_density(self, u: Any, u_x: Any) -> Any:
        """e(u, u_x), an energy density: its integral over x never grows along a solution."""
        raise NotImplementedError

    @property
    def bound(self) -> float | None:
        """A number that |u| never exceeds; None where none is known."""
        return None

    # --- capabilities -----------------------------------------------------------------------------------------------

    @property
    def is_spectral(self) -> bool:
        """The equation is declared as u_t = L u + N(u), which is the same at every t and x."""
        linear = self.diffusion is not None or self._defines("symbol")
        return linear and (self._defines("reaction") or self._defines("flux"))

    def _defines(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(Problem, name)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The names of those `CAPABILITIES` that this problem has."""
        known = {
            "lift": self.diffusion is not None,
            "flow": self._defines("flow"),
            "spectral": self.is_spectral,
            "energy": self._defines("energy_density"),
            "bound": self.nominal.bound is not None,
        }
        return frozenset(name for name, holds in known.items() if holds)

    def require(self, capability: str, who: str, instead: str) -> None:
        """Refuse what needs a capability that this problem lacks.

        Args:
            capability: one of `CAPABILITIES`.
            who: what needs it, as the beginning of the sentence: "The error estimate".
            instead: what to do about it, as the end of the sentence.

        Raises:
            InputError: the problem lacks it.
        """
        if capability not in self.capabilities:
            raise InputError(f"{who} needs {CAPABILITIES[capability]}, which {type(self).__name__} lacks: {instead}.")


ONE = 1.0
"""The pace of a problem that :meth:`Problem.at_pace` has not changed."""
_OF_EVERY_PROBLEM = frozenset(one.name for one in fields(Problem))
"""Fields that are no coefficients."""
