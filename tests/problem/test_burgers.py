"""Burgers' equation, the second problem: exact solutions, its command line, and a short training."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import composed
from pinn_ac.ansatz import Lifted, Soft
from pinn_ac.app.assembly import assemble
from pinn_ac.app.objects import build
from pinn_ac.app.saved_run import load_run
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.models import Periodic, Splitting
from pinn_ac.problem import AllenCahn, Burgers, Sine


def cole_hopf(viscosity, t, x):
    """The solution from u₀ = −sin πx: ∫ −sin π(x−η) F dη / ∫ F dη with F = exp(−cos π(x−η)/(2πν) − η²/(4νt)).

    Source: C. Basdevant et al., Computers & Fluids 14 (1986) 23–41.
    """
    nodes, weights = np.polynomial.hermite.hermgauss(200)
    y = x[..., None] - nodes * np.sqrt(4 * viscosity * t[..., None])
    exponent = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    F = weights * np.exp(exponent - exponent.max(-1, keepdims=True))
    return -(np.sin(np.pi * y) * F).sum(-1) / F.sum(-1)


@pytest.mark.parametrize("problem", [Burgers(), Burgers(0.05, speed=2.5)])
def test_a_travelling_shock_is_a_solution(problem):
    """c u = s − A tanh(A (x − st)/(2ν))."""
    A, s = 0.3, 0.2

    def u(t, x):
        return (s - A * jnp.tanh(0.5 * A * (x - s * t) / problem.viscosity)) / problem.speed

    @jax.jit
    @jax.vmap
    def f(t, x):
        d = {"u": u(t, x), "t": jax.grad(u)(t, x), "x": jax.grad(u, 1)(t, x), "xx": jax.grad(jax.grad(u, 1), 1)(t, x)}
        return problem.residual(d, {"t": t, "x": x})

    # Terms of size A³/ν < 10, which cancel.
    assert jnp.abs(f(jnp.linspace(0, 1, 50), jnp.linspace(-0.2, 0.4, 50))).max() < 1e-13


def test_its_nonlinear_term_is_a_flux():
    problem, u, e = Burgers(speed=1.7), np.linspace(-1, 1, 9), 1e-3
    np.testing.assert_allclose(problem.flux_defect(u, e), problem.flux(u + e) - problem.flux(u), atol=1e-15)
    assert problem.capabilities == {"lift", "spectral", "energy", "bound"}
    assert problem.bound == pytest.approx(1.0, rel=1e-6)
    # A shock between 1 and −1 is −tanh(x/w) with w = 2ν.
    assert problem.interface_width == pytest.approx(2 * problem.viscosity / 1.7)


def test_a_viscosity_that_is_not_positive_is_refused():
    with pytest.raises(InputError, match=r"problem\.viscosity is 0(\.0)?: give a positive number"):
        Burgers(0.0)


WORDS = {
    "alone": ((), Lifted(), Splitting(known=("heat", "slope")), Sine(-1.0)),
    "soft": (("ansatz=soft", "embedding=periodic"), Soft(), Periodic(), Sine(-1.0)),
    "plain": (("experiment=plain",), Soft(), Periodic(symmetry=False), Sine(-1.0)),
    "record": (("experiment=record",), Lifted(), Splitting(known=("heat", "slope")), Sine(-1.0)),
    "other start": (("problem/initial_condition=sine",), Lifted(), Splitting(known=("heat", "slope")), Sine(1.0)),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_command_line_chooses_what_it_needs_and_is_obeyed(name):
    """`problem=burgers` brings its own ansatz, features and start; what is said beside it wins."""
    words, ansatz, embedding, condition = WORDS[name]
    config = composed(*words, "problem=burgers", "problem.viscosity=0.02")
    experiment = assemble(config)
    assert experiment.problem == Burgers(0.02, initial_condition=condition)
    assert experiment.field.ansatz == ansatz
    assert type(experiment.field.embedding) is type(embedding)
    if isinstance(embedding, Splitting):
        assert experiment.field.embedding.known == embedding.known


def test_the_defaults_of_its_file_are_those_of_the_class_and_of_allen_cahn_stay():
    assert build(composed("problem=burgers").problem) == Burgers()
    assert build(composed("problem=allen_cahn").problem) == build(composed().problem) == AllenCahn()
    assert composed("problem=allen_cahn") == composed()


@pytest.mark.parametrize("words", [("ansatz=reaction_flow",), ("embedding=splitting",)])
def test_what_needs_the_flow_of_a_reaction_is_refused(words):
    with pytest.raises(
        InputError, match=r"needs the exact flow of the reaction alone .*, which Burgers lacks: choose"
    ):
        assemble(composed("problem=burgers", *words))


@pytest.mark.landing
@pytest.mark.parametrize(
    "words",
    [pytest.param((), marks=pytest.mark.landing), ("ansatz=soft", "embedding=periodic")],
    ids=["lifted", "soft"],
)
def test_a_short_training_solves_it(words, tmp_path, undrawn):
    """Against Cole and Hopf's formula; Levenberg–Marquardt, 25 steps on a coarse network and a mild shock."""
    small = (
        "model.width=8", "model.depth=2", "sampler.num_points=256", "sampler.num_initial=64", "train.steps=25",
        "problem.viscosity=0.1", "reference=false", "estimate=false", "train.log_every=5", "train.overfit=ignore",
    )  # fmt: skip
    train_in(tmp_path / "run", composed("problem=burgers", *words, *small))
    solution = load_run(tmp_path / "run")
    t, x = (axis.ravel() for axis in np.meshgrid(np.linspace(0.05, 1, 9), np.linspace(-1, 1, 33), indexing="ij"))
    exact = cole_hopf(0.1, t, x)
    start = replace(solution.problem, initial_condition=Sine(-1.0)).initial_condition(x)
    error, still = (np.linalg.norm(u - exact) / np.linalg.norm(exact) for u in (solution(t, x), start))
    assert still > 0.5  # what standing still would cost
    assert error < 0.02
