"""The march in the plane: its kernel against formulas and derivatives by another way, and its sizes."""

import numpy as np

from pinn_ac.marching.march import rows_in


def test_a_window_is_compared_at_each_time_once():
    rows, local = rows_in(np.linspace(0, 1, 11), 0.35, 0.25)
    np.testing.assert_array_equal(rows, [4, 5, 6])
    np.testing.assert_allclose(local, [0.05, 0.15, 0.25])
    assert len(rows_in(np.linspace(0, 1, 101), 0.0, 1.0)[0]) == 8
