"""Numerical differentiation by central differences, and a check of our derivatives against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .forward import jvp
from .graph import as_leaf, require_real
from .reverse import vjp


def central_difference(f: Callable[..., Any], x: Any, step: float, direction: Any = None) -> Any:
    """The difference quotient (f(x + h v) − f(x − h v)) / 2h, an approximation of the derivative of f along v.

    Args:
        f: a function of one pytree of real arrays.
        x: the point.
        step: h.
        direction: v, a pytree like x; by default all ones.

    The truncation error is about h²/6 f''' and the round-off error about ε |f|/h, for a precision of ε; the best
    step is therefore about ε^{1/3}.

    >>> round(float(central_difference(lambda x: x**3, 2.0, step=1e-5)), 6)
    12.0
    """
    ones = jax.tree.map(lambda leaf: jnp.ones_like(jnp.asarray(leaf)), x) if direction is None else direction
    above = f(jax.tree.map(lambda a, v: a + step * v, x, ones))
    below = f(jax.tree.map(lambda a, v: a - step * v, x, ones))
    return jax.tree.map(lambda a, b: (a - b) / (2.0 * step), above, below)


def _random_like(rng: np.random.Generator, tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(rng.standard_normal(x.shape), x.dtype), tree)


def _inner(a: Any, b: Any) -> float:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum(float(jnp.vdot(x.astype(float), y.astype(float))) for x, y in pairs)


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Compare our derivatives of f with central differences, along a random direction.

    Args:
        f: a function of pytrees of real arrays.
        args: its arguments.
        order: derivatives up to this order are compared; those of the derivative of each mode in every mode.
        modes: "fwd" or "rev", or a list of both.
        atol: absolute tolerance; the default is the error of a central difference with the best step, ε^{2/3},
            times 20.
        rtol: relative tolerance, with the same default.
        eps: the step of the differences; by default ε^{1/3}.

    Raises:
        AssertionError: they differ; the message holds both numbers.
        TypeError: an argument is not real.
        ValueError: a mode is neither of the two.

    >>> import pinn_ac.autodiff.numpy as np
    >>> check_grads(np.sin, (0.3,), order=2)
    """
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f"modes are {modes}: give 'fwd', 'rev' or both")
    args = jax.tree.map(as_leaf, tuple(args))
    leaves = jax.tree.leaves(args)
    require_real(leaves, "check_grads")
    precision = max(float(jnp.finfo(x.dtype).eps) for x in leaves)
    step = precision ** (1 / 3) if eps is None else eps
    default = 20 * precision ** (2 / 3)
    rtol, atol = default if rtol is None else rtol, default if atol is None else atol
    rng = np.random.default_rng(0)
    v = _random_like(rng, args)
    numeric = central_difference(lambda packed: f(*packed), args, step, v)
    w = _random_like(rng, numeric)
    expected = _inner(numeric, w)
    size = sum(
        float(jnp.sum(jnp.abs(a * b))) for a, b in zip(jax.tree.leaves(numeric), jax.tree.leaves(w), strict=True)
    )
    for mode in modes:
        got = _inner(jvp(f, args, v)[1], w) if mode == "fwd" else _inner(v, vjp(f, *args)[1](w))
        if not abs(got - expected) <= atol + rtol * max(size, abs(expected)):
            raise AssertionError(f"{mode} derivative {got!r} differs from the central difference {expected!r}")
    if order > 1:
        for mode in modes:
            check_grads(_derivative_function(f, mode, v, w), args, order - 1, modes, atol, rtol, eps)


def _derivative_function(f: Callable[..., Any], mode: str, v: Any, w: Any) -> Callable[..., Any]:
    if mode == "fwd":
        return lambda *xs: jvp(f, xs, v)[1]
    return lambda *xs: vjp(f, *xs)[1](w)
