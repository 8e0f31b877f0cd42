"""How a line of the Wengert list is written on paper: names with dots and bars, operations, local derivatives.

An operation is a sympy formula of its operands a0, a1, …, and sympy differentiates it. Formulas are written with the
names of the nodes (`v₋₁ × v₀`), with their values (`2 × 5`), or as LaTeX.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from sympy import Expr

from pinn_ac.autodiff import Graph, Node
from pinn_ac.autodiff.graph import unwrap
from pinn_ac.lessons.symbolic import symbolic_derivative

_LOWER = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")
_UPPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DOT, _BAR = "\u0307", "\u0304"
_SUM, _PRODUCT, _ATOM = range(3)

Look = Mapping[str, str]
"""Symbol of a formula → the text that is written for it."""


class Sigmoid(sympy.Function):
    """σ(a) = 1/(1 + e^{−a}), whose derivative sympy shall write with σ itself."""

    _imp_ = staticmethod(lambda a: 1 / (1 + math.e ** (-a)))  # sympy calls it to evaluate σ of a number

    def fdiff(self, argindex: int = 1) -> Expr:
        """σ (1 − σ)."""
        return self * (1 - self)


class Cbrt(sympy.Function):
    """The real cube root, of negative numbers too, where sympy's is complex."""

    _imp_ = staticmethod(math.cbrt)

    def fdiff(self, argindex: int = 1) -> Expr:
        """1/(3 ∛a²)."""
        return 1 / (3 * self**2)


def _kept(kind: type, *arguments: Any) -> Expr:
    return kind(*arguments, evaluate=False)


def _times(a: Any, b: Any) -> Expr:
    return _kept(sympy.Mul, a, b)


CONSTANTS = {sympy.pi: "π", sympy.E: "e"}
OPERATIONS: dict[str, Callable[..., Expr]] = {
    "add": lambda a, b: _kept(sympy.Add, a, b),
    "sub": lambda a, b: _kept(sympy.Add, a, _times(-1, b)),
    "mul": _times,
    "div": lambda a, b: _times(a, _kept(sympy.Pow, b, -1)),
    "neg": lambda a: _times(-1, a),
    "pow": lambda a, b: _kept(sympy.Pow, a, b),
    "integer_pow": lambda a, y: _kept(sympy.Pow, a, y),
    "square": lambda a: _kept(sympy.Pow, a, 2),
    "exp2": lambda a: _kept(sympy.Pow, 2, a),
    "expm1": lambda a: sympy.exp(a) - 1,
    "log1p": lambda a: sympy.log(1 + a),
    "rsqrt": lambda a: 1 / sympy.sqrt(a),
    "abs": sympy.Abs,
    "max": sympy.Max,
    "min": sympy.Min,
    "relu": lambda a: sympy.Max(0, a),
    "logistic": Sigmoid,
    "copy": lambda a: a,
    **{name: getattr(sympy, name) for name in (
        "exp", "log", "sqrt", "cbrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh",
        "asinh", "acosh", "atanh", "erf", "erfc",
    )},
}  # fmt: skip
"""Name of a primitive → its formula, a function of the operands; operations on whole arrays have none."""

