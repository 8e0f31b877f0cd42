"""Finite double Fourier series on the unit square: values, transforms, and heat flow."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ORDERS = tuple((i, j) for total in range(4) for i in range(total, -1, -1) for j in [total - i])
"""(i, j) of the derivatives ∂ξⁱ∂ηʲ, i + j ≤ 3, that a heat flow comes with."""
MOST_MODES = 512
"""Along an axis, of any condition."""


class DoubleSeries:
    """u₀(ξ, η) = aᵀ(ξ) A a(η) with a(ξ) = (1, cos πξ, …, cos (m−1)πξ, 0, sin πξ, …, sin (m−1)πξ); real.

    What a problem, a march and the reference ask of an initial condition in the plane. Its heat flow on a torus has
    the same form with every wave times e^{−(kπ)² variance/2}: at n points it is a product of (n, 2m) and (2m, 2m).
    """

    dimension = 2
    even = False
    kinks: tuple[float, ...] = ()

    matrix: Any
    """A, (2m, 2m)."""

    def on_grid(self, points: int) -> np.ndarray:
        """u₀ at ξ_i = −1 + 2i/n and η_j = −1 + 2j/n, (n, n), n = `points` ≥ 2m."""
        return grid_values(np.asarray(self.matrix), points)

    @cached_property
    def largest(self) -> float:
        """max |u₀| on a grid."""
        return float(np.abs(self.on_grid(max(256, 2 * len(self.matrix)))).max())

    def __call__(self, xi: Any) -> jax.Array:
        """u₀ at one point (2,) or at many, (…, 2)."""
        xi = jnp.asarray(xi, float)
        if xi.ndim > 1:
            return jax.vmap(self)(xi)
        return self.heat_flow(jnp.zeros(2, xi.dtype), xi)[0]

    def heat_flow(self, variance: jax.Array, xi: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(g, (g_ξ, g_η)) at one point: u₀ convolved with a normal density of variances (2,) along ξ and η."""
        a, b = (waves(len(self.matrix), v, s, 1) for v, s in zip(variance, xi, strict=True))
        A = jnp.asarray(self.matrix, xi.dtype)
        value, across = a[0] @ A, a[1] @ A
        return value @ b[0], jnp.stack([across @ b[0], value @ b[1]])

    def heat_derivatives(self, variance: jax.Array, xi: jax.Array) -> jax.Array:
        """The derivatives `ORDERS` of g at one point, (10,)."""
        a, b = (waves(len(self.matrix), v, s, 3) for v, s in zip(variance, xi, strict=True))
        rows = jnp.stack(a) @ jnp.asarray(self.matrix, xi.dtype)
        return jnp.stack([rows[i] @ b[j] for i, j in ORDERS])


@partial(jax.tree_util.register_dataclass, data_fields=["matrix", "steepest_slope"], meta_fields=[])
@dataclass(frozen=True)
class PlaneCondition(DoubleSeries):
    """The condition that a time window begins at, a pytree.

    Args:
        matrix: A, (2m, 2m).
        steepest_slope: max |∇u₀| in (ξ, η).
    """

    matrix: jax.Array
    steepest_slope: jax.Array


