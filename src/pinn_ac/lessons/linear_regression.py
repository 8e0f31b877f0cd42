"""Linear regression: fit y = wx + b to the data x = 0, …, 9, y = 2x by gradient descent with our own gradient."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as onp

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import grad, trace, value_and_grad
from pinn_ac.lessons.notation import number
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.tables import tables
from pinn_ac.reporting.lessons import draw_descent

START, RATE, STEPS = (0.0, 0.0), 0.02, 1500


class Descent(NamedTuple):
    """(w, b) before and after every step, of shape (steps + 1, 2), and the error E there, of shape (steps + 1,)."""

    path: onp.ndarray
    errors: onp.ndarray


def data() -> tuple[Any, Any]:
    """The data x = 0, …, 9 and y = 2x, each of shape (10,)."""
    x = jnp.arange(10.0)
    return x, 2 * x


def error(w: Any, b: Any) -> Any:
    """The mean squared error E = (1/N) Σ (ŷ − y)² of the model ŷ = wx + b."""
    x, y = data()
    return np.mean((w * x + b - y) ** 2)


def half_squares(w: Any) -> Any:
    """The loss L = ½ Σ (w xₙ − yₙ)² of the model with one parameter."""
    x, y = data()
    return 0.5 * np.sum((w * x - y) ** 2)


def closed_form(w: float) -> float:
    """The gradient ∂L/∂w = Σ (w xₙ − yₙ) xₙ as derived by hand."""
    x, y = data()
    return float(jnp.sum((w * x - y) * x))


def descend(rate: float = RATE, steps: int = STEPS) -> Descent:
    """Gradient descent (w, b) ← (w, b) − rate ∇E, from (0, 0)."""
    step = jax.jit(value_and_grad(error, argnums=(0, 1)))
    w, b = map(jnp.asarray, START)
    path, errors = [(float(w), float(b))], []
    for _ in range(steps):
        e, (slope_w, slope_b) = step(w, b)
        w, b = w - rate * slope_w, b - rate * slope_b
        path.append((float(w), float(b)))
        errors.append(float(e))
    return Descent(onp.array(path), onp.array([*errors, float(error(w, b))]))


def teach(page: Page) -> None:
    """The gradient compared with the closed form, and gradient descent."""
    page.title("Linear regression:  x = arange(10), y = 2x;  model ŷ = w x + b")
    page.say("One parameter:  L = ½ Σ (w xₙ − yₙ)²   so   ∂L/∂w = ½ Σ 2 (w xₙ − yₙ) xₙ = Σ (w xₙ − yₙ) xₙ")
    rows = [(w, number(closed_form(w)), number(grad(half_squares)(w))) for w in (0.0, 1.0, 1.5, 2.0, 3.0)]
    page.table(("guess ŵ", "closed form", "our reverse sweep"), rows)
    page.say("The reverse sweep at ŵ = 1 (arrays are shortened):")
    graph = trace(half_squares, 1.0)
    page.graph(graph, r"$L = \frac{1}{2}\sum (w x_n - y_n)^2$", inputs=("w",), output="L", first=0)
    page.trace(tables(graph, inputs=("w",), output="L", first=0).adjoint)
    descent = descend()
    page.say(f"Two parameters:  E = (1/N) Σ (w x + b − y)²;  (ŵ, b̂) ← (ŵ, b̂) − {RATE} ∇E  from  {START}")
    shown = (0, 1, 2, 5, 10, 50, 200, 500, STEPS)
    rows = [(k, f"{descent.path[k][0]:.6f}", f"{descent.path[k][1]:.6f}", f"{descent.errors[k]:.3e}") for k in shown]
    page.table(("step", "ŵ", "b̂", "E"), rows)
    page.say("w → 2 and b → 0: first quickly down the steep direction of E, then slowly along the flat one.")
    x, y = data()
    page.figure(draw_descent(onp.asarray(x), onp.asarray(y), descent.path, descent.errors), "descent")
