"""The lecture, system by system: each lesson prints its tables and writes its pictures."""

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
    """One line that says what it is about, and the function that teaches it."""

    summary: str
    teach: Callable[[Page], None]


LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {
        "allen_cahn": Lesson(
            "the equation, its residual f and the loss L; our derivatives, our gradient", allen_cahn.teach
        ),
        "linear_regression": Lesson("y = wx + b by gradient descent with our own gradient", linear_regression.teach),
        "three_ways": Lesson("symbolic, numerical, automatic: side by side, and error against h", three_ways.teach),
        "chain_rule": Lesson("e^sin(x²) from the inside out and from the outside in", chain_rule.teach),
        "product_plus_sine": Lesson("x₁x₂ + sin x₁: tangents and adjoints in w₁ … w₅", product_plus_sine.teach),
        "try_it": Lesson("ln x₁ + x₁x₂ − sin x₂: draw the graph, write forward, write reverse", try_it.teach),
        "every_node": Lesson("adjoints of every node, and what a million inputs cost", every_node.teach),
    }
)
"""In the order of the lecture."""
