"""Rows of the table: elementwise functions, each with its partial derivatives (of the output y and the arguments).

At points where a function is not smooth the partials follow JAX: ties of `max` and `min` share the slope (½ each),
abs'(0) = 1, relu'(0) = 0, √'(0) = ∞, `clamp` passes the slope only strictly inside its bounds, and 0^p has slope 0
with respect to p. (One exception: x^0 has slope 0 at x = 0 for a real exponent too, where JAX has nan.)
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from ..graph import Primitive, unwrap
from .kinds import elementwise, linear, mul, neg, piecewise_linear, total, zeros_like

_SQRT_PI = math.sqrt(math.pi)


def _negated_if(i: int, g: Any) -> Any:
    return neg(g) if i else g


sub: Primitive = piecewise_linear(
    "sub",
    jnp.subtract,
    lambda t, out, x, y: (
        total([t[0], None if t[1] is None else neg(t[1])]) if t[0] is None or t[1] is None else sub(*t)
    ),
    lambda g, i, out, x, y: _negated_if(i, g),
)
div: Primitive = elementwise("div", jnp.true_divide, lambda z, x, y: 1.0 / y, lambda z, x, y: neg(z) / y)
integer_pow: Primitive = elementwise(
    "integer_pow",
    lax.integer_pow,
    lambda z, x, y: 0.0 if y == 0 else (1.0 if y == 1 else mul(float(y), x if y == 2 else integer_pow(x, y=y - 1))),
    keywords=("y",),
)
square: Primitive = elementwise("square", jnp.square, lambda y, x: 2.0 * x)

# Exponentials, logarithms and roots: most slopes are cheapest in terms of the value y itself.
exp: Primitive = elementwise("exp", jnp.exp, lambda y, x: y)
exp2: Primitive = elementwise("exp2", jnp.exp2, lambda y, x: y * math.log(2.0))
expm1: Primitive = elementwise("expm1", jnp.expm1, lambda y, x: y + 1.0)
log: Primitive = elementwise("log", jnp.log, lambda y, x: 1.0 / x)
log1p: Primitive = elementwise("log1p", jnp.log1p, lambda y, x: 1.0 / (x + 1.0))
sqrt: Primitive = elementwise("sqrt", jnp.sqrt, lambda y, x: 0.5 / y)
rsqrt: Primitive = elementwise("rsqrt", lax.rsqrt, lambda y, x: -0.5 * y / x)
cbrt: Primitive = elementwise("cbrt", jnp.cbrt, lambda y, x: 1.0 / (3.0 * y * y))


def _nonzero(x: Any) -> Any:
    """x with 1 in place of 0."""
    return select_n(unwrap(x) == 0, x, jnp.ones_like(unwrap(x)))


def _power_base_slope(z: Any, x: Any, p: Any) -> Any:
    """∂x^p/∂x = p x^{p-1}, and 0 for p = 0 whatever x."""
    return _nonzero(p) * power(x, p - 1.0) * (unwrap(p) != 0)


power: Primitive = elementwise("pow", jnp.power, _power_base_slope, lambda z, x, p: log(_nonzero(x)) * z)
logaddexp: Primitive = elementwise(
    "logaddexp",
    jnp.logaddexp,
    lambda z, x, y: exp(_difference(x, z)),
    lambda z, x, y: exp(_difference(y, z)),
)


def _difference(x: Any, z: Any) -> Any:
    """x - z, and 0 where both are the same infinity."""
    same = (unwrap(x) == unwrap(z)) & jnp.isinf(unwrap(z))
    return select_n(same, x - z, zeros_like(z))


# Trigonometric and hyperbolic functions with their inverses.
sin: Primitive = elementwise("sin", jnp.sin, lambda y, x: cos(x))
cos: Primitive = elementwise("cos", jnp.cos, lambda y, x: neg(sin(x)))
tan: Primitive = elementwise("tan", jnp.tan, lambda y, x: 1.0 + y * y)
asin: Primitive = elementwise("asin", jnp.arcsin, lambda y, x: rsqrt(1.0 - x * x))
acos: Primitive = elementwise("acos", jnp.arccos, lambda y, x: neg(rsqrt(1.0 - x * x)))
atan: Primitive = elementwise("atan", jnp.arctan, lambda y, x: 1.0 / (1.0 + x * x))
atan2: Primitive = elementwise(
    "atan2",
    jnp.arctan2,
    lambda z, y, x: x / (x * x + y * y),
    lambda z, y, x: neg(y) / (x * x + y * y),
)
sinh: Primitive = elementwise("sinh", jnp.sinh, lambda y, x: cosh(x))
cosh: Primitive = elementwise("cosh", jnp.cosh, lambda y, x: sinh(x))
tanh: Primitive = elementwise("tanh", jnp.tanh, lambda y, x: 1.0 - y * y)
asinh: Primitive = elementwise("asinh", jnp.arcsinh, lambda y, x: rsqrt(x * x + 1.0))
acosh: Primitive = elementwise("acosh", jnp.arccosh, lambda y, x: rsqrt((x - 1.0) * (x + 1.0)))
atanh: Primitive = elementwise("atanh", jnp.arctanh, lambda y, x: 1.0 / ((1.0 - x) * (1.0 + x)))

# Functions of networks and of probability.
logistic: Primitive = elementwise(
    "logistic", lambda x: lax.logistic(jnp.asarray(x, float) if isinstance(x, int) else x), lambda y, x: y * (1.0 - y)
)
erf: Primitive = elementwise("erf", special.erf, lambda y, x: 2.0 / _SQRT_PI * exp(neg(x * x)))
erfc: Primitive = elementwise("erfc", special.erfc, lambda y, x: -2.0 / _SQRT_PI * exp(neg(x * x)))
erf_inv: Primitive = elementwise("erf_inv", special.erfinv, lambda y, x: _SQRT_PI / 2.0 * exp(y * y))
lgamma: Primitive = elementwise("lgamma", special.gammaln, lambda y, x: digamma(x))
digamma: Primitive = elementwise("digamma", special.digamma, lambda y, x: polygamma(1.0, x))
polygamma: Primitive = elementwise(
    "polygamma",
    lambda m, x: lax.polygamma(jnp.full(jnp.shape(x), m, x.dtype) if jnp.ndim(m) == 0 else m, x),
    None,
    lambda y, m, x: polygamma(m + 1.0, x),
)


def _sinc_slope(y: Any, x: Any) -> Any:
    """(cos πx - sinc x)/x, by its Maclaurin series where |x| is so small that the difference would cancel."""
    small = jnp.abs(unwrap(x)) < 0.1
    z = x * x * math.pi**2
    series = x * math.pi**2 * (-1 / 3 + z * (1 / 30 + z * (-1 / 840 + z * (1 / 45360 + z * (-1 / 3991680)))))
    apart = select_n(small, x, jnp.ones_like(unwrap(x)))
    return select_n(small, (cos(math.pi * apart) - select_n(small, y, jnp.ones_like(unwrap(x)))) / apart, series)


sinc: Primitive = elementwise("sinc", jnp.sinc, _sinc_slope)

# Not smooth everywhere: the slopes are plain arrays, constants for every further derivative.
abs_: Primitive = elementwise("abs", jnp.abs, lambda y, x: jnp.where(unwrap(x) >= 0, 1.0, -1.0))
relu: Primitive = elementwise("relu", lambda x: jnp.maximum(x, 0), lambda y, x: jnp.where(unwrap(x) > 0, 1.0, 0.0))


def _share(x: Any, z: Any, y: Any) -> Any:
    """1 where z came from x alone, ½ where x and y tie, 0 elsewhere."""
    x, y, z = unwrap(x), unwrap(y), unwrap(z)
    return jnp.where(x == z, jnp.where(y == z, 0.5, 1.0), 0.0)


_shares = (lambda z, x, y: _share(x, z, y), lambda z, x, y: _share(y, z, x))
maximum: Primitive = elementwise("max", jnp.maximum, *_shares)
minimum: Primitive = elementwise("min", jnp.minimum, *_shares)
rem: Primitive = elementwise(
    "rem", jnp.fmod, lambda z, x, y: 1.0, lambda z, x, y: neg(jnp.trunc(unwrap(x) / unwrap(y)))
)
mod: Primitive = elementwise(
    "mod", jnp.mod, lambda z, x, y: 1.0, lambda z, x, y: neg(jnp.floor(unwrap(x) / unwrap(y)))
)
clamp: Primitive = elementwise(
    "clamp",
    lambda low, x, high: lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype)),
    lambda z, low, x, high: jnp.where((unwrap(low) > unwrap(x)) & (unwrap(low) < unwrap(high)), 1.0, 0.0),
    lambda z, low, x, high: jnp.where((unwrap(x) > unwrap(low)) & (unwrap(x) < unwrap(high)), 1.0, 0.0),
    lambda z, low, x, high: jnp.where(unwrap(x) > unwrap(high), 1.0, 0.0),
)


def _select(which: Any, *cases: Any) -> Any:
    dtype = jnp.result_type(*cases)
    cases = tuple(jnp.asarray(c, dtype) for c in cases)
    shape = jnp.broadcast_shapes(*(jnp.shape(c) for c in cases), jnp.shape(which) if jnp.ndim(which) else ())
    which = jnp.broadcast_to(which, shape) if jnp.ndim(which) else which
    return lax.select_n(which, *(c if c.shape == shape else jnp.broadcast_to(c, shape) for c in cases))


select_n: Primitive = linear(
    "select_n",
    _select,
    lambda g, i, which, *cases: select_n(which, *(g if j == i - 1 else zeros_like(g) for j in range(len(cases)))),
    positions=lambda n: range(1, n),
)
