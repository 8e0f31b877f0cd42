"""What a problem on a rectangle has of its own: two axes, units, and the heat flow of its initial condition."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import rectangle, require, require_object
from pinn_ac.problem.initial_conditions import NaturalDomain, require_known


class InPlane:
    """Geometry of [a, b) × [c, d) with periodic sides, for a class that also inherits from `Problem`; it comes first.

    Wherever the package says x, here stands the position (x, y): an array whose last axis has length 2. In natural
    units the longer side is [−1, 1) and the other one as much shorter as it is. The initial condition is a function
    of the unit coordinates ξ = 2(x − (a+b)/2)/(b − a) and η = 2(y − (c+d)/2)/(d − c).

    >>> from pinn_ac.problem import AllenCahn2D
    >>> AllenCahn2D(domain=((0.0, 4.0), (0.0, 2.0))).natural.domain
    ((-1.0, 1.0), (-0.5, 0.5))
    """

    axes: ClassVar[tuple[str, ...]] = ("x", "y")

    domain: Any
    initial_condition: Any
    boundary: str
    boundary_values: Any
    horizon: float
    dimensions: ClassVar[Any]

    if TYPE_CHECKING:

        @property
        def diffusion(self) -> Any: ...

        @property
        def pace(self) -> Any: ...

        @property
        def interface_width(self) -> float | None: ...

        @property
        def length_unit(self) -> float: ...

        @property
        def time_unit(self) -> float: ...

        def _clock(self, t: Any) -> jax.Array: ...

    def __post_init__(self) -> None:
        for name, value, only in (
            ("boundary", self.boundary, "periodic"),
            ("boundary_values", self.boundary_values, None),
        ):
            require(
                value == only,
                f"problem.{name} is {value!r}, and a rectangle has periodic sides alone: leave it out, or take a "
                "problem on a line.",
            )
        require_object("problem.initial_condition", self.initial_condition)
        super().__post_init__()  # type: ignore[misc]
        if self.diffusion is not None:
            require_known(self)

    def _checked_domain(self) -> tuple[tuple[float, ...], ...]:
        return self.domain if isinstance(self.domain, NaturalDomain) else rectangle("problem.domain", self.domain)

    # --- the rectangle ------------------------------------------------------------------------------------------

    @property
    def sides(self) -> np.ndarray:
        """(b − a, d − c)."""
        return np.array([right - left for left, right in self.domain])

    @property
    def middle(self) -> np.ndarray:
        """The centre of the rectangle."""
        return np.array([0.5 * (left + right) for left, right in self.domain])

    @property
    def period(self) -> float:
        """The longer side, which sets the unit of length."""
        return float(self.sides.max())

    @property
    def natural_domain(self) -> tuple[tuple[float, float], ...]:
        """The rectangle in natural units."""
        return NaturalDomain((-half, half) for half in (self.sides / self.period).tolist())

    def at(self, t: Any, x: Any) -> dict[str, Any]:
        """The point (t, x) as the residual wants it: name of an axis → coordinate."""
        return {"t": t, "x": x[..., 0], "y": x[..., 1]}

    @property
    def steepest_slope(self) -> float:
        """A bound of max |∇u₀|: the steepest slope in (ξ, η) over half of the shorter side."""
        return self.initial_condition.steepest_slope * 2 / float(self.sides.min())

    @property
    def thinnest_interface(self) -> float:
        """w of the thinnest interface tanh(ξ/w), ξ being in units of half of the longer side.

        It is no thinner than those that the equation forms, nor than the reaction can have made the steepest slope of
        u₀.
        """
        steepest = self.initial_condition.steepest_slope * min(self.steepening, math.exp(50.0))  # type: ignore[attr-defined]
        return max(1 / steepest, self.interface_width or 0.0)

    def grids(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """x and y of an even grid of `points` × `points`, right ends excluded."""
        steps = np.arange(points) / points
        x, y = (left + side * steps for (left, _), side in zip(self.domain, self.sides, strict=True))
        return x, y

    def places(self, count: int) -> np.ndarray:
        """At most `count` even places of the rectangle, (n, 2)."""
        return np.stack(np.meshgrid(*self.grids(math.isqrt(count)), indexing="ij"), axis=-1).reshape(-1, 2)

    # --- units --------------------------------------------------------------------------------------------------

    def to_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) in natural units, in NumPy's double precision; x, of shape (…, 2), wrapped into the rectangle."""
        away = x - self.middle
        away = away - self.sides * np.round(away / self.sides)
        return (t, self.middle + away) if self.dimensions is None else (t / self.time_unit, away / self.length_unit)

    def to_natural_traced(self, t: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """:meth:`to_natural` in JAX operations; without natural units as they are."""
        if self.dimensions is None:
            return t, x
        return t / self.time_unit, jnp.asarray(0.5 * self.sides / self.length_unit) * self.to_unit(x)

    def from_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) in the user's units of a point in natural units."""
        return (t, x) if self.dimensions is None else (t * self.time_unit, self.middle + self.length_unit * x)

    def to_unit(self, x: jax.Array) -> jax.Array:
        """(ξ, η) in [−1, 1]² of any position, wrapped periodically."""
        xi = (jnp.asarray(x) - self.middle) * (2 / self.sides)
        return xi - 2 * jnp.round(xi / 2)

    def _defines(self, name: str) -> bool:
        """Whether the class states this itself; the symbol of diffusion, which is here, is stated by `diffusion`."""
        return getattr(type(self), name) is not getattr(InPlane, name, None) and super()._defines(name)  # type: ignore[misc]

    # --- diffusion ----------------------------------------------------------------------------------------------

    def symbol(self, *wavenumbers: np.ndarray) -> np.ndarray:
        """L(k, l) = −D (k² + l²): the linear part takes e^{i(kx + ly)} to L e^{i(kx + ly)}."""
        return -self.diffusion * sum(k**2 for k in wavenumbers)

    def heat_coordinates(self, t: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The variances (2,) of the heat flow along ξ and η, and (ξ, η), at one point."""
        return jnp.asarray(2 * self.diffusion * (2 / self.sides) ** 2 * self._clock(t)), self.to_unit(x)

    def lift(self, t: jax.Array, x: jax.Array, order: int = 0) -> jax.Array:
        """g = exp(tDΔ)u₀ (`order` 0) or its gradient in x and y, (2,), (`order` 1) at one point."""
        g, gradient = self.initial_condition.heat_flow(*self.heat_coordinates(t, x))
        return gradient * (2 / self.sides) if order else g

    def kink_layer(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """0: initial conditions of the plane have no kinks."""
        del x
        return jnp.zeros_like(jnp.asarray(t))
