"""The functions of jax.numpy for traced values and plain arrays alike: `import pinn_ac.autodiff.numpy as np`.

The usual elementwise functions are single primitives. Every other name of jax.numpy and jax.numpy.linalg, and some of
jax.nn (`sigmoid`, `softplus`, `gelu`, ...), is looked up in JAX and replayed with our primitives. An operation
without one is refused by its name; docs/differentiation.md lists the usual ones. Without a traced argument the result
is JAX's own. Comparisons, rounding, `sign` and `argmax` give plain arrays, which are constants for every derivative.
Derivatives at ties and kinks are chosen as in JAX; see `rules.elementwise`.

>>> import pinn_ac.autodiff.numpy as np
>>> from pinn_ac.autodiff import grad
>>> grad(lambda x: np.sum(np.maximum(x, 0.0) ** 2))(np.array([-1.0, 3.0])).tolist()
[0.0, 6.0]
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as onp

from .errors import real_only
from .graph import Primitive, Value
from .graph import unwrap as _plain
from .jax_bridge.replay import from_library
from .rules import builders
from .rules import elementwise as rows


def _plain_or(function: Callable[..., Any], primitive: Primitive) -> Callable[..., Any]:
    """A function that calls our primitive if an argument is traced, and jax.numpy's function otherwise."""

    def apply(*args: Any) -> Any:
        return primitive(*args) if builtins.any(isinstance(a, Value) for a in args) else function(*args)

    apply.__name__, apply.__doc__ = primitive.name, function.__doc__
    return apply


_PRIMITIVES: dict[str, Primitive] = {
    "add": builders.add, "subtract": rows.sub, "multiply": builders.mul, "divide": rows.div, "true_divide": rows.div,
    "negative": builders.neg, "mod": rows.mod, "remainder": rows.mod, "fmod": rows.rem, "square": rows.square,
    "exp": rows.exp, "exp2": rows.exp2, "expm1": rows.expm1, "log": rows.log, "log1p": rows.log1p,
    "sqrt": rows.sqrt, "cbrt": rows.cbrt, "abs": rows.abs_, "absolute": rows.abs_, "fabs": rows.abs_,
    "logaddexp": rows.logaddexp, "sin": rows.sin, "cos": rows.cos, "tan": rows.tan, "arcsin": rows.asin,
    "arccos": rows.acos, "arctan": rows.atan, "arctan2": rows.atan2, "sinh": rows.sinh, "cosh": rows.cosh,
    "tanh": rows.tanh, "arcsinh": rows.asinh, "arccosh": rows.acosh, "arctanh": rows.atanh, "asin": rows.asin,
    "acos": rows.acos, "atan": rows.atan, "atan2": rows.atan2, "asinh": rows.asinh, "acosh": rows.acosh,
    "atanh": rows.atanh, "maximum": rows.maximum, "minimum": rows.minimum, "sinc": rows.sinc,
    "hypot": rows.hypot, "logaddexp2": rows.logaddexp2,
}  # fmt: skip
_ELSEWHERE: dict[str, Callable[..., Any]] = {
    **{name: getattr(jax.nn, name) for name in (
        "celu", "elu", "gelu", "leaky_relu", "log_sigmoid", "log_softmax", "logsumexp", "mish", "one_hot", "relu6",
        "selu", "silu", "soft_sign", "softmax", "softplus", "squareplus", "swish",
    )},
    "digamma": jax.scipy.special.digamma,
    "erfinv": jax.scipy.special.erfinv,
    "gammaln": jax.scipy.special.gammaln,
    "logit": jax.scipy.special.logit,
    "polygamma": jax.scipy.special.polygamma,
    "amax": jnp.max,
    "amin": jnp.min,
}  # fmt: skip
_CONSTANT = (
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
    "logical_not", "logical_xor", "isnan", "isinf", "isfinite", "sign", "floor", "ceil", "round", "rint", "trunc",
    "fix", "argmax", "argmin", "argsort", "shape", "ndim", "size", "any", "all", "allclose", "isclose", "array_equal",
    "zeros_like", "ones_like", "empty_like", "result_type", "floor_divide", "around", "count_nonzero",
    "nonzero", "searchsorted", "signbit", "iscomplexobj", "isreal", "isscalar", "digitize", "matrix_rank",
)  # fmt: skip


def _on_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the plain arrays inside its arguments: its results are constants."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = jax.tree.map(_plain, (args, kwargs))
        return function(*args, **kwargs)

    apply.__name__, apply.__doc__ = function.__name__, function.__doc__
    return apply


sigmoid = expit = _plain_or(jax.nn.sigmoid, rows.logistic)
relu = _plain_or(jax.nn.relu, rows.relu)
erf = _plain_or(jax.scipy.special.erf, rows.erf)
erfc = _plain_or(jax.scipy.special.erfc, rows.erfc)


def power(x: Any, p: Any) -> Any:
    """x^p. With a constant integer p it is differentiable at negative x and at x = 0 too."""
    if not isinstance(x, Value) and not isinstance(p, Value):
        return jnp.power(x, p)
    if isinstance(p, int) and not isinstance(p, bool):
        return rows.integer_pow(x, y=p) if p != 2 else rows.square(x)
    return rows.power(x, p)


pow = float_power = power


