"""First to third derivatives of every elementwise row, in every mode and both precisions, against exact arithmetic.

The exact derivative at the very float argument is sympy's, evaluated by mpmath with as many digits as it takes. What
is computed may differ from it by `UNITS` rounding errors u = ε/2 of the result and of each argument:

    |got - D| ≤ UNITS u (|D| + Σ_i |x_i ∂D/∂x_i|)

so that it is right relative to its own size, at 0, in both tails, at tiny and at huge arguments, except near a zero
of D that is not at 0. A third derivative takes about ten operations in which errors add up, and JAX's own values are
right to a few u. Results below 1e5 times the smallest normal number count as zero: the processor flushes to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement, product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as onp
import pytest
import sympy

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad
from pinn_ac.autodiff.rules import TABLE, builders, elementwise

UNITS = 32
WIDTH = 32  # all points of a row are padded to one length, so that XLA compiles each operation once for all rows
INF = float("inf")
SMALL, LARGE = (1e-300, 1e-30, 1e-8), (1e30, 1e200)


def signed(*numbers: float) -> tuple[float, ...]:
    return tuple(s * x for x in numbers for s in (1.0, -1.0))


POSITIVE = (*SMALL, 0.3, 1.0, 2.5, 30.0, *LARGE)
NONZERO = signed(*POSITIVE)
REAL = (0.0, *NONZERO)
TAILS = (0.0, *signed(*SMALL, 0.3, 1.0, 2.5, 17.0, 37.42994775023705, 40.0, 300.0, 700.0))
UNIT = (0.0, *signed(*SMALL, 0.3, 0.7, 0.99, 1 - 1e-6, 1 - 2.0**-24, 1 - 2.0**-53))
GAMMA = (*POSITIVE, 1e-5, 50.0, 1e5, -0.3, -2.5, -2.000001, -0.99999)
MILLS = (0.0, *signed(1e-30, 0.3, 1.0, 1.4, 1.6, 4.0, 17.0), -35.0, 30.0)
PAIRS = tuple(product((1e-100, -1e-8, 0.7, -2.5, 1e200), (1e-100, 1e-8, 0.7, 2.5, 1e160)))
SUMS = tuple(product((-300.0, 0.0, 1.0, 37.5), (-40.0, 0.0, 1.0)))
POWERS = tuple(product((1e-100, 1e-10, 0.3, 1.0, 2.5, *LARGE), (-1.5, 0.1, 1.0, 2.0, 2.5)))


class Oracle(NamedTuple):
    """What a row is to be compared with.

    formula: of the function of x (and y), or those of its first partial derivatives, None for an argument without.
    points: arguments; those that a precision cannot hold are left out.
    limits: at points where the formula has no value: its first, second and third derivative.
    params: of the row.
    units: where it cannot be `UNITS`.
    absolute: compared with 1 where the derivative is smaller.
    """

    formula: str | tuple[str | None, ...]
    points: tuple[Any, ...]
    limits: tuple[tuple[float, tuple[float, float, float]], ...] = ()
    params: tuple[tuple[str, Any], ...] = ()
    units: float = UNITS
    absolute: bool = False

    @property
    def slots(self) -> list[int]:
        """The arguments with respect to which there are derivatives."""
        if isinstance(self.formula, str):
            return [0, 1] if isinstance(self.points[0], tuple) else [0]
        return [i for i, part in enumerate(self.formula) if part is not None]

    def points_in(self, dtype: Any) -> list[tuple[float, ...]]:
        """All points, rounded to the precision."""
        info = onp.finfo(dtype)
        points = [p if isinstance(p, tuple) else (p,) for p in (*self.points, *dict(self.limits))]
        held = [p for p in points if all(x == 0 or float(info.tiny) <= abs(x) <= float(info.max) for x in p)]
        return [tuple(float(onp.asarray(x, dtype)) for x in p) for p in held]


def at_ends(*, plus: tuple[float, float, float], minus: tuple[float, float, float]) -> Any:
    return ((1.0, plus), (-1.0, minus))


def at_zero(*derivatives: float) -> Any:
    return ((0.0, derivatives),)


def larger(x: str, y: str) -> str:
    return f"Piecewise((1, {x} > {y}), (0, {x} < {y}), (1/2, True))"


ORACLES: dict[str, Oracle] = {
    "add": Oracle("x + y", PAIRS),
    "sub": Oracle("x - y", PAIRS),
    "mul": Oracle("x*y", PAIRS),
    "neg": Oracle("-x", REAL),
    "div": Oracle("x/y", PAIRS),
    "square": Oracle("x**2", REAL),
    "integer_pow": Oracle("x**-3", NONZERO, at_zero(-INF, INF, -INF), (("y", -3),)),
    "exp": Oracle("exp(x)", TAILS),
    "exp2": Oracle("2**x", TAILS),
    "expm1": Oracle("exp(x) - 1", TAILS),
    "log": Oracle("log(x)", POSITIVE, at_zero(INF, -INF, INF)),
    "log1p": Oracle(
        "log(1 + x)", (0.0, *signed(*SMALL), *(-x for x in UNIT[-12:]), *POSITIVE), ((-1.0, (INF, -INF, INF)),)
    ),
    "sqrt": Oracle("sqrt(x)", POSITIVE, at_zero(INF, -INF, INF)),
    "rsqrt": Oracle("1/sqrt(x)", POSITIVE, at_zero(-INF, INF, -INF)),
    "cbrt": Oracle(("(x**2)**(-Rational(1, 3))/3",), NONZERO, at_zero(INF, -INF, INF)),
    "pow": Oracle("x**y", POWERS),
    "power_log": Oracle("x**y*log(x)", POWERS, params=(("n", 1),)),
    "logaddexp": Oracle("log(exp(x) + exp(y))", SUMS),
    "logaddexp2": Oracle("log(2**x + 2**y)/log(2)", SUMS),
    "sin": Oracle("sin(x)", REAL),
    "cos": Oracle("cos(x)", REAL),
    "tan": Oracle("tan(x)", (*REAL, 1.5707963267948966, -1.5707963)),
    "one_minus_square": Oracle("1 - x**2", UNIT),
    "asin": Oracle("asin(x)", UNIT, at_ends(plus=(INF, INF, INF), minus=(INF, -INF, INF))),
    "acos": Oracle("acos(x)", UNIT, at_ends(plus=(-INF, -INF, -INF), minus=(-INF, INF, -INF))),
    "atan": Oracle("atan(x)", (*REAL, 1e100, 1e70)),
    "atan2": Oracle(("y/(x**2 + y**2)", "-x/(x**2 + y**2)"), PAIRS),
    "hypot": Oracle("sqrt(x**2 + y**2)", (*PAIRS, (1e8, 1.0))),
    "direction": Oracle("x/sqrt(x**2 + y**2)", PAIRS),
    "sinh": Oracle("sinh(x)", TAILS),
    "cosh": Oracle("cosh(x)", TAILS),
    "tanh": Oracle("tanh(x)", REAL, absolute=True),
    "sech": Oracle("sech(x)", (*TAILS, *LARGE)),
    "asinh": Oracle("asinh(x)", (*REAL, 1e80)),
    "acosh": Oracle("acosh(x)", (1 + 2.0**-52, 1.1, 2.5, 1e8, *LARGE), ((1.0, (INF, -INF, INF)),)),
    "atanh": Oracle("atanh(x)", UNIT, at_ends(plus=(INF, INF, INF), minus=(INF, -INF, INF))),
    "logistic": Oracle("1/(1 + exp(-x))", (*TAILS, *signed(*LARGE))),
    "erf": Oracle("erf(x)", (*REAL, 5.0, -9.0, 26.0)),
    "erfc": Oracle("erfc(x)", (*REAL, 5.0, -9.0, 26.0)),
    "erf_inv": Oracle("erfinv(x)", UNIT, at_ends(plus=(INF, INF, INF), minus=(INF, -INF, INF))),
    "lgamma": Oracle(("polygamma(0, x)",), GAMMA),
    "digamma": Oracle(("polygamma(1, x)",), GAMMA),
    "polygamma": Oracle((None, "polygamma(3, y)"), tuple((2.0, y) for y in (*POSITIVE[2:], -2.5))),
    "sinc": Oracle(
        "sin(pi*x)/(pi*x)",
        (*signed(1e-30, 1e-8, 1e-3, 0.0999, 0.1, 0.3, 0.5, 1.0, 1.4, 7.0), 1e6, 1e15),
        at_zero(0.0, -(onp.pi**2) / 3, 0.0),
    ),
    "sinc_derivative": Oracle(
        ("diff(sin(pi*x)/(pi*x), x, 4)",),
        signed(1e-8, 1e-3, 0.3, 0.6, 0.95, 1.3, 7.0),
        at_zero(onp.pi**4 / 5, 0.0, -(onp.pi**6) / 7),
        (("n", 3),),
    ),
    "xlogx": Oracle("x*log(x)", POSITIVE, at_zero(-INF, INF, -INF)),
    "xlogy": Oracle("x*log(y)", (*PAIRS, (0.0, 0.5))),
    "xlog1py": Oracle("x*log(1 + y)", (*PAIRS, (0.0, -0.5), (2.0, -0.999999))),
    "logit": Oracle(
        "log(x/(1 - x))",
        tuple(x for x in (*UNIT, 0.5) if x > 0),
        ((0.0, (INF, -INF, INF)), (1.0, (INF, INF, INF))),
    ),
    "log1mexp": Oracle("log(1 - exp(-x))", (*SMALL, 0.3, 0.7, 2.5, 40.0, 400.0, 700.0), at_zero(INF, -INF, INF)),
    "ndtr": Oracle("erfc(-x/sqrt(2))/2", TAILS),
    "ndtri": Oracle(("sqrt(2*pi)*exp(erfinv(2*x - 1)**2)",), (1e-8, 0.02, 0.3, 0.5, 0.99, 1 - 2.0**-20)),
    # The next two: φ/Φ and its derivatives by a recurrence whose terms cancel by two or three digits near x = -1.4.
    "log_ndtr": Oracle("log(erfc(-x/sqrt(2))/2)", MILLS, units=512),
    "inverse_mills": Oracle("sqrt(2/pi)*exp(-x**2/2)/erfc(-x/sqrt(2))", MILLS, params=(("n", 0),), units=2048),
    "relative_exponential": Oracle(
        "(exp(x) - 1)/x", TAILS[1:], at_zero(1 / 2, 1 / 3, 1 / 4), params=(("n", 0),), units=512
    ),
    "relative_logarithm": Oracle(
        "log(x)/(x - 1)",
        (1e-30, 0.1, 0.69, 0.75, 0.9, 1 - 2.0**-20, 1 + 2.0**-20, 1.1, 1.31, 2.5, 30.0, 1e30),
        ((1.0, (-1 / 2, 2 / 3, -3 / 2)),),
        params=(("n", 0),),
        units=512,
    ),
    "spence": Oracle(
        ("log(x)/(1 - x)",), (1e-30, 0.1, 0.5, 0.99, 1.01, 1.5, 30.0), ((1.0, (-1.0, 1 / 2, -2 / 3)),), units=512
    ),
    "boxcox": Oracle("(x**y - 1)/y", tuple(product((0.3, 0.9, 2.5, 30.0), (-1.5, -1e-8, 0.1, 2.5))), units=512),
    "soft_sign": Oracle(("1/(1 + Abs(x))**2",), NONZERO),
    "abs": Oracle(("Piecewise((1, x >= 0), (-1, True))",), REAL),
    "relu": Oracle(("Piecewise((1, x > 0), (0, True))",), REAL),
    "max": Oracle((larger("x", "y"), larger("y", "x")), PAIRS),
    "min": Oracle((larger("y", "x"), larger("x", "y")), PAIRS),
    "rem": Oracle(
        ("1", "-sign(x/y)*floor(Abs(x/y))"), (*PAIRS, (0.8999999999999999, 0.3), (-0.8999999999999999, 0.3))
    ),
    "mod": Oracle(("1", "-floor(x/y)"), (*PAIRS, (0.8999999999999999, 0.3))),
    # Not rows, but functions of jax.nn and jax.numpy that are written with rows.
    "elu": Oracle(("Piecewise((1, x > 0), (exp(x), True))",), TAILS),
    "celu": Oracle(("Piecewise((1, x > 0), (exp(x), True))",), TAILS[1:]),
    "log_sigmoid": Oracle("-log(1 + exp(-x))", TAILS),
    "silu": Oracle("x/(1 + exp(-x))", TAILS, units=128),
    "gelu": Oracle("x*erfc(-x/sqrt(2))/2", TAILS[:-6], params=(("approximate", False),), units=128),
    "log2": Oracle("log(x)/log(2)", POSITIVE),
    "reciprocal": Oracle("1/x", NONZERO),
    "softplus": Oracle("log(1 + exp(x))", TAILS),
    "mish": Oracle("x*(exp(2*x) + 2*exp(x))/(exp(2*x) + 2*exp(x) + 2)", TAILS[::3], units=128),
    "gelu_tanh": Oracle("x*(1 + tanh(sqrt(2/pi)*(x + Rational(44715, 1000000)*x**3)))/2", TAILS[:-6], units=128),
    "squareplus": Oracle("(x + sqrt(x**2 + 4))/2", (*REAL, *signed(1e8, 1e60)), units=128),
}
LINEAR = {"clamp", "select_n"}  # constant slopes, which the tests below and those of test_rules look at


def elementwise_rows() -> set[str]:
    rows = [*vars(elementwise).values(), builders.add, builders.neg, builders.mul]
    return {name for name, row in TABLE.items() if any(row is found for found in rows)}


def test_every_elementwise_row_has_an_oracle():
    assert elementwise_rows() - LINEAR <= set(ORACLES)


X, Y = sympy.symbols("x y", real=True)


@cache
def derived(formula: str, slots: tuple[int, ...]) -> Any:
    """The derivative with respect to the arguments in `slots`, by sympy."""
    if not slots:
        return sympy.sympify(formula, {"x": X, "y": Y})
    return sympy.diff(derived(formula, slots[:-1]), (X, Y)[slots[-1]])


@cache
def formula_of(formula: str | tuple[str | None, ...], slots: tuple[int, ...]) -> Callable[..., Any]:
    """(x, y) ↦ the derivative with respect to the arguments in `slots`, in mpmath."""
    if not isinstance(formula, str):
        formula, slots = str(formula[slots[0]]), slots[1:]
    expression = derived(formula, slots)
    flat = lambda *_: sympy.Integer(0)  # noqa: E731  # the derivative of steps, of which no point is one
    for kind in (sympy.Derivative, sympy.Subs, sympy.DiracDelta):
        expression = expression.replace(kind, flat)
    # Where there are branches, one that is not taken must not be evaluated, as what is shared would be.
    return sympy.lambdify((X, Y), expression, "mpmath", cse=not expression.has(sympy.Piecewise))


@cache
def exact(formula: str | tuple[str | None, ...], slots: tuple[int, ...], point: tuple[float, ...]) -> Any:
    """To 20 digits at least: the digits are raised until they no longer matter. Raises ValueError for no value."""
    cancels = not any(name in str(formula) for name in ("gamma", "erf", "**y"))
    before = None
    for digits in (400, 1100, 2300) if cancels else (50, 100, 400):
        with mpmath.workdps(digits):
            try:
                now = mpmath.mpmathify(formula_of(formula, slots)(*map(mpmath.mpf, (*point, 0.0)[:2])))
            except ZeroDivisionError:  # a difference that needs more digits
                continue
            if before is not None and abs(now - before) <= abs(now) * mpmath.mpf(10) ** -20 and (now or digits > 100):
                return now
            before = now
    if before is None or not mpmath.isfinite(before):
        raise ValueError(f"{formula} has no derivative {slots} at {point}")
    return before


def forward(f: Callable[..., Any], slot: int) -> Callable[..., Any]:
    def slope(*xs: Any) -> Any:
        along = lambda x: f(*xs[:slot], x, *xs[slot + 1 :])  # noqa: E731
        return ad.jvp(along, (xs[slot],), (np.ones_like(xs[slot]),))[1]

    return slope


def reverse(f: Callable[..., Any], slot: int) -> Callable[..., Any]:
    return lambda *xs: ad.grad(lambda x: np.sum(f(*xs[:slot], x, *xs[slot + 1 :])))(xs[slot])


def derivatives(f: Callable[..., Any], slots: list[int], xs: list[Any]) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """(mode, slots differentiated, values) up to the third order."""
    for mode, rule in (("forward", forward), ("reverse", reverse)):
        known: dict[tuple[int, ...], Callable[..., Any]] = {(): f}
        for order in (1, 2, 3):
            for path in combinations_with_replacement(slots, order):
                known[path] = rule(known[path[:-1]], path[-1])
                yield mode, path, known[path](*xs)
    for slot in slots:
        curves = [[jnp.ones_like(x), None, None] if i == slot else [None] * 3 for i, x in enumerate(xs)]
        _, series = ad.taylor(f, xs, curves)
        for order, values in enumerate(series, 1):
            yield "taylor", (slot,) * order, values


def excess(got: float, oracle: Oracle, path: tuple[int, ...], point: tuple[float, ...], dtype: Any) -> float:
    """The error in units of what is allowed."""
    info, limits = onp.finfo(dtype), dict(oracle.limits)
    rounding = oracle.units * float(info.eps) / 2
    if point[0] in limits and len(point) == 1:
        right = limits[point[0]][len(path) - 1]
        return 0.0 if got == right else abs(got - right) / (rounding * abs(right) + 1e-300)
    right = exact(oracle.formula, path, point)
    if abs(right) > float(info.max) / 16 and not onp.isfinite(got):
        return 0.0 if got == float(mpmath.sign(right)) * INF else INF
    size = abs(right) + sum(
        abs(point[i] * exact(oracle.formula, tuple(sorted((*path, i))), point)) for i in oracle.slots
    )
    size = max(size, 1) if oracle.absolute else size
    return float(abs(mpmath.mpf(got) - right) / (rounding * size + 1e5 * float(info.tiny)))


def faults(name: str, dtype: Any) -> list[str]:
    """A line for every derivative of the row that is wrong somewhere."""
    oracle = ORACLES[name]
    row = TABLE[name] if name in TABLE else getattr(elementwise, name, None) or getattr(np, name)
    points = oracle.points_in(dtype)
    padded = points + [points[-1]] * (WIDTH - len(points))
    xs = [jnp.asarray(onp.array(column), dtype) for column in zip(*padded, strict=True)]
    lines = []
    for mode, path, values in derivatives(lambda *xs: row(*xs, **dict(oracle.params)), oracle.slots, xs):
        assert values.dtype == dtype
        for point, got in zip(points, onp.asarray(values, float), strict=False):
            error = excess(float(got), oracle, path, point, dtype)
            if not error <= 1:
                lines.append(f"{mode} {path} at {point}: {got}, {error:.1e} times the error allowed")
    return lines


@pytest.fixture(autouse=True)
def cube_roots_are_those_of_users(monkeypatch):
    """The emitter with which the tests compile takes them for powers, and rounds them worse than the one of users."""
    root = jax.jit(jnp.cbrt, compiler_options={"xla_cpu_use_fusion_emitters": True})
    monkeypatch.setitem(TABLE, "cbrt", replace(TABLE["cbrt"], evaluate=root))


@pytest.mark.landing
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", sorted(ORACLES))
def test_derivatives_are_right_relative_to_their_size(name, dtype):
    lines = faults(name, dtype)
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("expm1", lambda y, x: y + 1.0),
        ("logistic", lambda y, x: y * (1.0 - y)),
        ("asinh", lambda y, x: TABLE["rsqrt"](x * x + 1.0)),
        ("atanh", lambda y, x: 1.0 / ((1.0 - x) * (1.0 + x))),
        ("cbrt", lambda y, x: 1.0 / (3.0 * y * y)),
        ("sqrt", lambda y, x: 0.5 * (1 + 1e-14) / y),
    ],
)
def test_slopes_that_round_or_overflow_are_caught(name, slope, monkeypatch):
    monkeypatch.setitem(TABLE, name, TABLE[name])  # restores the row
    builders.elementwise(name, TABLE[name].evaluate, slope)
    assert faults(name, jnp.float64)


@pytest.mark.parametrize(
    ("name", "point", "gradient"),
    [
        ("hypot", (0.0, 0.0), (0.5, 0.5)),
        ("hypot", (0.0, -2.0), (0.0, -1.0)),
        ("logaddexp", (INF, INF), (0.5, 0.5)),
        ("logaddexp", (-INF, -INF), (0.5, 0.5)),
        ("logaddexp", (1.0, -INF), (1.0, 0.0)),
        ("logaddexp", (1.0, 1.0), (0.5, 0.5)),
        ("logaddexp2", (-3.0, -3.0), (0.5, 0.5)),
        ("pow", (0.0, 0.0), (0.0, 0.0)),
        ("pow", (0.0, 0.5), (INF, 0.0)),
        ("pow", (0.0, 1.0), (1.0, 0.0)),
        ("pow", (-2.0, 3.0), (12.0, None)),
        ("xlogy", (0.0, 0.5), (-0.6931471805599453, 0.0)),
        ("xlogy", (0.0, 0.0), (-INF, 0.0)),
        ("xlog1py", (0.0, -1.0), (-INF, 0.0)),
        ("boxcox", (2.0, 0.0), (0.5, 0.2402265069591007)),
        ("boxcox", (2.0, 1e-200), (0.5, 0.2402265069591007)),
        ("max", (-INF, -INF), (0.5, 0.5)),
        ("atan2", (0.0, -1.0), (-1.0, 0.0)),
    ],
)
def test_gradients_at_special_points(name, point, gradient):
    f = lambda x, y: TABLE[name](x, y)  # noqa: E731
    for slot, right in enumerate(gradient):
        if right is not None:
            assert ad.grad(f, slot)(*point) == pytest.approx(right, rel=1e-15)
            assert forward(f, slot)(*map(jnp.asarray, point)) == pytest.approx(right, rel=1e-15)


def test_scaling_by_a_power_of_two_is_linear():
    x = jnp.array([0.0, 1.0, 3.0, -1e-300])
    f = lambda x: np.ldexp(x, jnp.array([1, 1, -2, 10]))  # noqa: E731
    slope = [2.0, 2.0, 0.25, 1024.0]
    assert ad.jvp(f, (x,), (jnp.ones(4),))[1].tolist() == slope
    assert ad.grad(lambda x: np.sum(f(x)))(x).tolist() == slope
    assert [c.tolist() for c in ad.taylor(lambda x: f(x * x), (x,), ([jnp.ones(4), None],))[1]] == [
        [0.0, 4.0, 1.5, -2048e-300],
        [4.0, 4.0, 0.5, 2048.0],
    ]


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0])
def test_a_whole_real_power_has_all_its_derivatives_at_zero(p):
    f, right = lambda x: TABLE["pow"](x, p), [1.0, p, p * (p - 1), p * (p - 1) * (p - 2)]
    expected = [v if p == k else 0.0 for k, v in enumerate(right)][1:]
    _, series = ad.taylor(f, (0.0,), ([1.0, None, None],))
    assert [float(v) for v in series] == expected
    g = lambda x: ad.grad(f)(x)  # noqa: E731
    assert [float(ad.grad(f)(0.0)), float(ad.grad(g)(0.0)), float(ad.grad(ad.grad(g))(0.0))] == expected
