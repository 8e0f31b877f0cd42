"""The three traces of a Wengert list as tables, laid out as in the lecture's notes: primal, tangent and adjoint.

v₂ = v₋₁ × v₀                    = 2 × 5          = 10
v̇₂ = v̇₋₁ × v₀ + v̇₀ × v₋₁         = 1 × 5 + 0 × 2  = 5
v̄₀ = v̄₀ + v̄₂ ∂v₂/∂v₀             = v̄₀ + v̄₂ × v₋₁  = −0.284 + 1 × 2  = 1.716
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import jax.numpy as jnp
import sympy

from pinn_ac.autodiff import Graph, Node, accumulation, tangents_of_nodes
from pinn_ac.autodiff.reverse import Step
from pinn_ac.lessons.notation import (
    Notation,
    marked,
    number,
    operation,
    partial,
    pretty,
    symbol,
    width,
    write,
)


@dataclass(frozen=True)
class Line:
    """One line of a trace: `name` = `rule` = `formula` = `numbers` = `value`. A part that adds nothing is "".

    Args:
        name: of the variable, v̄₀.
        rule: the chain rule with the local derivatives as symbols, v̄₃ ∂v₃/∂v₀.
        formula: the same with the local derivatives written out, v̄₃ × cos v₀.
        numbers: the same with numbers, −1 × cos 5.
        value: the value that is computed.
    """

    name: str
    rule: str
    formula: str
    numbers: str
    value: Any

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The parts as text, all but the first with an equals sign before them."""
        parts = (self.rule, self.formula, self.numbers, number(self.value))
        return (self.name, *("= " + part if part else "" for part in parts))  # type: ignore[return-value]


