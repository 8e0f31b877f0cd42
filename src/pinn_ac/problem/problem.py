"""A problem: an evolution equation on a periodic interval, its initial condition, and what else is known of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import InputError, numbers, require
from pinn_ac.problem.initial_conditions import Cosine, InitialCondition

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "lift": "the heat flow of the initial condition (`diffusion`)",
        "flow": "the exact flow of the reaction alone (`flow`)",
        "spectral": "its linear part and its nonlinear term (`diffusion` or `symbol`, and `reaction` or `flux`)",
        "energy": "an energy (`energy_density`)",
        "bound": "a bound of its solutions (`bound`)",
    }
)
"""What a problem may know beside its residual, in words, with the members that define it."""


class Axis(NamedTuple):
    """One axis of space: its two ends, and what holds there ("periodic")."""

    left: float
    right: float
    ends: str = "periodic"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """u_t + … = 0 on [a, b) × [0, T] with u(0, x) = u₀(x), periodic in x: the base of every equation.

    A subclass is a frozen dataclass. Its fields are the coefficients; it must define `orders`, `dimensions` and
    `residual`. Whatever else it defines makes more methods available (see `CAPABILITIES`):

    * `diffusion`: the lifted ansatz and the features of the heat flow;
    * `flow`: the reaction-flow ansatz;
    * `reaction` or `flux`: the spectral reference solver and the error estimate;
    * `energy_density`, `bound`: metrics.

    t and x may have any units; u has none. What is trained is the same problem in natural units, :attr:`natural`.

    A problem is a JAX pytree whose leaves are its coefficients, so that they can be traced, differentiated and
    trained; see :meth:`with_coefficients`.

    Args:
        domain: (a, b) with a < b; one period.
        horizon: T > 0, the final time.
        initial_condition: u₀ as a function of ξ = 2(x − (a+b)/2)/(b − a) in [−1, 1), the domain scaled to
            [−1, 1); on the default domain ξ is x.

    Raises:
        InputError: a coefficient is not a finite number, the domain is empty, or the horizon is not positive.

    Example: the Fisher–KPP equation u_t = D u_xx + r u (1 − u):

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

    orders: ClassVar[tuple[str, ...]] = ("t", "x", "xx")
    """The derivatives of u that the residual needs, as words of axis names: "t", "x", "xx", "tx", …"""
    dimensions: ClassVar[Mapping[str, tuple[int, int]] | None] = None
    """Coefficient → (p, q) where its unit is length^p time^q. None: trained in the user's own units."""
    symmetries: ClassVar[frozenset[str]] = frozenset()
    """Of the equation: "even" if u(t, −x) solves it too, "odd" if −u(t, −x) does, "sign" if −u does."""
    steepening: ClassVar[float] = 10.0
    """By what factor the slopes of u₀ may grow, at most: a rough guess, from which resolutions start."""
    degree: ClassVar[int] = 3
    """Of the nonlinear term as a polynomial in u, for the number of harmonics that it makes of u₀."""
    most_growth: ClassVar[float] = math.inf
    """The largest :attr:`growth` in one window of time."""
    autonomous: ClassVar[bool] = True
    """The residual does not depend on t itself, so that time can be cut into windows."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        jax.tree_util.register_pytree_node(cls, _flatten, lambda static, leaves: _unflatten(cls, static, leaves))

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", numbers("problem.domain", self.domain))
        for name in self.coefficients:
            self.require_number(name)
        self.require_number("horizon", above=0.0)
        require(
            callable(self.initial_condition),
            f"problem.initial_condition is {self.initial_condition!r}: choose one by problem/initial_condition=NAME.",
        )
        ends_are_numbers = len(self.domain) == 2 and all(math.isfinite(end) for end in self.domain)
        require(
            ends_are_numbers and self.domain[0] < self.domain[1],
            f"problem.domain is {list(self.domain)}: give two finite numbers, the left end below the right one.",
        )

    def require_number(self, name: str, least: float = -math.inf, above: float = -math.inf) -> None:
        """Refuse a field that is not a finite number, is below `least`, or is not above `above`.

        Raises:
            InputError: it is one of these.
        """
        value = getattr(self, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        wanted = "a finite number"
        if above == 0:
            wanted = "a positive number"
        elif least == 0:
            wanted = "zero or a positive number"
        require(is_number and value >= least and value > above, f"problem.{name} is {value}: give {wanted}.")

    def residual(self, u: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """f at one point, zero for a solution; in the unit of u_t.

        Args:
            u: "u" and the derivatives of `orders` by their names, such as u["xx"].
            point: the coordinates "t" and "x" in the problem's own units, for equations that depend on them.
        """
        raise NotImplementedError

    # --- coefficients -----------------------------------------------------------------------------------------

    @property
    def coefficients(self) -> dict[str, Any]:
        """Name → value, of those that `dimensions` lists."""
        return {name: getattr(self, name) for name in self.dimensions or ()}

    def with_coefficients(self, values: Mapping[str, Any]) -> Self:
        """The problem with other coefficients, which may be traced.

        What is decided once and for all before anything is computed (units, windows, which formulas are compiled) is
        still decided by the plain numbers that this problem has; see :attr:`nominal`.

        Args:
            values: name → number, array or traced value, of some of :attr:`coefficients`.

        Raises:
            InputError: a name of no coefficient.
        """
        unknown = [name for name in values if name not in self.coefficients]
        require(
            not unknown,
            f"{type(self).__name__} has no coefficient {', '.join(unknown)}: it has {', '.join(self.coefficients)}.",
        )
        leaves, static = _flatten(self)
        names = list(self.coefficients)
        return _unflatten(
            type(self), static, [*map((self.coefficients | dict(values)).get, names), *leaves[len(names) :]]
        )

    def with_initial_condition(self, condition: Any) -> Self:
        """The problem with another initial condition, which may hold traced values; all else stays as it is."""
        problem = object.__new__(type(self))
        vars(problem).update({one.name: getattr(self, one.name) for one in fields(self)})
        vars(problem).update({"initial_condition": condition, **self._kept_decisions(condition)})
        return problem

    def _kept_decisions(self, condition: Any) -> dict[str, Any]:
        plain = self.nominal
        return {} if plain is self else {"_nominal": plain.with_initial_condition(condition)}

    @property
    def nominal(self) -> Self:
        """The problem with plain numbers as coefficients; itself where it has them."""
        return vars(self).get("_nominal", self)

    # --- units ------------------------------------------------------------------------------------------------

    @property
    def period(self) -> float:
        """b − a."""
        return self.domain[1] - self.domain[0]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Of space; the interface of problems in several dimensions, of which there are none yet."""
        return (Axis(*self.domain),)

    @property
    def length_unit(self) -> float:
        """The natural unit of length: half of the domain, so that x is ξ."""
        return self.period / 2 if self.dimensions is not None else 1.0

    @property
    def time_unit(self) -> float:
        """The natural unit of time: the horizon, unless the equation knows a better one."""
        return self.horizon if self.dimensions is not None else 1.0

    @cached_property
    def natural(self) -> Self:
        """The same problem in natural units, on [−1, 1): its u at (t/`time_unit`, ξ) is u at (t, x).

        Problems that differ in their units alone have the same one, but for the rounding of its coefficients.
        """
        if self.dimensions is None:
            return self
        plain = self.nominal
        values = {name: self._in_natural_units(name) for name in self.coefficients}
        if plain is self:
            return replace(self, **values, domain=(-1.0, 1.0), horizon=self.horizon / self.time_unit)
        return plain.natural.with_coefficients(values)

    def _in_natural_units(self, name: str) -> Any:
        assert self.dimensions is not None
        length, time = self.dimensions[name]
        plain = self.nominal
        return getattr(self, name) * (1 / plain.length_unit) ** length * plain.time_unit ** (-time)

    def unit_of(self, order: str) -> float:
        """What a derivative in natural units is divided by to be one in the user's, of "" (u itself), "t", "xx", …"""
        return self.time_unit ** order.count("t") * self.length_unit ** (len(order) - order.count("t"))

    def to_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) in natural units, in NumPy's double precision whatever a run's is; x wrapped into the domain."""
        xi = (x - 0.5 * (self.domain[0] + self.domain[1])) * (2 / self.period)
        xi = xi - 2 * np.round(xi / 2)
        if self.dimensions is None:
            return t, 0.5 * (self.domain[0] + self.domain[1]) + 0.5 * self.period * xi
        return t / self.time_unit, xi

    def from_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) in the user's units of a point in natural units."""
        if self.dimensions is None:
            return t, x
        return t * self.time_unit, 0.5 * (self.domain[0] + self.domain[1]) + 0.5 * self.period * x

    def to_unit(self, x: jax.Array) -> jax.Array:
        """ξ in [−1, 1] for any x, wrapped periodically."""
        xi = (jnp.asarray(x) - 0.5 * (self.domain[0] + self.domain[1])) * (2 / self.period)
        return xi - 2 * jnp.round(xi / 2)

    # --- what decides windows and resolutions ---------------------------------------------------------------------

    @property
    def growth(self) -> float:
        """The number of e-folds by which a small disturbance may grow over the horizon; 0 where none does."""
        return 0.0

    @property
    def excess(self) -> float:
        """By how many e-folds one window over the whole horizon would be too long; negative where it is not."""
        return -math.inf

    @property
    def interface_width(self) -> float | None:
        """w in ξ of the interfaces tanh(ξ/w) that solutions form; None where none are known."""
        return None

    @property
    def steepest_slope(self) -> float:
        """max |u₀'(x)|; 1 for a constant."""
        return self.initial_condition.steepest_slope * 2 / self.period

    # --- linear part: diffusion ---------------------------------------------------------------------------------

    @property
    def diffusion(self) -> Any:
        """D of the linear part D u_xx, with which the heat flow of u₀ is built in; None where there is none."""
        return None

    @property
    def unit_diffusivity(self) -> Any:
        """`diffusion` in the unit coordinate ξ: D (2/(b − a))²."""
        return self.diffusion * (2 / self.period) ** 2

    def symbol(self, wavenumber: np.ndarray) -> np.ndarray:
        """L(k), real: the linear part takes e^{ikx} to L(k) e^{ikx}; of diffusion −D k²."""
        return -self.diffusion * wavenumber**2

    def heat_coordinates(self, t: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What a heat flow depends on at (t, x): the variance 2Dt, with the D of ξ, and ξ."""
        return 2 * self.unit_diffusivity * jnp.asarray(t), self.to_unit(x)

    @property
    def largest_variance(self) -> float:
        """Of a heat flow up to the horizon."""
        return 2 * self.nominal.unit_diffusivity * self.horizon

    def lift(self, t: jax.Array, x: jax.Array, order: int = 0) -> jax.Array:
        """g = exp(tD∂²)u₀ (`order` 0) or g_x (`order` 1): u₀ at t = 0, smooth and periodic for t > 0."""
        flow = self.initial_condition.heat_flow(*self.heat_coordinates(t, x), self.largest_variance)
        return flow[order] * (2 / self.period) ** order

    def approximation(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """What is known of u before any training: here the lift."""
        return self.lift(t, x)

    def kink_layer(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """Σ exp(−d²/(16s))/√s over the kinks of u₀, with d the distance in ξ to each; 0 where u₀ has none.

        s = Dt + 1e-8 with the D of ξ: a density as wide as the layer that diffusion makes of the kink, of the same
        integral over ξ at every time, 4√π a kink.
        """
        xi = self.to_unit(x)
        s = self.unit_diffusivity * jnp.asarray(t) + 1e-8
        layers = jnp.zeros_like(s * xi)
        for kink in self.initial_condition.kinks:
            distance = xi - kink - 2 * jnp.round((xi - kink) / 2)
            layers = layers + jnp.exp(-(distance**2) / (16 * s)) / jnp.sqrt(s)
        return layers

    # --- nonlinear term -------------------------------------------------------------------------------------------

    def flow(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(t, w): the solution at t of the equation without its linear part that starts from w, at one point."""
        raise NotImplementedError

    def reaction(self, u: Any) -> Any:
        """The local part of the nonlinear term N(u) = reaction(u) − ∂x flux(u): the equation is u_t = L u + N(u)."""
        return 0.0 * u

    def flux(self, u: Any) -> Any:
        """The flux of the nonlinear term; None where it has none."""
        return None

    def reaction_defect(self, u: Any, e: Any) -> Any:
        """reaction(u + e) − reaction(u); to be overridden by a form that does not cancel where e is tiny."""
        return self.reaction(u + e) - self.reaction(u)

    def flux_defect(self, u: Any, e: Any) -> Any:
        """flux(u + e) − flux(u), or None; see :meth:`reaction_defect`."""
        before = self.flux(u)
        return None if before is None else self.flux(u + e) - before

    # --- diagnostics ----------------------------------------------------------------------------------------------

    def energy_density(self, u: Any, u_x: Any) -> Any:
        """e(u, u_x), whose integral over x never grows along a solution."""
        raise NotImplementedError

    @property
    def bound(self) -> float | None:
        """No solution leaves [−bound, bound]; None where no such bound is known."""
        return None

    # --- capabilities -----------------------------------------------------------------------------------------------

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """Which of `CAPABILITIES` it has."""

        def own(name: str) -> bool:
            return getattr(type(self), name) is not getattr(Problem, name)

        known = {
            "lift": self.diffusion is not None,
            "flow": own("flow"),
            "spectral": (own("reaction") or own("flux")) and (self.diffusion is not None or own("symbol")),
            "energy": own("energy_density"),
            "bound": self.nominal.bound is not None,
        }
        return frozenset(name for name, holds in known.items() if holds)

    def require(self, capability: str, who: str, instead: str) -> None:
        """Refuse what needs a capability that this problem lacks.

        Args:
            capability: one of `CAPABILITIES`.
            who: needs it, as the user would write it: "ansatz=reaction_flow".
            instead: what to choose instead, as the end of the sentence.

        Raises:
            InputError: the problem lacks it.
        """
        if capability not in self.capabilities:
            raise InputError(f"{who} needs {CAPABILITIES[capability]}, which {type(self).__name__} lacks: {instead}.")


def largest_value(condition: InitialCondition) -> float:
    """max |u₀|, in double precision, on 8193 points of the period."""
    with jax.enable_x64(True):
        return float(np.abs(np.asarray(condition(jnp.linspace(-1.0, 1.0, 8193)))).max())


def _flatten(problem: Problem) -> tuple[list[Any], tuple[Any, ...]]:
    """The leaves: the coefficients, then an initial condition that is a pytree. The rest is static."""
    condition = problem.initial_condition
    is_tree = not jax.tree_util.all_leaves([condition])
    names = set(problem.coefficients) | {"initial_condition"}
    others = tuple((one.name, getattr(problem, one.name)) for one in fields(problem) if one.name not in names)
    plain = all(isinstance(value, int | float) for value in problem.coefficients.values())
    nominal = tuple(problem.nominal.coefficients.values()) if plain or "_nominal" in vars(problem) else None
    static = (others, None if is_tree else condition, nominal)
    return [*problem.coefficients.values(), *([condition] if is_tree else [])], static


def _unflatten(cls: type, static: tuple[Any, ...], leaves: Any) -> Any:
    others, condition, nominal = static
    problem = object.__new__(cls)
    values = dict(others)
    names = tuple(cls.dimensions or ())  # type: ignore[attr-defined]
    leaves = list(leaves)
    values |= dict(zip(names, leaves, strict=False))
    values["initial_condition"] = condition if condition is not None else leaves[len(names)]
    for name, value in values.items():
        object.__setattr__(problem, name, value)
    if nominal is not None and not all(isinstance(leaf, int | float) for leaf in leaves[: len(names)]):
        plain = object.__new__(cls)
        for name, value in (values | dict(zip(names, nominal, strict=True))).items():
            object.__setattr__(plain, name, value)
        object.__setattr__(problem, "_nominal", plain)
    return problem
