"""Every lesson comes to the lecture's numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac import autodiff
from pinn_ac.lessons import (
    allen_cahn,
    chain_rule,
    every_node,
    linear_regression,
    product_plus_sine,
    three_ways,
    try_it,
)
from pinn_ac.lessons.tables import tables
from pinn_ac.problem import AllenCahn


def test_try_it_gives_the_numbers_of_the_notes():
    graph = try_it.graph()
    assert float(graph.output_values[0]) == pytest.approx(math.log(2) + 10 - math.sin(5), rel=1e-15)
    assert [n.name for n in graph] == ["input", "input", "log", "mul", "sin", "add", "sub"]
    tangents = autodiff.tangents_of_nodes(graph, [jnp.ones(()), jnp.zeros(())])
    assert float(tangents[-1]) == 5.5
    steps = list(autodiff.accumulation(graph, [jnp.ones(())], [None] * len(graph)))
    at_v0 = [round(float(step.adjoint), 3) for step in steps if step.parent is graph.inputs[1]]
    assert at_v0 == [-0.284, 1.716]


def test_product_plus_sine_has_the_adjoints_of_the_board():
    graph = product_plus_sine.graph()
    w1, w2 = product_plus_sine.POINT.values()
    adjoints = [float(a) for a in autodiff.adjoints_of_nodes(graph, [jnp.ones(())])]
    assert adjoints == pytest.approx([w2 + math.cos(w1), w1, 1, 1, 1], rel=1e-15)
    tangent = tables(product_plus_sine.graph(), rules=True, **product_plus_sine.NAMES).tangent
    line = next(line for line in tangent.lines if line.name == "ẇ₃")
    assert line.rule == "∂w₃/∂w₁ × ẇ₁ + ∂w₃/∂w₂ × ẇ₂"
    assert line.formula == "ẇ₁ × w₂ + ẇ₂ × w₁"


def test_the_chain_rule_comes_to_the_same_in_both_orders():
    x = chain_rule.X
    forward, reverse = chain_rule.products()
    factors = [2 * x, math.cos(x**2), math.exp(math.sin(x**2))]
    assert [f.value for f in chain_rule.factors()] == pytest.approx(factors)
    assert [f.formula for f in chain_rule.factors()] == ["2 × w₀", "cos w₁", "e^w₂"]
    assert forward == pytest.approx(list(np.cumprod(factors)))
    assert reverse == pytest.approx(list(np.cumprod(factors[::-1])))
    assert forward[-1] == pytest.approx(reverse[-1], rel=1e-15)


@pytest.mark.parametrize("w", [-1.0, 0.0, 1.0, 2.0, 3.3])
def test_our_gradient_is_the_closed_form(w):
    ours = float(autodiff.grad(linear_regression.half_squares)(w))
    assert ours == pytest.approx(linear_regression.closed_form(w), rel=1e-14, abs=1e-12)
    assert ours == pytest.approx(285 * (w - 2), abs=1e-11)  # Σ x² = 285


def test_the_descent_ends_at_two_and_zero():
    descent = linear_regression.descend(steps=1200)
    np.testing.assert_allclose(descent.path[-1], (2, 0), atol=1e-6)
    assert (np.diff(descent.errors) <= 0).all()
    assert descent.errors[0] == 114  # the mean of (2x)²


def test_three_ways_agree_and_the_difference_obeys_its_two_laws():
    ways = three_ways.differentiate()
    x = three_ways.X
    assert ways.exact == pytest.approx(2 * x * math.cos(x**2) * math.exp(math.sin(x**2)), rel=1e-15)
    for value in (ways.symbolic, ways.forward, ways.reverse):
        assert value == pytest.approx(ways.exact, rel=2e-15)
    coarse = (ways.steps > 1e-4) & (ways.steps < 1e-2)
    np.testing.assert_allclose(ways.errors[coarse], abs(ways.third) / 6 * ways.steps[coarse] ** 2, rtol=0.02)
    fine = ways.steps < 1e-7
    assert (ways.errors[fine] < 10 * np.finfo(float).eps * math.e / ways.steps[fine]).all()
    assert 1e-7 < ways.steps[ways.errors.argmin()] < 1e-4


def test_every_adjoint_is_what_shaking_its_node_does():
    found = every_node.sensitivities()
    assert [s.name for s in found] == ["v₋₁", "v₀", "v₁", "v₂", "v₃", "v₄", "v₅"]
    for s in found:
        assert s.adjoint == pytest.approx(s.measured, abs=1e-8)


def test_costs_are_measured_for_forward_and_reverse(monkeypatch):
    monkeypatch.setattr(every_node, "MEASURED_WHOLE", 10)
    few, many = every_node.measure(10), every_node.measure(200_000)
    assert few.forward_is_measured
    assert not many.forward_is_measured
    assert many.forward == 200_000 * many.direction
    assert many.reverse < 30 * many.evaluation < many.forward  # one sweep, however busy the machine is


def test_the_chain_of_a_million_inputs_has_the_right_gradient():
    x = jnp.array([1.3, 1.9, 1.1])
    expected = [1 / 1.3 + 1.9, 1 / 1.9 + 1.1 + 1.3 - math.cos(1.9), 1.9 - math.cos(1.1)]
    np.testing.assert_allclose(autodiff.grad(every_node.chain)(x), expected, rtol=1e-14)


def test_allen_cahn_derivatives_residual_and_descent():
    p, (t, x) = allen_cahn.parameters(), allen_cahn.points(5)
    h = 1e-4
    field, found = jax.jit(allen_cahn.field), jax.jit(allen_cahn.differentiate)(p, t, x)
    above, below = field(p, t, x + h), field(p, t, x - h)
    np.testing.assert_allclose(found.u_xx, (above - 2 * found.u + below) / h**2, atol=1e-5)
    later, sooner = field(p, t + h, x), field(p, t - h, x)
    np.testing.assert_allclose(found.u_t, (later - sooner) / (2 * h), atol=1e-6)
    u, u_t, u_xx = found
    f = u_t - 0.0001 * u_xx + 5 * u**3 - 5 * u
    np.testing.assert_allclose(jax.jit(allen_cahn.residual)(p, t, x), f, atol=1e-13)
    assert float(jax.jit(allen_cahn.loss)(p, t, x)) == pytest.approx(float(np.mean(np.abs(f))))
    zero = jnp.zeros(3)
    points = jnp.array([-1.0, 0.3, 1.0])
    np.testing.assert_allclose(field(p, zero, points), AllenCahn().initial_condition(points), atol=1e-15)
    ends = field(p, jnp.full(2, 0.7), jnp.array([-1.0, 1.0]))
    assert float(ends[0]) == pytest.approx(float(ends[1]))
    losses = allen_cahn.train(steps=5).losses
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