def array(x: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """An array from a number, an array, or nested lists of them; any of them may be traced."""
    if isinstance(x, Value):
        x = astype(x, dtype) if dtype is not None else x
        missing = kwargs.get("ndmin", 0) - len(x.shape)
        return from_library(jnp.reshape)(x, (1,) * missing + x.shape) if missing > 0 else x
    return from_library(jnp.array)(x, dtype=dtype, **kwargs)


asarray = array


def astype(x: Any, dtype: Any) -> Any:
    """x converted to `dtype`; converted to integers or bools it becomes a constant.

    Raises MissingRuleError for a traced x and complex numbers.
    """
    if isinstance(x, Value) and jnp.issubdtype(dtype, jnp.complexfloating):
        raise real_only("a traced value is converted to complex numbers")
    if not isinstance(x, Value) or not jnp.issubdtype(dtype, jnp.floating):
        return jnp.asarray(_plain(x)).astype(dtype)
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    return x if x.dtype == dtype else builders.convert_element_type(x, new_dtype=dtype)


class _Joining:
    """`r_` or `c_`, which join what is in their brackets."""

    def __init__(self, joining: Any):
        self._join = from_library(lambda key: joining[key])

    def __getitem__(self, key: Any) -> Any:
        return self._join(key)


def _resolve(name: str, module: Any) -> Any:
    """The function or constant `name` of a module of JAX's, made fit for traced values."""
    found = _ELSEWHERE[name] if module is jnp and name in _ELSEWHERE else getattr(module, name, None)
    if found is None:
        raise AttributeError(f"neither pinn_ac.autodiff.numpy nor jax.numpy has a function '{name}'")
    if module is jnp and name in ("r_", "c_"):
        return _Joining(found)
    if not callable(found) or isinstance(found, type):
        return found
    if name in _CONSTANT:
        return _on_plain(found)
    function = _plain_or(found, _PRIMITIVES[name]) if module is jnp and name in _PRIMITIVES else from_library(found)
    for method in ("reduce", "accumulate", "outer", "at", "reduceat"):  # methods of universal functions
        if hasattr(found, method):
            setattr(function, method, from_library(getattr(found, method)))
    return function


class _LinearAlgebra:
    """The functions of jax.numpy.linalg, made fit for traced values."""

    def __getattr__(self, name: str) -> Any:
        return _resolve(name, jnp.linalg)


linalg = _LinearAlgebra()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    globals()[name] = found = _resolve(name, jnp)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(jnp), *_ELSEWHERE})


# Operators and methods of traced values: operators are primitives, methods are functions of this module.


def _getitem(x: Any, index: Any) -> Any:
    return x[onp.asarray(index) if isinstance(index, list) else index]


_indexed = from_library(_getitem)


def _iterate(x: Value) -> Iterator[Any]:
    return iter([_indexed(x, i) for i in range(_length(x))])


def _length(x: Value) -> int:
    if not x.shape:
        raise TypeError("len() of a traced scalar")
    return x.shape[0]


def _binary(operation: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return lambda x, y: operation(x, y), lambda x, y: operation(y, x)


def _on_arrays(name: str) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: _resolve_here(name)(x, *args, **kwargs)


def _resolve_here(name: str) -> Callable[..., Any]:
    return globals().get(name) or __getattr__(name)


class _At:
    """The updates x.at[index].add(y), .set(y), ..., which return a changed copy, as in JAX."""

    def __init__(self, x: Any, index: Any = None):
        self.x, self.index = x, index

    def __getitem__(self, index: Any) -> _At:
        return _At(self.x, index)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *args, **settings: _at(self.x, self.index, method, *args, **settings)


def _change(x: Any, index: Any, method: str, *args: Any, **settings: Any) -> Any:
    return getattr(x.at[index], method)(*args, **settings)


_at = from_library(_change)


def _reshape(x: Any, *shape: Any, **kwargs: Any) -> Any:
    return _resolve_here("reshape")(x, shape[0] if len(shape) == 1 else shape, **kwargs)


def _transpose(x: Any, *axes: Any) -> Any:
    return _resolve_here("transpose")(x, axes[0] if len(axes) == 1 else (axes or None))


def _real_part(x: Value) -> Value:
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise real_only("the real part of a complex number is taken")
    return x


def _install() -> None:
    operators: dict[str, Callable[..., Any]] = {
        "add": builders.add, "sub": rows.sub, "mul": builders.mul, "truediv": rows.div, "pow": power, "mod": rows.mod,
        "matmul": _on_arrays("matmul"), "floordiv": _on_arrays("floor_divide"),
    }  # fmt: skip
    for name, operation in operators.items():
        left, right = _binary(operation)
        setattr(Value, f"__{name}__", left)
        setattr(Value, f"__r{name}__", right)
    for name, function in {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
                           "ge": "greater_equal"}.items():  # fmt: skip
        setattr(Value, f"__{name}__", _on_arrays(function))
    methods = (
        "sum", "mean", "prod", "max", "min", "var", "std", "cumsum", "cumprod", "ravel", "squeeze", "swapaxes", "dot",
        "trace", "diagonal", "repeat", "take", "clip", "argmax", "argmin", "argsort", "round", "sort", "all", "any",
    )  # fmt: skip
    for name in methods:
        setattr(Value, name, _on_arrays(name))
    more: dict[str, Any] = {
        "__neg__": lambda x: builders.neg(x), "__pos__": lambda x: x, "__abs__": lambda x: rows.abs_(x),
        "__len__": _length, "__divmod__": lambda x, y: _resolve_here("divmod")(x, y),
        "__round__": _on_arrays("round"),
        "__rdivmod__": lambda x, y: _resolve_here("divmod")(y, x),
        "__getitem__": lambda x, index: _indexed(x, index), "__iter__": _iterate, "astype": astype,
        "reshape": _reshape, "transpose": _transpose, "flatten": _on_arrays("ravel"), "at": property(_At),
        "T": property(_transpose), "mT": property(lambda x: _resolve_here("matrix_transpose")(x)),
        "real": property(_real_part), "copy": lambda x: x,
        "item": lambda x: x.__float__(),
    }  # fmt: skip
    for name, member in more.items():
        setattr(Value, name, member)


_install()
