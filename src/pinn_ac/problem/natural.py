"""A problem in its natural units, on the smallest period that its solution has."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import require
from pinn_ac.problem import ends
from pinn_ac.problem.initial_conditions import (
    InitialCondition,
    NaturalDomain,
    largest_value,
    values_at,
    values_on_grid,
)
from pinn_ac.problem.own_period import OwnPeriod, own_period
from pinn_ac.problem.reflected import Base
from pinn_ac.problem.units import require_units


class InUnits:
    """What a :class:`~pinn_ac.problem.Problem` knows of its units: those of the user, and the natural ones.

    In natural units x runs over [−1, 1), which is the smallest period of u₀, and so of u, shifted to an axis about
    which u₀ is even where there is one. So sin 3πx is solved as cos πx is, with 9 times the diffusivity.
    """

    domain: tuple[float, float]
    horizon: float
    initial_condition: InitialCondition
    boundary: str
    boundary_values: tuple[float, float] | None
    dimensions: ClassVar[Mapping[str, tuple[int, int]] | None]
    symmetries: ClassVar[frozenset[str]]

    if TYPE_CHECKING:

        @property
        def is_spectral(self) -> bool: ...

        @property
        def coefficients(self) -> dict[str, Any]: ...

        @property
        def nominal(self) -> Any: ...

        @property
        def diffusion(self) -> Any: ...

        @property
        def unit_diffusivity(self) -> Any: ...

    @property
    def period(self) -> float:
        """b − a."""
        return self.domain[1] - self.domain[0]

    @property
    def has_walls(self) -> bool:
        """The domain is no period, so that both of its ends belong to it."""
        return self.boundary not in ("periodic", ends.MIRRORED)

    @property
    def is_mirrored(self) -> bool:
        """It is a problem on a circle of which only the half ξ ≥ 0 counts, at whose ends u is held."""
        return self.boundary == ends.MIRRORED

    @property
    def held_at(self) -> tuple[float, float]:
        """b₀ and b₁ of a problem that is mirrored."""
        assert self.boundary_values is not None
        return self.boundary_values

    @cached_property
    def circle(self) -> Self:
        """The problem on the circle that its walls reflect it to, in the same units; itself where it has none."""
        return ends.on_circle(self)

    @cached_property
    def base(self) -> Base:
        """B of :class:`~pinn_ac.problem.reflected.Base`, of a problem that is mirrored."""
        plain = self.nominal
        return ends.base_of(plain, self.held_at, plain.unit_diffusivity)

    @cached_property
    def largest_initial_value(self) -> float:
        """max |u₀|; a bound of it where the problem is mirrored."""
        return largest_value(self.initial_condition) + (self.base.largest if self.is_mirrored else 0.0)

    def initial_values(self, points: int) -> np.ndarray:
        """u₀ at ξ = −1 + 2j/n, in double precision; where the problem is mirrored, u₀ between the walls, mirrored."""
        if not self.is_mirrored:
            return values_on_grid(self.initial_condition, points)
        xi = np.abs(-1 + 2 * np.arange(points) / points)
        return values_at(self.initial_condition, xi) + self.base(xi)

    def grid(self, points: int) -> np.ndarray:
        """Even points of the domain: of a period without its right end, between walls with both ends."""
        left, right = self.domain
        if self.has_walls:
            return np.linspace(left, right, points)
        return left + (right - left) * np.arange(points) / points

    def between_walls(self, x: np.ndarray, precision: float) -> np.ndarray:
        """x within the domain, where it lies there but for rounding.

        Raises:
            InputError: it does not.
        """
        left, right = self.domain
        slack = 4 * precision * max(abs(left), abs(right)) + 1e-9 * self.period
        is_within = bool(((x >= left - slack) & (x <= right + slack)).all())
        require(is_within, f"x must lie in [{left}, {right}], between the walls of this problem.")
        return np.clip(x, left, right)

    @cached_property
    def own_period(self) -> OwnPeriod:
        """The smallest period of u₀, and its axis.

        The whole domain where the equation is not known to be the same at every x.
        """
        if self.has_walls:
            return self.circle.own_period
        is_same_everywhere = self.dimensions is not None and self.is_spectral and not self.is_mirrored
        return own_period(self.initial_condition, is_same_everywhere, "even" in self.symmetries)

    @property
    def length_unit(self) -> float:
        """The natural unit of length: half of the smallest period, so that x is ξ where that is the domain."""
        return self.circle.period / (2 * self.own_period.repeats) if self.dimensions is not None else 1.0

    def places(self, count: int) -> np.ndarray:
        """`count` even places, or a few less in the plane, right end excluded, (n,) or (n, 2).

        They are of the domain, or where the problem is mirrored at ξ = 0 of the half that lies between its walls.
        """
        return np.linspace(*((0.0, 1.0) if self.is_mirrored else self.domain), count, endpoint=False)

    @property
    def natural_domain(self) -> Any:
        """The domain in natural units."""
        return NaturalDomain((-1.0, 1.0))

    def at(self, t: Any, x: Any) -> dict[str, Any]:
        """The point (t, x) as the residual wants it: name of an axis → coordinate."""
        return {"t": t, "x": x}

    @property
    def time_unit(self) -> float:
        """The natural unit of time: the horizon, unless the equation knows a better one."""
        return self.horizon if self.dimensions is not None else 1.0

    @cached_property
    def natural(self) -> Self:
        """The same problem in natural units, on [−1, 1): its solution at :meth:`to_natural` of (t, x) is u(t, x).

        Problems that differ in their units alone have the same natural one, up to the rounding of its coefficients.

        Raises:
            InputError: the residual has not the units that `dimensions` tells.
        """
        if self.dimensions is None:
            return self
        if self.has_walls:
            return self.circle.natural
        plain = self.nominal
        values = {}
        for name, value in self.coefficients.items():
            p, q = self.dimensions[name]
            values[name] = value * (1 / plain.length_unit) ** p * plain.time_unit**-q
        if plain is self:
            whole: dict[str, Any] = {
                "domain": self.natural_domain,
                "horizon": self.horizon / self.time_unit,
                "initial_condition": self.own_period.condition,
            }
            natural: Self = replace(self, **values, **whole)
            require_units(self, natural)
            return natural
        return plain.natural.with_coefficients(values)

    def unit_of(self, order: str) -> float:
        """The unit by which a derivative in natural units is divided to be in the user's: of "t", "xx", "" (u), …"""
        return self.time_unit ** order.count("t") * self.length_unit ** (len(order) - order.count("t"))

    def to_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) in natural units, in NumPy's double precision whatever a run's is; x wrapped into the domain."""
        if self.has_walls:
            return self.circle.to_natural(t, x)
        middle = 0.5 * (self.domain[0] + self.domain[1])
        xi = (x - middle) * (2 / self.period)
        xi = xi - 2 * np.round(xi / 2)
        if self.dimensions is None:
            return t, middle + 0.5 * self.period * xi
        folded = self.own_period.fold(xi)
        return t / self.time_unit, np.abs(folded) if self.is_mirrored else folded

    def to_natural_traced(self, t: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """:meth:`to_natural` in JAX operations; without natural units as they are."""
        if self.dimensions is None:
            return t, x
        if self.has_walls and self.circle.is_mirrored:
            return t / self.circle.time_unit, self.unit_place(x)
        if self.has_walls:
            return self.circle.to_natural_traced(t, x)
        folded = self.own_period.fold(self.to_unit(x))
        return t / self.time_unit, jnp.where(folded < 0, -folded, folded) if self.is_mirrored else folded

    def from_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) in the user's units of a point in natural units; of the first of equal places."""
        if self.has_walls:
            t, x = self.circle.from_natural(t, x)
            return t, self.domain[0] + np.abs(x - self.domain[0])
        if self.dimensions is None:
            return t, x
        xi = self.own_period.unfold(x)
        return t * self.time_unit, 0.5 * (self.domain[0] + self.domain[1]) + 0.5 * self.period * xi

    def to_unit(self, x: jax.Array) -> jax.Array:
        """ξ in [−1, 1] of any x, wrapped periodically."""
        xi = (jnp.asarray(x) - 0.5 * (self.domain[0] + self.domain[1])) * (2 / self.period)
        return xi - 2 * jnp.round(xi / 2)

    def unit_place(self, x: jax.Array) -> jax.Array:
        """ξ of any x on the circle that the walls reflect the domain to; of a period, :meth:`to_unit`.

        Between walls where u is held it is (x − a)/(b − a), whose slope is the same up to the walls: the field is not
        the same beyond them. What lies beyond by more than rounding is reflected.
        """
        if not (self.has_walls and self.circle.is_mirrored):
            return self.circle.to_unit(x)
        x = jnp.asarray(x, jnp.result_type(x, float))
        left, right = (jnp.asarray(end, x.dtype) for end in self.domain)
        xi = (x - left) / (right - left)
        rounding = 4 * float(jnp.finfo(x.dtype).eps) * max(1.0, *(abs(end) / self.period for end in self.domain))
        between = xi + jax.lax.stop_gradient(jnp.clip(xi, 0.0, 1.0) - xi)
        wrapped = xi - 2 * jnp.round(xi / 2)
        beyond = jnp.abs(xi - 0.5) > 0.5 + rounding
        return jnp.where(beyond, jnp.where(wrapped < 0, -wrapped, wrapped), between)
