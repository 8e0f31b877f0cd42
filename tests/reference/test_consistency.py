"""Every problem class: its residual, linear part, nonlinear term, energy and bound belong to one equation."""

import inspect
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac.problem
from fields import KdV
from pinn_ac.errors import InputError
from pinn_ac.estimate import estimate_error
from pinn_ac.evaluation import energy, spectral_slope
from pinn_ac.problem import Burgers, Fourier, Problem
from pinn_ac.reference import load_or_solve, solve
from pinn_ac.reference.consistency import mismatch

CONDITION = Fourier(0.15, (0.3, -0.2), (0.4, 0.1))
CLASSES = [
    one
    for one in (getattr(pinn_ac.problem, name) for name in pinn_ac.problem.__all__)
    if inspect.isclass(one) and issubclass(one, Problem) and one is not Problem and len(one.axes) == 1
]


def instance(cls):
    """The problem on a small domain, on which its interfaces are wide, with no coefficient or unit that is 1."""
    changed = {name: 1.3 * value for name, value in cls().coefficients.items()}
    return cls(**changed, domain=(0.1, 0.4), horizon=0.2, initial_condition=CONDITION)


def having(*capabilities):
    return [one for one in CLASSES if instance(one).capabilities.issuperset(capabilities)]


def test_there_are_problems_of_every_capability():
    assert {Burgers, pinn_ac.problem.AllenCahn} <= set(CLASSES)
    for capability in pinn_ac.problem.CAPABILITIES:
        assert having(capability)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("cls", having("spectral"))
def test_the_residual_is_that_of_the_linear_part_and_the_nonlinear_term(cls, seed):
    assert mismatch(instance(cls), seed) < 1e-12
    assert mismatch(instance(cls).natural, seed) < 1e-12


@pytest.mark.parametrize("cls", having("spectral", "lift"))
def test_the_heat_flow_leaves_the_nonlinear_term(cls):
    """g_t = D g_xx makes the residual −N(g), where the linear part is diffusion alone."""
    problem = instance(cls)
    k = 2 * np.pi / problem.period * np.arange(65)
    if not np.allclose(problem.symbol(k), -problem.diffusion * k**2, rtol=1e-15):
        pytest.skip("its linear part is more than diffusion")
    n = 128
    x = problem.domain[0] + problem.period * np.arange(n) / n
    t, step = 0.1, 1e-3
    g = np.asarray(problem.lift(jnp.asarray(t), jnp.asarray(x)))

    def derivative(values, order):
        return np.fft.irfft((1j * k) ** order * np.fft.rfft(values), n)

    shifts = np.array([-2, -1, 1, 2]) * step
    rows = [np.asarray(problem.lift(jnp.asarray(t + shift), jnp.asarray(x))) for shift in shifts]
    g_t = (rows[0] - 8 * rows[1] + 8 * rows[2] - rows[3]) / (12 * step)
    values = {name: g_t if name == "t" else derivative(g, len(name)) for name in problem.orders}
    flux = problem.flux(g)
    nonlinear = problem.reaction(g) - (0.0 if flux is None else derivative(flux, 1))
    residual = problem.residual(values | {"u": g}, {"t": t, "x": x})
    np.testing.assert_allclose(residual + nonlinear, 0.0, atol=1e-9)


@pytest.mark.parametrize("cls", having("spectral"))
def test_defects_are_differences(cls):
    problem, generator = instance(cls), np.random.default_rng(0)
    u, e = generator.normal(size=(2, 50))
    for term, defect in ((problem.reaction, problem.reaction_defect), (problem.flux, problem.flux_defect)):
        for size in (1.0, 1e-3):
            if term(u) is not None:
                exact, rounding = term(u + size * e) - term(u), 2e-13 * np.abs(term(u)).max()
                np.testing.assert_allclose(defect(u, size * e), exact, atol=rounding)


@pytest.fixture(scope="module", params=having("spectral"))
def solution(request):
    problem = instance(request.param)
    return problem, solve(problem, np.linspace(0.0, problem.horizon, 21), 256).u


def test_the_energy_falls_along_the_reference(solution):
    problem, u = solution
    if "energy" not in problem.capabilities:
        pytest.skip("it has none")
    energies = energy(problem, u, spectral_slope(problem, u))
    assert (np.diff(energies) < 0).all()