@dataclass(frozen=True)
class Trace:
    """One trace, its lines in the order in which they are computed.

    `upward` is for the adjoint trace, which the notes write from the bottom up.
    """

    title: str
    lines: tuple[Line, ...]
    upward: bool = False

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the lines in the order of the notes, without the columns that are empty in every line."""
        rows = [line.cells for line in (reversed(self.lines) if self.upward else self.lines)]
        used = [any(row[k] for row in rows) for k in range(5)]
        return [tuple(cell for cell, keep in zip(row, used, strict=True) if keep) for row in rows]

    def value(self, name: str) -> Any:
        """The last value of the variable that the trace calls `name`. Raises KeyError if there is none."""
        return {line.name: line.value for line in self.lines}[name]

    def __str__(self) -> str:
        rows = self.rows
        widths = [max(width(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
        lines = [
            "  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)) for row in rows
        ]
        return "\n".join([self.title, "─" * (sum(widths) + 2 * len(widths) - 2), *(line.rstrip() for line in lines)])

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in self.rows)
        css = "text-align:left;font-weight:600;padding:2px 0"
        return f'<table><caption style="{css}">{escape(self.title)}</caption>{body}</table>'


@dataclass(frozen=True)
class Tables:
    """The three traces of a graph."""

    primal: Trace
    tangent: Trace
    adjoint: Trace

    def __str__(self) -> str:
        return "\n\n".join(str(trace) for trace in (self.primal, self.tangent, self.adjoint))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        return "".join(trace._repr_html_() for trace in (self.primal, self.tangent, self.adjoint))


def tables(graph: Graph, seed: Sequence[Any] | None = None, rules: bool = False, **names: Any) -> Tables:
    """The primal, tangent and adjoint traces of a graph.

    Args:
        graph: from `trace`; arrays are shortened in the tables.
        seed: the tangents of the inputs; by default 1 for the first input and 0 for the others.
        rules: write the chain rule of the tangents with symbols ∂v/∂v too, as that of the adjoints always is.
        names: `letter`, `first`, `inputs` and `output`; see `Notation`.

    The adjoint trace is that of the sum of the outputs.
    """
    notation = Notation(graph, **names)
    return Tables(primal(notation), tangent(notation, seed, rules), adjoint(notation))


def _look(notation: Notation, node: Node) -> dict[str, str]:
    return {f"a{i}": notation.name(a) for i, a in enumerate(node.arguments) if isinstance(a, Node)}


def _numbers(node: Node) -> dict[str, str]:
    return {f"a{i}": number(x) for i, x in enumerate(node.operands)}


def _is_scalar(node: Node) -> bool:
    return node.value.shape == () and all(p.value.shape == () for p in node.parents)


def _call(notation: Notation, node: Node) -> str:
    inside = [notation.name(a) if isinstance(a, Node) else number(a) for a in node.arguments]
    return f"{node.name}({', '.join(inside)})"


def operation_text(notation: Notation, node: Node) -> str:
    """What the node computes, with the names of its operands: v₋₁ × v₀, or reduce_sum(v₃) where it has no formula."""
    if node.primitive is None:
        return pretty(notation.input_name(node))
    formula = operation(node)
    return _call(notation, node) if formula is None else write(formula, _look(notation, node))


def primal(notation: Notation) -> Trace:
    """The primal trace: the values, from the inputs to the outputs."""
    lines = []
    for node in notation.graph:
        formula = operation(node)
        scalar = formula is not None and _is_scalar(node)
        numbers = write(formula, _numbers(node)) if scalar else ""
        lines.append(Line(notation.name(node), "", operation_text(notation, node), numbers, node.value))
    return Trace("Forward primal trace ↓", (*lines, *_results(notation, "")))


def _results(notation: Notation, mark: str, values: Sequence[Any] | None = None) -> list[Line]:
    lines = []
    for position, out in enumerate(notation.graph.outputs):
        name = marked(pretty(notation.output_name(position)), mark)
        formula = notation.name(out, mark) if isinstance(out, Node) else ""
        value = notation.graph.output_values[position] if values is None else values[position]
        lines.append(Line(name, "", formula, "", value))
    return lines


def tangent(notation: Notation, seed: Sequence[Any] | None = None, rules: bool = False) -> Trace:
    """The tangent trace: v̇_i = Σ_j ∂v_i/∂v_j v̇_j, from the inputs to the outputs."""
    graph = notation.graph
    if seed is None:
        seed = [1.0] + [0.0] * (len(graph.inputs) - 1)
    seeds = [
        jnp.broadcast_to(jnp.asarray(s, n.value.dtype), n.value.shape)
        for s, n in zip(seed, graph.inputs, strict=True)
    ]
    tangents = tangents_of_nodes(graph, seeds)
    known = [jnp.zeros(n.value.shape) if t is None else t for n, t in zip(graph, tangents, strict=True)]
    lines = [_tangent_line(notation, node, known, rules) for node in graph]
    results = [known[o.index] if isinstance(o, Node) else jnp.zeros(()) for o in graph.outputs]
    return Trace("Forward tangent trace ↓", (*lines, *_results(notation, "dot", results)))


def _tangent_line(notation: Notation, node: Node, known: Sequence[Any], rules: bool) -> Line:
    name, value = notation.name(node, "dot"), known[node.index]
    if node.primitive is None:
        return Line(name, "", marked(pretty(notation.input_name(node)), "dot"), "", value)
    slots = [(i, a) for i, a in enumerate(node.arguments) if isinstance(a, Node)]
    rule = " + ".join(f"∂{notation.name(node)}/∂{notation.name(a)} × {notation.name(a, 'dot')}" for _, a in slots)
    partials = [partial(node, i) for i, _ in slots]
    if any(p is None for p in partials):
        return Line(name, rule if rules else "", "" if rules else rule, "", value)
    terms = [_product(symbol(f"d{i}"), p) for (i, _), p in zip(slots, partials, strict=True)]
    terms = [t for t in terms if t != 0] or [sympy.Integer(0)]
    total = sympy.Add(*terms, evaluate=False) if len(terms) > 1 else terms[0]
    dots = {f"d{i}": notation.name(a, "dot") for i, a in slots}
    values = {f"d{i}": number(known[a.index]) for i, a in slots}
    formula = write(total, _look(notation, node) | dots)
    numbers = write(total, _numbers(node) | values) if _is_scalar(node) else ""
    return Line(name, rule if rules else "", formula, numbers, value)


def _product(d: sympy.Symbol, p: sympy.Expr) -> sympy.Expr:
    """The product d p, which sympy may simplify only for p = 0 and 1."""
    return d * p if p in (0, 1) else sympy.Mul(d, p, evaluate=False)


def adjoint(notation: Notation) -> Trace:
    """The adjoint trace: v̄_j = Σ_i v̄_i ∂v_i/∂v_j, from the outputs back, with one line for each contribution."""
    graph = notation.graph
    adjoints: list[Any] = [None] * len(graph)
    seeds = [jnp.ones(v.shape, v.dtype) for v in graph.output_values]
    lines, before = _seed_lines(notation, seeds)
    seen: Counter[tuple[int, int]] = Counter()
    for step in accumulation(graph, seeds, adjoints):
        pair = step.node.index, step.parent.index
        slots = [i for i, a in enumerate(step.node.arguments) if a is step.parent]
        lines.append(_adjoint_line(notation, step, slots[seen[pair]], before))
        before[step.parent.index] = step.adjoint
        seen[pair] += 1
    for node in reversed(graph.inputs):
        name = marked(pretty(notation.input_name(node)), "bar")
        value = before.get(node.index, jnp.zeros(node.value.shape))
        lines.append(Line(name, "", notation.name(node, "bar"), "", value))
    return Trace("Reverse adjoint trace ↑ (read from the bottom up)", tuple(lines), upward=True)


def _seed_lines(notation: Notation, seeds: Sequence[Any]) -> tuple[list[Line], dict[int, Any]]:
    """The lines v̄ = ȳ = 1 of the outputs, and the adjoints known after them: node index → value."""
    lines: list[Line] = []
    known: dict[int, Any] = {}
    for position, (out, seed) in enumerate(zip(notation.graph.outputs, seeds, strict=True)):
        if isinstance(out, Node):
            name, result = notation.name(out, "bar"), marked(pretty(notation.output_name(position)), "bar")
            rule = f"{name} + {result}" if out.index in known else result
            known[out.index] = known[out.index] + seed if out.index in known else seed
            lines.append(Line(name, "", rule, "", known[out.index]))
    return lines, known


def _adjoint_line(notation: Notation, step: Step, slot: int, before: Mapping[int, Any]) -> Line:
    node, parent = step.node, step.parent
    name, bar = notation.name(parent, "bar"), notation.name(node, "bar")
    first = parent.index not in before
    sofar, known = ("", "") if first else (f"{name} + ", f"{number(before[parent.index])} + ")
    rule = f"{sofar}{bar} ∂{notation.name(node)}/∂{notation.name(parent)}"
    p = partial(node, slot)
    if p is None:
        return Line(name, rule, "", "", step.adjoint)
    sign = "Σ " if parent.value.size < node.value.size else ""  # what was broadcast forward is summed on the way back
    formula = sofar + sign + _weighted(bar, p, _look(notation, node))
    numbers = known + _weighted(number(before[node.index]), p, _numbers(node)) if _is_scalar(node) else ""
    return Line(name, rule, formula, numbers.replace("+ −", "− "), step.adjoint)


def _weighted(bar: str, p: sympy.Expr, look: Mapping[str, str]) -> str:
    """The text of v̄ × p; factors 1 and (−1) are written out, as in the notes."""
    if p in (1, -1):
        return f"{bar} × {'1' if p == 1 else '(−1)'}"
    return write(sympy.Mul(symbol("d"), p, evaluate=False), {**look, "d": bar})
