"""The exponential integrator: its φ-functions, its order, and the fixed points it keeps."""

import mpmath
import numpy as np
import pytest

from pinn_ac.reference.etd import KEPT, Stepper, phi_functions


def test_phi_functions_are_exact_near_and_far_from_zero():
    z = np.concatenate([[0.0], -np.geomspace(1e-12, 1e6, 60), np.geomspace(1e-12, 20, 30), [-1.0, 1.0, -0.999999]])
    with mpmath.workdps(60):
        for j, values in enumerate(phi_functions(z), start=1):
            exact = [float(mpmath.hyp1f1(1, j + 1, mpmath.mpf(x)) / mpmath.factorial(j)) for x in z]
            # Just outside |z| = 1, three subtractions of nearby numbers cost a digit and a half.
            np.testing.assert_allclose(values, exact, rtol=4e-15)


def logistic(stiffness, steps):
    """c' = −λc + λc + c − c³, split into a stiff linear part and the rest, from 0.1 to t = 2."""
    stepper = Stepper(np.array([-stiffness]), lambda c: (1 + stiffness) * c - c**3)
    state, step = stepper.begin(np.array([0.1 + 0j])), 2 / steps
    for _ in range(steps):
        state, error = stepper.advance(state, step)
    exact = 0.1 / np.sqrt(np.exp(-4) + 0.01 * (1 - np.exp(-4)))
    return abs(state.c[0] - exact), abs(error[0])


@pytest.mark.parametrize("stiffness", [0.0, 1.0, 10.0])
def test_order_is_four(stiffness):
    errors = [logistic(stiffness, steps)[0] for steps in (80, 160, 320, 640)]
    orders = np.log2(errors[:-1]) - np.log2(errors[1:])
    # The next term of the error's expansion is 1/160 to 1/640 of the interval times λ.
    np.testing.assert_allclose(orders[-1], 4, atol=0.15)
    assert (np.abs(orders - 4) < 0.5).all()


def test_error_estimate_is_of_fourth_order():
    estimates = [logistic(1.0, steps)[1] for steps in (80, 160, 320)]
    np.testing.assert_allclose(np.log2(estimates[:-1]) - np.log2(estimates[1:]), 4, atol=0.2)


def test_rounding_errors_do_not_add_up_with_the_number_of_steps():
    """c' = −c + 1 from 0.1, in 10,000 of its steps: the rounding of each sum alone would leave 5e-15."""
    stepper, steps = Stepper(np.array([-1.0]), np.ones_like), 2 * 10**5
    state = stepper.begin(np.array([0.1 + 0j]))
    for _ in range(steps // 20):  # a twentieth of the interval shows it
        state, _ = stepper.advance(state, 1 / steps)
    assert abs(state.c[0] - (1 - 0.9 * np.exp(-0.05))) < 4e-16


def test_fixed_points_stay():
    stepper = Stepper(np.array([-3.0]), lambda c: 3 * c)
    c = np.array([0.7 + 0.2j])
    new, error = stepper.advance(stepper.begin(c), 0.5)
    np.testing.assert_allclose(new.c, c, rtol=1e-15)
    np.testing.assert_allclose(new.rate, 3 * c, rtol=1e-15)
    assert abs(error[0]) < 1e-15


def test_coefficients_are_kept_but_not_for_ever():
    stepper = Stepper(np.array([-1.0]), lambda c: 0 * c)
    first = stepper.weights(0.1)
    assert stepper.weights(0.1) is first
    for step in range(1, 2 * KEPT):
        stepper.weights(float(step))
    assert len(stepper.known) == KEPT