def test_the_reference_stays_within_the_bound(solution):
    problem, u = solution
    if "bound" not in problem.capabilities:
        pytest.skip("it has none")
    assert np.abs(u).max() <= problem.bound * (1 + 1e-12)


def test_symmetries_that_the_equation_claims_map_solutions_to_solutions(solution):
    """None is enforced here, since u₀ has none: the mapped condition must lead to the mapped solution."""
    problem, u = solution
    mean, a, b = CONDITION.mean, np.array(CONDITION.cosine), np.array(CONDITION.sine)
    mapped = {
        "even": (Fourier(mean, tuple(a), tuple(-b)), np.roll(u[:, ::-1], 1, axis=1)),
        "odd": (Fourier(-mean, tuple(-a), tuple(b)), -np.roll(u[:, ::-1], 1, axis=1)),
        "sign": (Fourier(-mean, tuple(-a), tuple(-b)), -u),
    }
    for name, (condition, expected) in mapped.items():
        other = solve(problem.with_initial_condition(condition), [0.0, problem.horizon], 256).u
        matches = bool(np.abs(other[-1] - expected[-1]).max() < 1e-9)
        assert matches == (name in problem.symmetries), name


@dataclass(frozen=True)
class Wrong(Burgers):
    """A flux of another equation."""

    def flux(self, u):
        return self.speed * u * u


@dataclass(frozen=True)
class Backwards(Burgers):
    """A residual of the other sign: it vanishes, but it is not what u_t lacks."""

    def residual(self, u, point):
        return -super().residual(u, point)


@dataclass(frozen=True)
class Forced(Burgers):
    """A residual with a source that the nonlinear term does not have."""

    def residual(self, u, point):
        return super().residual(u, point) - jnp.sin(point["t"])


@pytest.mark.parametrize("cls", [Wrong, Backwards, Forced])
def test_a_residual_of_another_equation_is_refused(cls):
    assert mismatch(cls()) > 1e-3
    with pytest.raises(InputError, match=rf"The residual of {cls.__name__} is not u_t − L u − N\(u\)"):
        solve(cls())
    with pytest.raises(InputError, match="make its residual agree with its symbol"):
        estimate_error(cls(), lambda t, x: {})


@pytest.mark.parametrize("solver", [solve, load_or_solve])
def test_a_problem_without_a_spectral_form_is_told_what_to_do(solver):
    wanted = r"The reference solution needs .*`reaction` or `flux`.*KdV lacks: set reference=false"
    with pytest.raises(InputError, match=wanted):
        solver(KdV())
    with pytest.raises(InputError, match=r"The error estimate needs .*KdV lacks: "):
        estimate_error(KdV(), lambda t, x: {})


@dataclass(frozen=True)
class KuramotoSivashinsky(Problem):
    """u_t + u u_x + u_xx + ν u_xxxx = 0: a symbol of its own, which grows for small k; no bound, no width."""

    viscosity: float = 0.05
    orders = ("t", "x", "xx", "xxxx")
    symmetries = frozenset({"odd"})
    degree = 2

    def residual(self, u, point):
        return u["t"] + u["u"] * u["x"] + u["xx"] + self.viscosity * u["xxxx"]

    def symbol(self, wavenumber):
        return wavenumber**2 - self.viscosity * wavenumber**4

    def flux(self, u):
        return jnp.square(u) / 2


def test_an_equation_of_fourth_order_with_terms_in_jax_is_solved_in_double_precision(single_precision):
    """In the user's own units, since it declares none; of the solution its own equation is asked, by differences."""
    problem = KuramotoSivashinsky(domain=(0.0, 2 * np.pi), initial_condition=Fourier(0.1, (0.5,), (0.3, 0.2)))
    assert mismatch(problem) < 1e-12
    step = 5e-3
    reference = solve(problem, 0.5 + step * np.arange(-2, 3), 128)
    u, k = reference.u[2], np.arange(65)
    u_t = np.array([1, -8, 0, 8, -1]) @ reference.u / (12 * step)
    values = {"t": u_t, "u": u} | {
        name: np.fft.irfft((1j * k) ** len(name) * np.fft.rfft(u), 128) for name in ("x", "xx", "xxxx")
    }
    assert np.abs(u_t).max() > 0.1
    np.testing.assert_allclose(problem.residual(values, {}), 0.0, atol=1e-6)
