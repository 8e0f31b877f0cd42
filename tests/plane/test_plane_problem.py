"""The equation in the plane: its units, its residual by every engine, and its units' check."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac import AllenCahn2D, derivatives
from pinn_ac.derivatives import InPlaneEngine, JaxJvp
from pinn_ac.errors import InputError
from pinn_ac.problem import Fourier2D, Problem
from pinn_ac.problem.plane import InPlane
from pinn_ac.reference.consistency import mismatch
from pinn_ac.reference.resolution import second_derivatives
from pinn_ac.residual import closure

ENGINES = ["JaxJet", "JaxJvp", "JaxReverse", "OwnForward", "OwnReverse", "OwnTaylor"]


def f(t, x):
    """With simple derivatives of all orders."""
    return jnp.exp(0.5 * t) * jnp.sin(2 * x[0]) * jnp.cos(3 * x[1])


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_differentiates_along_three_axes(name):
    t, x, y = 0.3, 0.4, 0.7
    e, sx, cx, sy, cy = np.exp(0.15), np.sin(0.8), np.cos(0.8), np.sin(2.1), np.cos(2.1)
    exact = {
        "u": e * sx * cy,
        "t": 0.5 * e * sx * cy,
        "xx": -4 * e * sx * cy,
        "yy": -9 * e * sx * cy,
        "ty": -1.5 * e * sx * sy,
        "xyy": -18 * e * cx * cy,
    }
    engine = InPlaneEngine(getattr(derivatives, name)())
    found = engine(f, jnp.asarray(t), jnp.array([x, y]), list(exact)[1:])
    assert list(found) == list(exact)
    for order, value in exact.items():
        np.testing.assert_allclose(found[order], value, rtol=1e-12)


def test_an_axis_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="t, x, y, xx"):
        InPlaneEngine(JaxJvp())(f, jnp.asarray(0.0), jnp.zeros(2), ("z",))
    with pytest.raises(InputError, match="t, x, xx"):
        derivatives.order_of("y")


def test_the_closure_has_all_that_the_chain_rule_needs():
    assert closure(("t", "xx", "yy")) == ("t", "y", "x", "yy", "xx")
    assert set(closure(("xy",))) == {"x", "y", "xy"}


def test_units_change_nothing():
    """The natural problem of other units is the same, and points map there and back."""
    wide = AllenCahn2D(diffusivity=4e-3 / 3, reaction_rate=5 / 3, domain=((1.0, 5.0), (-2.0, 0.0)), horizon=3.0)
    natural = wide.natural
    assert natural.domain == ((-1.0, 1.0), (-0.5, 0.5))
    assert (natural.diffusivity, natural.reaction_rate) == pytest.approx((1e-3, 5.0))
    t, x = wide.to_natural(np.array(1.5), np.array([2.0 + 4.0, -0.5]))  # a period away
    np.testing.assert_allclose([t, *x], [0.5, -0.5, 0.25])
    np.testing.assert_allclose(wide.to_natural_traced(jnp.asarray(1.5), jnp.array([2.0, -0.5]))[1], [-0.5, 0.25])
    np.testing.assert_allclose(wide.from_natural(t, x)[1], [2.0, -0.5])


@dataclass(frozen=True)
class FisherInPlane(InPlane, Problem):
    """u_t = D (u_xx + u_yy) + u (1 − u), with nothing but what it needs."""

    diffusivity: float = 1e-2
    domain: tuple = ((-1.0, 1.0), (-1.0, 1.0))
    initial_condition: Any = field(default_factory=Fourier2D)

    orders: ClassVar = ("t", "xx", "yy")

    @property
    def diffusion(self):
        return self.diffusivity

    def reaction(self, u):
        return u * (1 - u)

    def residual(self, u, point):
        return u["t"] - self.diffusivity * (u["xx"] + u["yy"]) - self.reaction(u["u"])


class Still(FisherInPlane):
    """Without diffusion, and so without a linear part."""

    diffusion = None


def test_an_equation_of_ones_own_in_the_plane_needs_no_bound():
    problem = FisherInPlane()
    assert mismatch(problem) < 1e-12
    largest = problem.initial_condition.largest
    reaction, flux = second_derivatives(problem)
    assert (reaction, flux) == (pytest.approx(2.0), 0.0)
    assert largest > 0.5
    assert "spectral" in problem.capabilities
    assert "spectral" not in Still().capabilities


def test_the_residual_is_the_declared_equation():
    assert mismatch(AllenCahn2D()) < 1e-12  # as in one dimension, of rounding errors

    class Wrong(AllenCahn2D):
        """With a sign that is not the equation's."""

        def residual(self, u, point):
            return super().residual(u, point) + 2 * self.diffusivity * u["yy"]

    assert mismatch(Wrong()) > 1e-4
