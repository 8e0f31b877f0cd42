"""A trained field takes times in the precision that its user computes in."""

import jax.numpy as jnp
import numpy as np
import pytest

from composed import EASY, composed
from pinn_ac.app.assembly import assemble
from pinn_ac.errors import InputError
from pinn_ac.solution import Solution

HORIZON, WINDOWS = 0.3, 3
KINDS = [np.float16, jnp.bfloat16, np.float32, np.float64]


@pytest.fixture(scope="module")
def run():
    """An untrained field in three windows, which jumps where they meet."""
    words = (f"problem.horizon={HORIZON}", f"windows={WINDOWS}", "model.width=4", "model.output_scale=3")
    experiment = assemble(composed(*EASY, *words))
    return Solution(experiment, WINDOWS * (experiment.initial_params(),))


@pytest.mark.landing
@pytest.mark.parametrize(
    "sampler", ["sobol", "r3", *(pytest.param(one, marks=pytest.mark.landing) for one in ("rad", "monitor"))]
)
def test_every_window_shows_the_points_that_its_sampler_draws(sampler):
    words = ("windows=4", "model.width=4", f"sampler={sampler}", "sampler.num_points=128")
    experiment = assemble(composed(*EASY, *words))
    run = Solution(experiment, 4 * (experiment.initial_params(),))
    t, x = experiment.collocation(run.params, run.conditions).T
    assert np.histogram(t, [0, 0.25, 0.5, 0.75, 1])[0].tolist() == [128] * 4
    (_, _), (left, right) = experiment.box
    assert ((x >= left) & (x <= right)).all()
    uneven = np.histogram(t[:128], 4)[0].std() + np.histogram(x[:128], 4)[0].std()
    assert (uneven < 1.5) == (sampler == "sobol")  # the others follow the residual, or the slope


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: np.dtype(kind).name)
def test_an_end_of_a_window_is_that_end_in_every_precision(run, kind):
    """0.3 is 0.30000001 in single precision, and 0.1 is 0.0996 or 0.1001 in half."""
    for end in (0.0, 0.1, 0.2, HORIZON):
        u = run.predict(np.float64(end), 0.3)
        for rounded in (np.asarray(end, kind), np.asarray([end], kind)):
            np.testing.assert_array_equal(run.predict(rounded, 0.3), np.broadcast_to(u, rounded.shape))
    assert run.derivatives(jnp.asarray(HORIZON, kind), 0.3) == run.derivatives(HORIZON, 0.3)


def test_where_windows_meet_the_earlier_one_counts(run):
    """0.3/3 is a little less than 0.1, which is the end of the first window all the same."""
    ends = run.experiment.breaks
    assert run.predict(0.1, 0.3) == run.predict(ends[0], 0.3) == run.predict(np.nextafter(ends[0], 1), 0.3)
    assert abs(run.predict(0.1, 0.3) - run.predict(0.1 + 1e-13, 0.3)) < 1e-9  # both windows begin and end alike


@pytest.mark.parametrize(
    "t",
    [0.301, -0.001, np.float32(0.3001), np.float16(0.302), np.float64(np.float32(0.3)), np.nan, np.inf, 1],
)
def test_what_is_later_than_rounding_makes_it_is_refused(run, t):
    with pytest.raises(InputError, match=r"t must lie in \[0, 0.3\]"):
        run.predict(t, 0.0)


@pytest.mark.parametrize(
    ("t", "x", "sentence"),
    [
        ("soon", 0.0, "must be real numbers"),
        (0.1j, 0.0, "must be real numbers"),
        ([[0.1], [0.1, 0.2]], 0.0, "must be real numbers"),
        (0.1, "left", "must be real numbers"),
        (0.1, np.inf, "x holds NaN or infinite values"),
        (np.zeros(3), np.zeros(2), r"t has shape \(3,\) and x \(2,\)"),
    ],
)
def test_what_is_no_point_is_refused_with_a_sentence(run, t, x, sentence):
    with pytest.raises(InputError, match=sentence):
        run.predict(t, x)
