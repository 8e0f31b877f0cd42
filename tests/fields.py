"""Fields and parameters for tests; parameters come from NumPy, since compiling JAX's generator takes seconds."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.ansatz import Field, ReactionFlow
from pinn_ac.models import MLP, Splitting
from pinn_ac.problem import AllenCahn, Problem

AC = {
    "lecture": AllenCahn(1e-3),
    "other": AllenCahn(2e-2, 1.5, domain=(0.5, 3.5), horizon=2.0),
}
"""Problems in two systems of units; the second has no number in common with the defaults."""


@dataclass(frozen=True)
class KdV(Problem):
    """u_t + 6 u u_x + δ u_xxx = 0, the Korteweg–de Vries equation."""

    dispersion: float = 1e-2
    amplitude_unit: float = 1.0
    orders = ("t", "x", "xxx")
    dimensions: ClassVar = {"dispersion": (3, -1), "amplitude_unit": (1, -1)}

    def residual(self, u, point):
        return u["t"] + 6 * self.amplitude_unit * u["u"] * u["x"] + self.dispersion * u["xxx"]


@dataclass(frozen=True)
class Telegraph(Problem):
    """(u_tt + 2b u_t − c² u_xx) / 2b = 0, the telegraph equation, with its f in the unit of u_t."""

    damping: float = 0.5
    speed: float = 1.0
    orders = ("t", "tt", "xx")
    dimensions: ClassVar = {"damping": (0, -1), "speed": (1, -1)}

    def residual(self, u, point):
        return (u["tt"] - self.speed**2 * u["xx"]) / (2 * self.damping) + u["t"]


@dataclass(frozen=True)
class BenjaminBonaMahony(Problem):
    """u_t + u_x − β u_txx = sin(x − t): a mixed derivative, and a source that depends on the point."""

    beta: float = 0.1
    orders = ("t", "x", "txx")
    autonomous = False

    def residual(self, u, point):
        return u["t"] + u["x"] - self.beta * u["txx"] - jnp.sin(point["x"] - point["t"])


def random_params(network: Any, features: int, seed: int = 0) -> Any:
    """Parameters of the network's shape, of size one over the root of the inputs; single precision holds them."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((features,), float))
    generator = np.random.default_rng(seed)

    def draw(leaf):
        values = generator.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0])
        return jnp.asarray(values.astype(np.float32), float)

    return jax.tree.map(draw, shapes)


def a_field(
    problem: Problem | None = None, embedding: Any = None, network: Any = None, ansatz: Any = None, seed: int = 0
) -> tuple[Field, Any]:
    """A field of these parts, by default small ones, and parameters that are not small."""
    problem = AllenCahn() if problem is None else problem
    network = MLP(5, 2, "tanh", 1.0) if network is None else network
    field = Field(problem, embedding or Splitting(), network.apply, ansatz or ReactionFlow())
    point = jax.ShapeDtypeStruct((), float)
    return field, random_params(network, jax.eval_shape(field.background, point, point).shape[0] - 1, seed)


def zeros_like(params: Any) -> Any:
    """Parameters for which N = 0."""
    return jax.tree.map(jnp.zeros_like, params)


def known_error(size: float, t: Any, x: Any) -> tuple[Any, Any, Any]:
    """e = size t (cos 3πx + sin 2πx cos 7t), which is 0 at the start, with e_t and e_xx."""
    a, b = np.cos(3 * np.pi * x), np.sin(2 * np.pi * x)
    e = size * t * (a + b * np.cos(7 * t))
    e_t = size * (a + b * np.cos(7 * t) - 7 * t * b * np.sin(7 * t))
    e_xx = -size * np.pi**2 * t * (9 * a + 4 * b * np.cos(7 * t))
    return e, e_t, e_xx


def assert_lines_agree(solution, points):
    """A march on a grid and at its own points, which share Fourier transforms, is what it is at each point alone.

    To the rounding of second derivatives of a series of a thousand modes.
    """
    sampled = solution.sample(5, points)
    found = solution.derivatives(sampled.t[:, None], sampled.x, ("u", "x", "residual"))
    for values, name in ((sampled.u, "u"), (sampled.u_x, "x"), (sampled.residual, "residual")):
        np.testing.assert_allclose(values, found[name], atol=1e-9, rtol=1e-9, err_msg=name)
    collocation, _, residuals = solution.experiment.counted_collocation(solution.params, solution.conditions, 200)
    inside = ~np.isin(collocation[:, 0], [0.0, *solution.experiment.breaks])  # those belong to the window before
    alone = solution.derivatives(*collocation[inside].T, "residual")["residual"]
    np.testing.assert_allclose(residuals[inside], alone, atol=1e-9, rtol=1e-9)
    assert inside.sum() > 100