@dataclass(frozen=True)
class LocalPlane:
    """A condition whose heat flow is replaced by its Taylor polynomial about one point.

    At that point the polynomial of g has the first derivative in each variance and the first two in ξ and η, and so
    have those of g_ξ and g_η; no derivative in more than one of them.

    Args:
        condition: the initial condition.
        variance, xi: the point, each (2,).
        derivatives: `ORDERS` of the heat flow there, (10,).
    """

    condition: Any
    variance: jax.Array
    xi: jax.Array
    derivatives: jax.Array

    dimension = 2

    def __getattr__(self, name: str) -> Any:
        return getattr(self.condition, name)

    def __call__(self, xi: jax.Array) -> jax.Array:
        return self.condition(xi)

    def heat_flow(self, variance: jax.Array, xi: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The polynomials; the derivative in a variance is half the second one along its axis."""
        of = dict(zip(ORDERS, self.derivatives, strict=True))
        (dx, dy), (dv, dw) = xi - self.xi, variance - self.variance

        def about(i: int, j: int) -> jax.Array:
            along = dx * of[i + 1, j] + dy * of[i, j + 1]
            return of[i, j] + along + 0.5 * ((dx**2 + dv) * of[i + 2, j] + (dy**2 + dw) * of[i, j + 2])

        return about(0, 0), jnp.stack([about(1, 0), about(0, 1)])


def waves(size: int, variance: jax.Array, xi: jax.Array, most: int) -> list[jax.Array]:
    """e^{−(kπ)² variance/2} times (cos kπξ, k < m, then sin kπξ), (2m,) = (size,), and its derivatives to `most`."""
    k = jnp.pi * jnp.arange(size // 2, dtype=xi.dtype)
    decay = jnp.exp(-0.5 * k**2 * variance)
    cosine, sine = decay * jnp.cos(k * xi), decay * jnp.sin(k * xi)
    found = []
    for _ in range(most + 1):
        found.append(jnp.concatenate([cosine, sine]))
        cosine, sine = -k * sine, k * cosine
    return found


# --- transforms along one axis, in NumPy ---------------------------------------------------------------------------


def analysis(u: np.ndarray, modes: int, axis: int, start: float = -1.0) -> np.ndarray:
    """Coefficients (cosines, then sines) of the first `modes` waves along an axis of even samples from `start`."""
    u = np.moveaxis(u, axis, -1)
    n, k = u.shape[-1], np.arange(modes)
    c = np.fft.rfft(u)[..., :modes] / n * np.exp(-1j * np.pi * k * start) * np.where(k, 2, 1)
    if n % 2 == 0 and modes == n // 2 + 1:  # the highest mode stands for both signs of k
        c[..., -1] *= 0.5
    return np.moveaxis(np.concatenate([c.real, -c.imag], axis=-1), -1, axis)


def synthesis(A: np.ndarray, points: int, axis: int) -> np.ndarray:
    """Values at ξ_j = −1 + 2j/n along an axis of coefficients; n ≥ twice the modes."""
    A = np.moveaxis(A, axis, -1)
    modes = A.shape[-1] // 2
    k = np.arange(modes)
    c = (A[..., :modes] - 1j * A[..., modes:]) * np.where(k % 2, -1.0, 1.0) / np.where(k, 2, 1) * points
    padded = np.zeros((*c.shape[:-1], points // 2 + 1), complex)
    padded[..., :modes] = c
    return np.moveaxis(np.fft.irfft(padded, points), -1, axis)


def slope(A: np.ndarray, axis: int) -> np.ndarray:
    """Coefficients of the derivative along an axis."""
    A = np.moveaxis(A, axis, -1)
    modes = A.shape[-1] // 2
    k = np.pi * np.arange(modes)
    return np.moveaxis(np.concatenate([k * A[..., modes:], -k * A[..., :modes]], axis=-1), -1, axis)


def grid_values(A: np.ndarray, points: int) -> np.ndarray:
    """The series with coefficients A, (2m, 2m), on a grid of `points` × `points`."""
    return synthesis(synthesis(A, points, 0), points, 1)


def coefficients(u: np.ndarray, modes: int, start: tuple[float, float] = (-1.0, -1.0)) -> np.ndarray:
    """A, (2 `modes`, 2 `modes`), of the samples u, (n, n'), on an even grid that begins at `start`."""
    return analysis(analysis(u, modes, 0, start[0]), modes, 1, start[1])


def trimmed(A: np.ndarray, share: float, step: int = 1) -> np.ndarray:
    """The coefficients without the high modes that are all below a share of the largest; multiples of `step` stay."""
    m = len(A) // 2
    sizes = np.abs(A).reshape(2, m, 2, m).max(axis=(0, 2))
    strong = np.argwhere(sizes > share * sizes.max())
    kept = min(m, step * -(-(1 + int(strong.max(initial=0))) // step))
    return A.reshape(2, m, 2, m)[:, :kept, :, :kept].reshape(2 * kept, 2 * kept)


def transfer_plane(u: np.ndarray, modes: int) -> PlaneCondition:
    """The condition through a field's values u, (n, n), at ξ, η = −1 + 2j/n, of `modes` < n/2 modes an axis."""
    A = coefficients(u, modes)
    n = len(u)
    steepest = np.sqrt(sum(grid_values(slope(A, axis), n) ** 2 for axis in (0, 1))).max() or 1.0
    real = jax.dtypes.canonicalize_dtype(float)
    return PlaneCondition(jnp.asarray(A, real), jnp.asarray(steepest, real))
