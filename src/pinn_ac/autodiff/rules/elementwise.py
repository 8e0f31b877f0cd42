"""Rows of the table: elementwise functions with their partial derivatives, as functions of the output and arguments.

**Derivatives have a small relative error**, at 0, in both tails, at tiny and at huge arguments. So have the higher
derivatives, which follow from the same formulas: no partial derivative is a difference that cancels (as 1 - y² does
in the tail of tanh), and none needs a square that overflows (as x² + 1 does at 1e200). An infinite derivative is ∞ or
-∞, not nan. There are two exceptions:

- The slope of tanh is 1 - y², whose absolute error is ε: it is 0 beyond |x| = 19. sech² would have a small relative
  error too, but every training step uses this slope, and would take a third longer.
- At their poles JAX's values of digamma and polygamma may be nan, and so are the slopes computed from them.

Where a function is not smooth the slope is chosen as in JAX: ties of `max` and `min` share it (½ each), abs'(0) = 1,
relu'(0) = 0, √'(0) = ∞, hypot has slopes ½ and ½ at the origin, `clamp` has slope 1 only strictly inside its bounds,
and 0^p has slope 0 with respect to p. We differ from JAX where it gives nan or counts a tie twice: x^0 has slope 0 at
x = 0 for a real exponent too, x log y and x log(1 + y) have slope 0 with respect to y if x and the logarithm's
argument are 0, and two equal infinities share the slope of `logaddexp`, ½ each.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from ..errors import MissingRuleError, real_only, user_line
from ..graph import Primitive, Value, unwrap
from ..table import total, zeros_like
from . import formulas
from .builders import elementwise, linear, mul, neg, piecewise_linear

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

# Exponentials, logarithms and roots. Most slopes are cheapest as functions of the value y.
exp: Primitive = elementwise("exp", jnp.exp, lambda y, x: y)
exp2: Primitive = elementwise("exp2", jnp.exp2, lambda y, x: y * math.log(2.0))
expm1: Primitive = elementwise("expm1", jnp.expm1, lambda y, x: exp(x))
log: Primitive = elementwise("log", jnp.log, lambda y, x: 1.0 / x)
log1p: Primitive = elementwise("log1p", jnp.log1p, lambda y, x: 1.0 / (x + 1.0))
sqrt: Primitive = elementwise("sqrt", jnp.sqrt, lambda y, x: 0.5 / y)
rsqrt: Primitive = elementwise("rsqrt", lax.rsqrt, lambda y, x: -0.5 * y / x)
cbrt: Primitive = elementwise("cbrt", jnp.cbrt, lambda y, x: 1.0 / 3.0 / y / y)


def _where(mask: Any, x: Any, y: Any) -> Any:
    """x where the mask, a plain array, is true, and y elsewhere."""
    return select_n(mask, y, x)


def _or_one(mask: Any, x: Any) -> Any:
    """x, and 1 where the mask is true: a branch that is not taken there must not produce nan."""
    return _where(mask, jnp.ones_like(unwrap(x)), x)


def _power_slope(z: Any, x: Any, p: Any) -> Any:
    """∂x^p/∂x = p x^{p-1}, and 0 for p = 0 even if x^{p-1} is infinite."""
    infinite = jnp.isinf(jnp.power(unwrap(x), unwrap(p) - 1.0))
    return mul(p, power(_or_one((unwrap(p) == 0) & infinite, x), p - 1.0))


power: Primitive = elementwise("pow", jnp.power, _power_slope, lambda z, x, p: power_log(x, p, n=1))
power_log: Primitive = elementwise(
    "power_log",  # x^p (ln x)^n, the n-th derivative of x^p with respect to p
    formulas.power_log,
    lambda z, x, p, n: (
        mul(p, power_log(x, p - 1.0, n=n))
        + (mul(float(n), power_log(x, p - 1.0, n=n - 1)) if n > 1 else power(x, p - 1.0))
    ),
    lambda z, x, p, n: power_log(x, p, n=n + 1),
    keywords=("n",),
)


def _difference(x: Any, y: Any) -> Any:
    """x - y, and 0 if both are the same infinity."""
    same = (unwrap(x) == unwrap(y)) & jnp.isinf(unwrap(x))
    return _where(same, jnp.zeros_like(unwrap(x)), x - y)


logaddexp: Primitive = elementwise(
    "logaddexp",
    jnp.logaddexp,
    lambda z, x, y: logistic(_difference(x, y)),
    lambda z, x, y: logistic(_difference(y, x)),
)
logaddexp2: Primitive = elementwise(
    "logaddexp2",
    jnp.logaddexp2,
    lambda z, x, y: logistic(math.log(2.0) * _difference(x, y)),
    lambda z, x, y: logistic(math.log(2.0) * _difference(y, x)),
)

# Trigonometric and hyperbolic functions with their inverses.
sin: Primitive = elementwise("sin", jnp.sin, lambda y, x: cos(x))
cos: Primitive = elementwise("cos", jnp.cos, lambda y, x: neg(sin(x)))
tan: Primitive = elementwise("tan", jnp.tan, lambda y, x: 1.0 + y * y)
# 1 - x² as a product without cancellation. From version 0.11 JAX has this operation too, in the derivative of tanh.
one_minus_square: Primitive = elementwise("one_minus_square", lambda x: (1 - x) * (1 + x), lambda y, x: -2.0 * x)
asin: Primitive = elementwise("asin", jnp.arcsin, lambda y, x: rsqrt(one_minus_square(x)))
acos: Primitive = elementwise("acos", jnp.arccos, lambda y, x: neg(rsqrt(one_minus_square(x))))
atan: Primitive = elementwise("atan", jnp.arctan, lambda y, x: square(1.0 / hypot(x, 1.0)))
atan2: Primitive = elementwise(
    "atan2",
    jnp.arctan2,
    lambda z, y, x: direction(x, y) / hypot(x, y),
    lambda z, y, x: neg(direction(y, x)) / hypot(x, y),
)


def _hypot_slope(z: Any, x: Any, y: Any) -> Any:
    """x/√(x² + y²), and ½ at the origin."""
    origin = unwrap(z) == 0
    return _where(origin, jnp.full_like(unwrap(z), 0.5), direction(x, _or_one(origin, y)))


# √(x² + y²) and x/√(x² + y²), computed without squares, which may overflow, underflow or absorb one another.
hypot: Primitive = elementwise("hypot", formulas.hypot, _hypot_slope, lambda z, x, y: _hypot_slope(z, y, x))
direction: Primitive = elementwise(
    "direction",  # x/√(x² + y²)
    lambda x, y: x / formulas.hypot(x, y),
    lambda c, x, y: square(direction(y, x)) / hypot(x, y),
    lambda c, x, y: neg(c * direction(y, x)) / hypot(x, y),
)
sinh: Primitive = elementwise("sinh", jnp.sinh, lambda y, x: cosh(x))
cosh: Primitive = elementwise("cosh", jnp.cosh, lambda y, x: sinh(x))
tanh: Primitive = elementwise("tanh", jnp.tanh, lambda y, x: 1.0 - y * y)
sech: Primitive = elementwise("sech", lambda x: formulas.sech(jnp.exp(-jnp.abs(x))), lambda y, x: neg(y * tanh(x)))
asinh: Primitive = elementwise("asinh", jnp.arcsinh, lambda y, x: 1.0 / hypot(x, 1.0))
acosh: Primitive = elementwise("acosh", jnp.arccosh, lambda y, x: rsqrt(x - 1.0) * rsqrt(x + 1.0))
atanh: Primitive = elementwise("atanh", jnp.arctanh, lambda y, x: 1.0 / one_minus_square(x))


# Functions of networks and of probability.
logistic: Primitive = elementwise(
    "logistic",
    lambda x: lax.logistic(jnp.asarray(x, float) if isinstance(x, int) else x),
    lambda y, x: 0.25 * square(sech(0.5 * x)),
)
erf: Primitive = elementwise("erf", special.erf, lambda y, x: 2.0 / _SQRT_PI * exp(neg(x * x)))
erfc: Primitive = elementwise("erfc", special.erfc, lambda y, x: -2.0 / _SQRT_PI * exp(neg(x * x)))
erf_inv: Primitive = elementwise("erf_inv", special.erfinv, lambda y, x: _SQRT_PI / 2.0 * exp(y * y))
lgamma: Primitive = elementwise("lgamma", special.gammaln, lambda y, x: digamma(x))
digamma: Primitive = elementwise("digamma", special.digamma, lambda y, x: polygamma(1.0, x))


def _no_slope_in_the_order(y: Any, m: Any, x: Any) -> Any:
    raise MissingRuleError(f"polygamma has no derivative by its order, at {user_line()}\nGive the order as a number.")


polygamma: Primitive = elementwise(
    "polygamma", formulas.polygamma, _no_slope_in_the_order, lambda y, m, x: polygamma(m + 1.0, x)
)


# Functions for which JAX's formula, with a selection or a difference, would lose the derivative.
def _over(x: Any, y: Any) -> Any:
    """x/y, and 0 for 0/0."""
    return x / _or_one((unwrap(x) == 0) & (unwrap(y) == 0), y)


xlogx: Primitive = elementwise("xlogx", lambda x: special.xlogy(x, x), lambda z, x: log(x) + 1.0)
xlogy: Primitive = elementwise("xlogy", special.xlogy, lambda z, x, y: log(y), lambda z, x, y: _over(x, y))
xlog1py: Primitive = elementwise(
    "xlog1py", special.xlog1py, lambda z, x, y: log1p(y), lambda z, x, y: _over(x, 1.0 + y)
)


relative_exponential: Primitive = elementwise(
    "relative_exponential",
    formulas.relative_exponential,
    lambda y, z, n: relative_exponential(z, n=n + 1),
    keywords=("n",),
)
relative_logarithm: Primitive = elementwise(
    "relative_logarithm", formulas.relative_logarithm, lambda y, x, n: relative_logarithm(x, n=n + 1), keywords=("n",)
)
# Li₂(1 - x), which JAX calls spence.
spence: Primitive = elementwise("spence", special.spence, lambda y, x: neg(relative_logarithm(x, n=0)))
# (x^p - 1)/p, and for p = 0 ln x, whose slope with respect to p is (ln x)²/2.
boxcox: Primitive = elementwise(
    "boxcox",
    special.boxcox,
    lambda y, x, p: power(x, p - 1.0),
    lambda y, x, p: square(log(x)) * relative_exponential(p * log(x), n=1),
)
logit: Primitive = elementwise("logit", special.logit, lambda y, x: 1.0 / x + 1.0 / (1.0 - x))
log1mexp: Primitive = elementwise(
    "log1mexp",  # ln(1 - e^{-x})
    lambda x: jnp.where(x < math.log(2.0), jnp.log(-jnp.expm1(-x)), jnp.log1p(-jnp.exp(-x))),
    lambda y, x: neg(exp(neg(x))) / expm1(neg(x)),
)
soft_sign: Primitive = elementwise(
    "soft_sign", lambda x: x / (jnp.abs(x) + 1), lambda y, x: square(1.0 / (abs_(x) + 1.0))
)
ndtr: Primitive = elementwise("ndtr", special.ndtr, lambda y, x: formulas.SQRT_HALF_OVER_PI * exp(-0.5 * square(x)))
ndtri: Primitive = elementwise("ndtri", special.ndtri, lambda y, x: exp(0.5 * square(y)) / formulas.SQRT_HALF_OVER_PI)


log_ndtr: Primitive = elementwise("log_ndtr", special.log_ndtr, lambda y, x: inverse_mills(x, n=0))
inverse_mills: Primitive = elementwise(
    "inverse_mills", formulas.inverse_mills, lambda y, x, n: inverse_mills(x, n=n + 1), keywords=("n",)
)


sinc: Primitive = elementwise("sinc", jnp.sinc, lambda y, x: sinc_derivative(x, n=1))
sinc_derivative: Primitive = elementwise(
    "sinc_derivative", formulas.sinc_derivative, lambda y, x, n: sinc_derivative(x, n=n + 1), keywords=("n",)
)

# Functions that are not smooth everywhere: the slopes are plain arrays, constants for every further derivative.
abs_: Primitive = elementwise("abs", jnp.abs, lambda y, x: _sign(unwrap(x)))
relu: Primitive = elementwise("relu", lambda x: jnp.maximum(x, 0), lambda y, x: jnp.where(unwrap(x) > 0, 1.0, 0.0))


def _sign(x: Any) -> Any:
    if jnp.iscomplexobj(x):
        raise real_only("the absolute value of a complex number is differentiated")
    return jnp.where(x >= 0, 1.0, -1.0)


def _share(x: Any, z: Any, y: Any) -> Any:
    """The slope of z = max(x, y) with respect to x: 1 where z is x alone, ½ where x = y, 0 elsewhere."""
    x, y, z = unwrap(x), unwrap(y), unwrap(z)
    return jnp.where(x == z, jnp.where(y == z, 0.5, 1.0), 0.0)


_shares = (lambda z, x, y: _share(x, z, y), lambda z, x, y: _share(y, z, x))
maximum: Primitive = elementwise("max", jnp.maximum, *_shares)
minimum: Primitive = elementwise("min", jnp.minimum, *_shares)


def _quotient(z: Any, x: Any, y: Any) -> Any:
    """The whole number q of z = x - q y. Rounding x/y instead would give q + 1 where x/y rounds up."""
    return jnp.round((unwrap(x) - unwrap(z)) / unwrap(y))


rem: Primitive = elementwise("rem", jnp.fmod, lambda z, x, y: 1.0, lambda z, x, y: neg(_quotient(z, x, y)))
mod: Primitive = elementwise("mod", jnp.mod, lambda z, x, y: 1.0, lambda z, x, y: neg(_quotient(z, x, y)))
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


# Functions of jax.nn whose formulas cancel in a tail, written with rows that do not.
def softplus(x: Any) -> Any:
    """ln(1 + eˣ)."""
    return logaddexp(x, 0.0)


def mish(x: Any) -> Any:
    """x tanh(ln(1 + eˣ)) = x σ(x + ln(1 + eˣ/2))."""
    return x * logistic(x + softplus(x - math.log(2.0)))


def gelu_tanh(x: Any) -> Any:
    """x (1 + tanh u)/2 = x σ(2u) with u = √(2/π) (x + 0.044715 x³)."""
    return x * logistic(math.sqrt(8.0 / math.pi) * x * (1.0 + 0.044715 * square(x)))


def squareplus(x: Any, b: Any = 4.0) -> Any:
    """(x + √(x² + b))/2; where the two terms would cancel, as (b/2)/(√(x² + b) - x)."""
    width = sqrt(b) if isinstance(b, Value) else jnp.sqrt(b)
    root = hypot(x, width)
    return _where(unwrap(x) < -unwrap(width), 0.5 * b / (root + abs_(x)), 0.5 * (x + root))


def boxcox1p(x: Any, p: Any) -> Any:
    """((1 + x)^p - 1)/p, and ln(1 + x) for p = 0."""
    return log1p(x) * relative_exponential(p * log1p(x), n=0)
