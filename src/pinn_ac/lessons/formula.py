"""Parser for a formula that the user types. Nothing of it is executed as Python. The grammar:

sum    = term {(+|-) term}            power  = atom [(** | ^) signed]      right to left: 2^3^2 = 2^9
term   = signed {(*|/) signed}        atom   = number | name | name(sum) | (sum)
signed = {+|-} power                  so −x^2 is −(x^2)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import mpmath
import sympy

import pinn_ac.autodiff.numpy as np
from pinn_ac.errors import InputError
from pinn_ac.lessons.notation import Cbrt, Sigmoid

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "ln": np.log, "log": np.log, "exp": np.exp, "sqrt": np.sqrt, "cbrt": np.cbrt, "abs": np.abs, "sin": np.sin,
    "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "arcsin": np.arcsin,
    "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "erf": np.erf,
    "sigmoid": np.sigmoid,
}  # fmt: skip
SYMBOLIC: dict[str, Callable[[Any], Any]] = {
    "ln": sympy.log, "abs": sympy.Abs, "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan,
    "sigmoid": Sigmoid, "cbrt": Cbrt,
}  # fmt: skip
EXACT: dict[str, Callable[[Any], Any]] = {
    "abs": abs, "arcsin": mpmath.asin, "arccos": mpmath.acos, "arctan": mpmath.atan,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}  # fmt: skip
CONSTANTS = {"pi": jnp.pi, "e": jnp.e}
LONGEST, DEEPEST = 500, 60
_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|([^\W\d]\w*)|(\*\*|[-+*/^(),]))")


class Token(NamedTuple):
    """A token: its kind (number, name, sign or end), its text, and its position in the formula."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Term:
    """A node of the syntax tree; `operation` is number, name, call, neg or one of + - * / ^."""

    operation: str
    text: str = ""
    parts: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Formula:
    """A parsed formula: its text, its syntax tree, and its variables in the order of appearance."""

    text: str
    tree: Term
    names: tuple[str, ...]

    def __call__(self, /, **values: Any) -> Any:
        """The value by `pinn_ac.autodiff.numpy`; the values of the variables may be traced."""
        return _evaluate(self.tree, lambda text: values[text], np.power, FUNCTIONS, float, CONSTANTS)

    def exact(self, values: Mapping[str, Any]) -> Any:
        """The value in mpmath's working precision; None if it is not a finite real number."""
        functions = {name: EXACT.get(name) or getattr(mpmath, name) for name in FUNCTIONS}
        constants = {"pi": mpmath.mpf(mpmath.pi), "e": mpmath.mpf(mpmath.e)}
        try:
            value = _evaluate(self.tree, lambda text: values[text], mpmath.power, functions, mpmath.mpf, constants)
        except (ArithmeticError, ValueError):  # a pole, or a function beyond its domain
            return None
        return value if isinstance(value, mpmath.mpf) and mpmath.isfinite(value) else None

    def symbolic(self) -> sympy.Expr:
        """The formula as sympy's expression of real symbols."""
        functions = {name: SYMBOLIC.get(name) or getattr(sympy, name) for name in FUNCTIONS}
        constants = {"pi": sympy.pi, "e": sympy.E}
        variable = lambda text: sympy.Symbol(text, real=True)  # noqa: E731
        return _evaluate(self.tree, variable, sympy.Pow, functions, sympy.nsimplify, constants)


def parse(text: str) -> Formula:
    """Parse a formula.

    Raises:
        InputError: the text is not a formula; the message is one sentence, with a caret below the position.
    """
    if len(text) > LONGEST:
        raise InputError(f"The formula has {len(text)} characters: shorten it to at most {LONGEST}.")
    parser = _Parser(text)
    tree = parser.sum(0)
    parser.expect("end", "an operator or the end is expected here")
    return Formula(text.strip(), tree, tuple(dict.fromkeys(parser.variables)))


def assign(formula: Formula, words: Sequence[str]) -> dict[str, float]:
    """The values of the variables from words such as `x1=2`, in the order of the words.

    Raises:
        InputError: a word is not of this form, or a variable is missing, unknown or given twice.
    """
    values: dict[str, float] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name.isidentifier():
            raise InputError(f"'{word}' is not of the form name=value, such as x1=2.")
        if name not in formula.names:
            raise InputError(f"The formula has no variable {name}, only {', '.join(formula.names) or 'numbers'}.")
        if name in values:
            raise InputError(f"{name} is given twice.")
        number = parse(text)
        if number.names:
            raise InputError(f"{word}: give a number, not another variable.")
        values[name] = float(number())
    missing = [name for name in formula.names if name not in values]
    if missing:
        have = "has" if len(missing) == 1 else "have"
        raise InputError(f"{' and '.join(missing)} {have} no value: add {' '.join(f'{name}=1' for name in missing)}.")
    return values


