"""A march and a trained network in the plane: errors, estimate, derivatives, files, and what is refused."""

import jax
import numpy as np
import pytest

import pinn_ac
from composed import composed
from pinn_ac.ansatz import Soft
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.estimate import points_needed
from pinn_ac.marching import plane_modes, require_modes
from pinn_ac.models import MLP, Periodic, Separable
from pinn_ac.optimizers import Adam
from pinn_ac.problem import Cosine, Fourier2D
from pinn_ac.regimes import PseudoTime
from pinn_ac.sampling import FailureInformed, LatinHypercube, Monitor, Sobol, Uniform

EASY = pinn_ac.AllenCahn2D(
    diffusivity=0.05, reaction_rate=1.0, horizon=0.4, initial_condition=Fourier2D(cosine=((1, 0, 0.4), (0, 1, 0.2)))
)
SMALL = {"network": MLP(width=6, depth=1), "steps": 2, "progress": False}


@pytest.fixture(scope="module")
def marched():
    """A march to a mild tolerance."""
    return pinn_ac.fit(EASY, tolerance=1e-3, progress=False)


@pytest.mark.landing
def test_a_march_meets_its_tolerance(marched, tmp_path):
    """The estimate holds, the field is one function, and it comes back from its folder as it was."""
    error = marched.error(5, 16)
    assert error < 1e-3
    assert marched.metrics["tolerance_met"]
    assert 0.4 < marched.metrics["estimated_relative_l2"] / error < 2.5  # other grids and times
    estimate = marched.estimate()  # anew, on the grids of the run
    assert estimate == pytest.approx(marched.metrics["estimated_relative_l2"], rel=1e-9)
    assert estimate.reliable == (not marched.metrics["estimate_unreliable"])
    sampled = marched.sample(3, 8)
    found = marched.derivatives(sampled.t[:, None, None], sampled.x[:, None], sampled.y)
    for name in ("u", "u_x", "u_y"):
        np.testing.assert_allclose(getattr(sampled, name), found[name], atol=1e-10)
    np.testing.assert_allclose(sampled.residual[1:], found["residual"][1:], atol=1e-9)
    marched.save(tmp_path / "run")
    again = pinn_ac.load_run(tmp_path / "run")
    np.testing.assert_array_equal(again(0.3, 0.1, [0.2, 0.5]), marched(0.3, 0.1, [0.2, 0.5]))
    slope = jax.grad(marched, argnums=2)(0.3, 0.1, 0.2)
    np.testing.assert_allclose(slope, marched.derivatives(0.3, 0.1, 0.2, "y")["y"], rtol=1e-5)


@pytest.mark.landing
def test_a_network_is_a_function_of_the_plane():
    solution = pinn_ac.fit(EASY, sampler=Sobol(64), **SMALL)
    x = np.array([-0.9, 0.2, 0.7])
    np.testing.assert_allclose(
        solution(0.0, x, 0.3), EASY.initial_condition(np.stack([x, 0 * x + 0.3], -1)), atol=1e-12
    )
    np.testing.assert_allclose(solution(0.2, x + 2, 0.3 - 2), solution(0.2, x, 0.3), atol=1e-12)  # periodic
    h = 1e-4
    found = solution.derivatives(0.2, 0.1, 0.3, ("y", "xy", "yy", "residual"))
    values = {(i, j): float(solution(0.2, 0.1 + i * h, 0.3 + j * h)) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert found["y"] == pytest.approx((values[0, 1] - values[0, -1]) / (2 * h), abs=1e-6)
    assert found["yy"] == pytest.approx((values[0, 1] - 2 * values[0, 0] + values[0, -1]) / h**2, abs=1e-5)
    mixed = values[1, 1] - values[1, -1] - values[-1, 1] + values[-1, -1]
    assert found["xy"] == pytest.approx(mixed / (4 * h**2), abs=1e-5)
    with pytest.raises(InputError, match="give y too"):
        solution(0.2, x)
    with pytest.raises(InputError, match="y holds NaN"):
        solution(0.2, x, np.nan)


@pytest.mark.parametrize("sampler", [Uniform, LatinHypercube, Monitor])
def test_samplers_fill_the_box(sampler):
    """With three coordinates, evenly but for a monitor's concentration."""
    experiment = pinn_ac.setup.assemble(
        pinn_ac.fitting.choose(EASY, 1, None, 0, {"sampler": sampler(num_points=512), "network": MLP(4, 1)})
    )
    points = experiment.draw(0, experiment.initial_params(), {})["residual"]
    assert points.shape == (512, 3)
    low, high = np.asarray(experiment.box).T
    assert ((points >= low) & (points <= high)).all()
    np.testing.assert_allclose(points.mean(0), 0.5 * (low + high), atol=0.12 * (high - low).max())


@pytest.mark.landing
def test_the_initial_condition_can_be_learned():
    solution = pinn_ac.fit(
        EASY,
        ansatz=Soft(),
        embedding=Periodic(),
        sampler=LatinHypercube(64, 64),
        optimizer=Adam(steps=6, learning_rate=1e-2),
        network=MLP(width=6, depth=1),
        windows=2,
        progress=False,
    )
    losses = [entry["loss_initial"] for entry in solution.history if entry["stage"].startswith("1/")]
    assert losses[-1] < losses[0]
    assert np.isfinite(solution(0.4, 0.1, 0.2))


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"regime": PseudoTime()}, "regime=none"),
        ({"network": Separable(), "embedding": Periodic()}, "another model"),
        ({"sampler": FailureInformed()}, "another sampler"),
    ],
)
def test_methods_for_a_line_are_refused(choices, words):
    with pytest.raises(InputError, match=words):
        pinn_ac.fit(EASY, progress=False, **choices)