_NAMES = {"log": "ln", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sigmoid": "σ", "heaviside": "step"}


def number(x: Any) -> str:
    """A value as in the notes, with at most three decimals; vectors are shortened, matrices shown by their shape."""
    x = unwrap(x)
    try:
        values = np.asarray(x, float)
    except Exception:  # inside jit there are no values
        return "×".join(map(str, x.shape)) + " numbers" if getattr(x, "shape", ()) else "·"
    if values.ndim == 0:
        return _scalar(float(values))
    if values.ndim == 1:
        texts = [_scalar(v) for v in (values if values.size <= 4 else values[[0, 1, -1]])]
        return "[" + ", ".join(texts if values.size <= 4 else [*texts[:2], "…", texts[2]]) + "]"
    return "×".join(map(str, values.shape)) + " numbers"


def _scalar(x: float) -> str:
    if not np.isfinite(x):
        return str(x).replace("-", "−")
    small = x != 0 and not 5e-4 <= abs(x) < 1e6
    text = f"{x:.3g}" if small else f"{x:.3f}".rstrip("0").rstrip(".")
    return ("0" if text == "-0" else text).replace("-", "−")


def width(text: str) -> int:
    """The number of columns that a text takes in a terminal; dots and bars above letters take none."""
    return sum(not unicodedata.combining(c) for c in text)


def pretty(name: str) -> str:
    """The name with digits at its end as subscripts: `x1` as x₁."""
    stem = name.rstrip("0123456789")
    return stem + name[len(stem) :].translate(_LOWER) if stem else name


def latex_name(name: str) -> str:
    """The name as LaTeX: `x1` as x_{1}, `u_xx` as u_{xx}."""
    head, _, tail = name.partition("_")
    stem = head.rstrip("0123456789")
    lower = head[len(stem) :] + ("," if head != stem and tail else "") + tail
    return f"{stem}_{{{lower}}}" if lower else stem


@dataclass(frozen=True)
class Notation:
    """The names of a graph's nodes.

    Args:
        graph: from `trace`.
        letter: the letter in the name of every node.
        first: the number of the first input; by default the last input has the number 0, as in v₋₁, v₀, v₁, ….
        inputs: the names of the inputs; by default x, or x1, x2, ….
        output: the name of the result.
    """

    graph: Graph
    letter: str = "v"
    first: int | None = None
    inputs: tuple[str, ...] = ()
    output: str = "y"

    def index(self, node: Node) -> int:
        """The number in the node's name."""
        return node.index + (1 - len(self.graph.inputs) if self.first is None else self.first)

    def name(self, node: Node, mark: str = "") -> str:
        """The node's name: v₂, or with `mark` "dot" v̇₂ and with "bar" v̄₂."""
        return marked(self.letter, mark) + str(self.index(node)).translate(_LOWER)

    def latex(self, node: Node, mark: str = "") -> str:
        """The node's name as LaTeX."""
        letter = f"\\{mark}{{{self.letter}}}" if mark else self.letter
        return f"{letter}_{{{self.index(node)}}}"

    def input_name(self, node: Node) -> str:
        """The name of an input."""
        if self.inputs:
            return self.inputs[node.index]
        return "x" if len(self.graph.inputs) == 1 else f"x{node.index + 1}"

    def output_name(self, position: int) -> str:
        """The name of an output: y, or y1, y2, … if there are several."""
        return self.output if len(self.graph.outputs) == 1 else f"{self.output}{position + 1}"


def marked(name: str, mark: str) -> str:
    """The name with a dot or a bar above its first letter."""
    return unicodedata.normalize("NFC", name[0] + {"": "", "dot": _DOT, "bar": _BAR}[mark] + name[1:])


def symbol(name: str) -> sympy.Symbol:
    """A real symbol of sympy's."""
    return sympy.Symbol(name, real=True)


def operation(node: Node) -> Expr | None:
    """The node's formula in a0, a1, …; None if it has none."""
    if node.primitive is None or node.name not in OPERATIONS:
        return None
    return _operation(node.name, _constants(node), tuple(sorted(node.params.items())))


def partial(node: Node, slot: int) -> Expr | None:
    """The local derivative ∂node/∂a_slot by sympy; None if the operation has no formula."""
    formula = operation(node)
    return None if formula is None else _partial(formula, f"a{slot}")


def local_derivative(node: Node, slot: int) -> Any:
    """The value of ∂node/∂a_slot by our own VJP rule; None unless node and operand are scalars."""
    operand = node.operands[slot]
    if node.primitive is None or np.shape(unwrap(operand)) != () or node.value.shape != ():
        return None
    found = node.primitive.vjp(np.ones((), node.value.dtype), slot, node.value, *node.operands, **node.params)
    return 0.0 if found is None else found


def _constants(node: Node) -> tuple[Any, ...]:
    return tuple(None if isinstance(a, Node) else _constant(node, a) for a in node.arguments)


def _constant(node: Node, x: Any) -> Any:
    """A constant of the function: a scalar as sympy's number, an array as its text."""
    x = unwrap(x)
    if np.shape(x) != ():
        return number(x)
    value = float(x)
    if value.is_integer():
        return sympy.Integer(int(value))
    short = sympy.Rational(value).limit_denominator(16)
    return short if node.name == "pow" and float(short) == value else sympy.Float(value)


@lru_cache(maxsize=1024)
def _operation(name: str, constants: tuple[Any, ...], params: tuple[tuple[str, Any], ...]) -> Expr:
    operands = [
        symbol(f"a{i}") if c is None else symbol(c) if isinstance(c, str) else c for i, c in enumerate(constants)
    ]
    return OPERATIONS[name](*operands, **dict(params))


@lru_cache(maxsize=1024)
def _partial(formula: Expr, name: str) -> Expr:
    return symbolic_derivative(formula, name)[0] if symbol(name) in formula.free_symbols else sympy.Integer(0)


def latex(formula: Expr, look: Look, times: str = r" \, ", flat: bool = False) -> str:
    """The formula as LaTeX.

    Args:
        formula: to be written.
        look: the LaTeX of its symbols.
        times: the sign between factors.
        flat: write short fractions on one line.
    """
    floats = {f: symbol(number(float(f)).replace("−", "-")) for f in formula.atoms(sympy.Float)}
    names = {s: look.get(s.name, s.name) for s in formula.free_symbols}
    options: dict[str, Any] = {"ln_notation": True, "order": "none", "mul_symbol": times, "fold_short_frac": flat}
    text = sympy.latex(formula.xreplace(floats), symbol_names=names, fold_func_brackets=True, **options)
    text = re.sub(r"\\ln\{\\left\((\w_\{-?\d+\}) \\right\)\}", r"\\ln {\1}", text)
    return text.replace(r"\operatorname", r"\mathrm").replace(r"\tfrac", r"\frac")


def write(formula: Expr, look: Look) -> str:
    """The formula as text, with the names or numbers of `look` for its symbols."""
    return _write(formula, look)[0]


def _write(e: Expr, look: Look) -> tuple[str, int]:
    if e in CONSTANTS:
        return CONSTANTS[e], _ATOM
    if e.is_Symbol:
        text = look.get(e.name, e.name)
        return text, _SUM if text.startswith("−") else _ATOM
    if e.is_Add:
        return _write_sum([_write(term, look)[0] for term in e.args]), _SUM
    if (e.is_Rational and not e.is_Integer) or e.is_Mul:
        return _write_product(e, look)
    if e.is_Number:
        text = number(float(e))
        return text, _SUM if text.startswith("−") else _ATOM
    if isinstance(e, sympy.exp):
        return "e^" + _inside(e.args[0], look), _PRODUCT
    return _write_power(e, look) if e.is_Pow else _write_call(e, look)


def _inside(e: Expr, look: Look, least: int = _ATOM) -> str:
    text, rank = _write(e, look)
    return text if rank >= least else f"({text})"


def _write_sum(terms: list[str]) -> str:
    text = terms[0]
    for term in terms[1:]:
        text += f" − {term[1:]}" if term.startswith("−") else f" + {term}"
    return text


def _write_product(e: Expr, look: Look) -> tuple[str, int]:
    negative, above, below = False, [], []
    for factor in _factors(e):
        if factor == -1:
            negative = not negative
        elif factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
            below.append(_kept(sympy.Pow, factor.base, -factor.exp) if factor.exp != -1 else factor.base)
        elif factor.is_Rational and not factor.is_Integer:
            above += [sympy.Integer(factor.p)] if factor.p != 1 else []
            below.append(sympy.Integer(factor.q))
        else:
            above.append(factor)
    texts = [_inside(f, look, _PRODUCT) for f in above] or ["1"]
    if above and _write(above[0], look)[0].startswith("−") and not above[0].is_Add:
        texts[0] = _write(above[0], look)[0]
    text = " × ".join(texts)
    if below:
        under = " × ".join(_inside(f, look, _PRODUCT if len(below) > 1 else _ATOM) for f in below)
        text += f" / ({under})" if len(below) > 1 else f" / {under}"
    if negative:
        text = text[1:] if text.startswith("−") else "−" + text
    return text, _SUM if text.startswith("−") else _PRODUCT


def _factors(e: Expr) -> list[Expr]:
    return [f for arg in e.args for f in _factors(arg)] if e.is_Mul else [e]


def _write_power(e: Expr, look: Look) -> tuple[str, int]:
    if e.exp.is_number and e.exp.is_negative:
        return _write_product(e, look)
    if e.exp == sympy.Rational(1, 2):
        return "√" + _inside(e.base, look), _ATOM
    base = f"({write(e.base, look)})" if e.base.is_Pow else _inside(e.base, look)
    if e.exp.is_Integer:
        return base + str(e.exp).translate(_UPPER), _ATOM
    return f"{base}^{_inside(e.exp, look)}", _PRODUCT


def _write_call(e: Expr, look: Look) -> tuple[str, int]:
    if isinstance(e, sympy.Abs):
        return f"|{write(e.args[0], look)}|", _ATOM
    name = type(e).__name__.lower()
    name = _NAMES.get(name, name)
    if len(e.args) == 1 and _write(e.args[0], look)[1] == _ATOM:
        return f"{name} {write(e.args[0], look)}", _PRODUCT
    return f"{name}({', '.join(write(a, look) for a in e.args)})", _ATOM