def _evaluate(
    tree: Term,
    variable: Callable[[str], Any],
    power: Callable[[Any, Any], Any],
    functions: Mapping[str, Callable[[Any], Any]],
    number: Callable[[str], Any],
    constants: Mapping[str, Any],
) -> Any:
    def of(term: Term) -> Any:
        parts = [of(part) for part in term.parts]
        match term.operation:
            case "number":
                return number(term.text)
            case "name":
                return constants[term.text] if term.text in constants else variable(term.text)
            case "call":
                return functions[term.text](parts[0])
            case "^":
                return power(parts[0], _exponent(parts[1]))
            case "neg":
                return -parts[0]
            case "+":
                return parts[0] + parts[1]
            case "-":
                return parts[0] - parts[1]
            case "*":
                return parts[0] * parts[1]
        return np.divide(*parts) if functions is FUNCTIONS else parts[0] / parts[1]

    return of(tree)


def _exponent(p: Any) -> Any:
    """The exponent; small whole numbers as integers, so that powers of negative numbers are differentiable."""
    return int(p) if isinstance(p, float) and p.is_integer() and abs(p) <= 64 else p


class _Parser:
    def __init__(self, text: str):
        self.text, self.variables = text, list[str]()
        self.tokens, self.at = self._tokens(), 0

    def _tokens(self) -> list[Token]:
        tokens, at = [], 0
        while self.text[at:].strip():
            match = _TOKEN.match(self.text, at)
            if match is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                raise self._fault(at, f"'{self.text[at]}' is not allowed in a formula")
            kind = ("number", "name", "sign")[match.lastindex - 1]  # type: ignore[operator]
            tokens.append(Token(kind, match.group(match.lastindex), match.start(match.lastindex)))  # type: ignore[arg-type]
            at = match.end()
        return [*tokens, Token("end", "", len(self.text.rstrip()))]

    def _fault(self, position: int, sentence: str) -> InputError:
        return InputError(f"{sentence}.\n  {self.text}\n  {' ' * position}^")

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> str | None:
        """Consume the next token and return its text if it is one of these signs; otherwise return None."""
        if self.next.kind == "sign" and self.next.text in texts:
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def expect(self, wanted: str, sentence: str) -> None:
        if wanted == "end" and self.next.text == ")":
            raise self._fault(self.next.position, "This parenthesis was never opened")
        if (self.next.kind if wanted == "end" else self.next.text) != wanted:
            raise self._fault(self.next.position, sentence[0].upper() + sentence[1:])
        self.at += 1

    def sum(self, depth: int) -> Term:
        term = self.term(depth)
        while sign := self.take("+", "-"):
            term = Term(sign, parts=(term, self.term(depth)))
        return term

    def term(self, depth: int) -> Term:
        factor = self.signed(depth)
        while sign := self.take("*", "/"):
            factor = Term(sign, parts=(factor, self.signed(depth)))
        return factor

    def signed(self, depth: int) -> Term:
        if depth > DEEPEST:
            raise self._fault(self.next.position, f"The formula is nested more than {DEEPEST} deep here")
        if self.take("-"):
            return Term("neg", parts=(self.signed(depth + 1),))
        return self.signed(depth + 1) if self.take("+") else self.power(depth)

    def power(self, depth: int) -> Term:
        base = self.atom(depth)
        return Term("^", parts=(base, self.signed(depth + 1))) if self.take("**", "^") else base

    def atom(self, depth: int) -> Term:
        token = self.next
        self.at += token.kind != "end"
        if token.kind == "number":
            return Term("number", token.text)
        if token.kind == "name":
            return self.named(token, depth)
        if token.text != "(":
            raise self._fault(token.position, "A number, a name or a parenthesis is expected here")
        return self.inside(token, depth)

    def inside(self, opened: Token, depth: int) -> Term:
        inner = self.sum(depth + 1)
        if self.next.kind == "end":
            raise self._fault(opened.position, "This parenthesis is never closed")
        self.expect(")", "an operator or a closing parenthesis is expected here")
        return inner

    def named(self, token: Token, depth: int) -> Term:
        opened = self.next
        if self.take("("):
            if token.text not in FUNCTIONS:
                raise self._fault(token.position, f"{token.text} is not a known function ({', '.join(FUNCTIONS)})")
            return Term("call", token.text, (self.inside(opened, depth),))
        if token.text in FUNCTIONS:
            raise self._fault(token.position, f"{token.text} needs its argument in parentheses")
        if token.text not in CONSTANTS:
            self.variables.append(token.text)
        return Term("name", token.text)
