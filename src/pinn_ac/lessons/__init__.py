"""The lecture as runnable lessons: each prints its tables and writes its figures; see `command`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from pinn_ac.lessons import (
    allen_cahn,
    chain_rule,
    every_node,
    linear_regression,
    product_plus_sine,
    three_ways,
    try_it,
)
from pinn_ac.lessons.page import Page


class Lesson(NamedTuple):
    """A lesson: its subject in one line, and the function that prints it on a page."""

    summary: str
    teach: Callable[[Page], None]


LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {
        "allen_cahn": Lesson(
            "the equation, its residual f and the loss L, with our own derivatives and gradient", allen_cahn.teach
        ),
        "linear_regression": Lesson("fit y = wx + b by gradient descent, our own gradient", linear_regression.teach),
        "three_ways": Lesson("symbolic, numerical, automatic: compared, and the error against h", three_ways.teach),
        "chain_rule": Lesson("e^sin(x²), multiplied from the inside out and from the outside in", chain_rule.teach),
        "product_plus_sine": Lesson("x₁x₂ + sin x₁: tangents and adjoints of w₁ … w₅", product_plus_sine.teach),
        "try_it": Lesson("ln x₁ + x₁x₂ − sin x₂: draw the graph, write forward, write reverse", try_it.teach),
        "every_node": Lesson("the adjoint of every node, and the cost for a million inputs", every_node.teach),
    }
)
"""Name → lesson, in the order of the lecture."""