@pytest.mark.slow
def test_a_run_leaves_its_files(tmp_path):
    words = [
        "problem=allen_cahn_2d", "problem.diffusivity=0.05", "problem.reaction_rate=1", "problem.horizon=0.2",
        "model.width=6", "model.depth=1", "sampler.num_points=64", "train.steps=2", "animate=true", "estimate=false",
    ]  # fmt: skip
    metrics = train_in(tmp_path / "run", composed(*words))
    assert 0 < metrics["relative_l2"] < 0.2
    assert metrics["energy_final"] < metrics["energy_initial"]
    with np.load(tmp_path / "run" / "prediction.npz") as arrays:
        shapes = {name: arrays[name].shape for name in arrays}
    assert shapes == {"t": (51,), "x": (128,), "y": (128,), "u": (51, 128, 128)}
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"solution.png", "energy.png", "points.png", "history.png", "solution.gif"} <= names


def test_the_estimate_sees_a_known_error():
    """Of 1.01 times an exact solution, without a reaction."""
    from pinn_ac.estimate import estimate_error

    heat = pinn_ac.AllenCahn2D(
        diffusivity=0.05, reaction_rate=0.0, initial_condition=Fourier2D(cosine=((1, 2, 0.5),))
    )

    def derivatives(t, x):
        u = 0.505 * np.exp(-0.05 * 5 * np.pi**2 * t) * np.cos(np.pi * (x[..., 0] + 2 * x[..., 1]))
        return {"u": u, "residual": 0 * u}

    found = estimate_error(heat, derivatives, points=16, steps=40)
    assert found["estimated_relative_l2"] == pytest.approx(0.01, rel=1e-3)
    assert not found["estimate_unreliable"]


def test_the_estimates_grid_follows_from_the_interfaces():
    """2.4/w points, rounded up to a power of two from 32 to 128; by units that do not count."""
    for diffusivity, side, points in ((1e-1, 2, 32), (5e-3, 2, 64), (1e-3, 2, 128), (5e-3, 4, 128), (1e-5, 2, 128)):
        problem = pinn_ac.AllenCahn2D(diffusivity=diffusivity, domain=((0, side), (0, side)))
        assert points_needed(problem) == points_needed(problem.natural) == points
    assert points_needed(pinn_ac.AllenCahn2D(horizon=0.1)) == 32  # the fronts have no time to form


def test_a_march_has_the_modes_that_its_interfaces_need():
    """Or is refused before it begins: on a line as thin ones are no trouble."""
    for diffusivity, modes in ((1e-1, 32), (1e-3, 192), (2.5e-4, 384)):  # ln(1e8)/(π² w/2) = 18.7, 187, 373
        assert plane_modes(pinn_ac.AllenCahn2D(diffusivity=diffusivity)) == modes
    thin = pinn_ac.AllenCahn2D(diffusivity=1e-4)
    with pytest.raises(InputError, match=r"and 384 modes .*train.tolerance=1e-04"):
        pinn_ac.fit(thin, progress=False)
    require_modes(thin, 1e-4)
    require_modes(pinn_ac.AllenCahn(diffusivity=1e-7), 1e-10)


def test_a_line_and_a_plane_are_not_mixed():
    with pytest.raises(InputError, match="has 2: choose another"):
        pinn_ac.AllenCahn2D(initial_condition=Cosine())
