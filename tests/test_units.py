"""One problem in several units of length and time: it trains the same, and only its results' units differ."""

import math
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import IN_PLANE, composed, options
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import plan
from pinn_ac.estimate import estimate_error, points_needed, steps_needed
from pinn_ac.evaluation import Sampled, score
from pinn_ac.problem import AllenCahn, Sine
from pinn_ac.reference import solve
from pinn_ac.running import Training
from pinn_ac.setup import count_windows
from pinn_ac.solution import Solution
from pinn_ac.training import Checkpoints, unstacked

UNITS = {
    # half the domain, its middle, and a unit of time
    "binary": (2.0**-20, 0.0, 2.0**-10),
    "micrometres": (1e-6, 0.0, 1e-3),
    "far and slow": (1e3, 2e3, 1e6),
    "thin and fast": (1e-3, 2e-3, 1e-6),
}
"""Powers of two round nothing: in "binary" all is the same to the last bit, however training magnifies roundings."""
DECIMAL = [name for name in UNITS if name != "binary"]
PROBLEM = AllenCahn(diffusivity=1e-3, reaction_rate=8.0)
"""R T is above 5 and not a power of two times it: neither of its natural units is its own."""


def in_units(problem, name):
    """A problem of the lecture's domain in other units."""
    length, middle, time = UNITS[name]
    return replace(
        problem,
        diffusivity=problem.diffusivity * length**2 / time,
        reaction_rate=problem.reaction_rate / time,
        domain=(middle - length, middle + length),
        horizon=problem.horizon * time,
    )


def words_of(problem):
    """Of the command line."""
    return (
        f"problem.diffusivity={problem.diffusivity!r}",
        f"problem.reaction_rate={problem.reaction_rate!r}",
        f"problem.domain=[{problem.domain[0]!r},{problem.domain[1]!r}]",
        f"problem.horizon={problem.horizon!r}",
    )


MODELS = [one for one in options("model") if one != "separable"]
MODELS.insert(4, "separable")  # beside Muon: Newton's steps take half a minute to compile with it
GROUPS = {
    "sampler": options("sampler"),
    "ansatz": options("ansatz"),
    "optimizer": options("optimizer"),
    "embedding": options("embedding"),
    "derivatives": options("derivatives"),
    "gradient": options("gradient"),
    "loss": options("loss")[::-1],  # the mean square first, which Spring's case asks for
    "model": MODELS,
    "problem/initial_condition": [
        one for one in options("problem/initial_condition") if one not in ("half_waves", "tanh", *IN_PLANE)
    ],
}
"""The options of everything that sees a point, a residual or a loss; walls are those of `test_walls.py`."""
CHEAP = {"derivatives": "jax_jvp", "gradient": "jax", "loss": "mse", "optimizer": "adam", "sampler": "uniform"} | {
    "ansatz": "soft", "embedding": "periodic", "model": "mlp", "problem/initial_condition": "cosine"
}  # fmt: skip
"""What stands where a group has no option left that is not in a case before."""
LAST = ("derivatives", "loss")
"""Groups whose options stand in the last cases, beside an ansatz and networks that cost little to differentiate."""
LENGTH = max(map(len, GROUPS.values()))


def in_cases(group):
    """The option of each case."""
    others = [CHEAP[group]] * (LENGTH - len(GROUPS[group]))
    return [*others, *GROUPS[group]] if group in LAST else [*GROUPS[group], *others]


CASES = [
    dict(zip(GROUPS, case, strict=True), windows=1 + (number + 1) % 2)
    for number, case in enumerate(zip(*map(in_cases, GROUPS), strict=True))
]
"""Each option once, in one window and in two."""
for one in CASES:
    if one["model"] == "separable":
        one["embedding"] = "periodic"
ONE_WORKER = [pytest.mark.xdist_group(f"units {case}") for case in range(len(CASES))]
"""Since the tests of a case have a run in common."""


def meeting_places():
    """Cases that between them have all that can tell where a domain lies: every ansatz and embedding, and samples.

    All else meets points in natural units alone, with the same bits in all units, as the other test shows.
    """
    wanted = {(group, name) for group in ("ansatz", "embedding") for name in GROUPS[group]}
    wanted.add(("problem/initial_condition", "tabulated"))
    while wanted:
        case = max(range(len(CASES)), key=lambda case: len(wanted & set(CASES[case].items())))
        wanted -= set(CASES[case].items())
        yield case


MEET_PLACES = list(meeting_places())
SMALL = (
    "model.width=5", "model.depth=1", "sampler.num_points=64", "sampler.num_initial=16", "sampler.resample_every=2",
    "train.log_every=1", "train.evaluate_every=1", "train.checkpoint_every=100",
    "train.overfit=ignore",
)  # fmt: skip


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []

    def log(self, step, stage, figures):
        self.lines.append({name: value for name, value in figures.items() if name != "seconds"})

    def say(self, sentence):
        raise AssertionError(sentence)


def trained(folder, problem, case, *others):
    """The trainer's end, its history and all that is made of it, of a few steps."""
    words = [f"{group}={name}" for group, name in case.items()]
    small = [word for word in SMALL if case["model"] != "random_features" or not word.startswith("model.depth")]
    if case["problem/initial_condition"] == "tabulated":
        words.append(f"problem.initial_condition.path={samples(folder, problem.domain)}")
    if case["problem/initial_condition"] == "fourier":
        words.append("problem.initial_condition.sine=[0.5,0.2]")
    steps = 4 if case["windows"] == 1 else 3
    config = composed(*words, *words_of(problem), *small, f"train.steps={steps}", *others)
    experiment, recorder = assemble(config), Recorder()
    assert experiment.problem == replace(problem, initial_condition=experiment.problem.initial_condition)
    trainer = Training(experiment, plan(config), [recorder], waves(experiment.problem), Checkpoints(folder)).trainer
    state = trainer.run(trainer.begin())
    params = (*unstacked(state.finished), state.best_params)
    run = Solution(experiment, params)
    end = state.best_params, state.finished, state.points
    return SimpleNamespace(lines=recorder.lines, end=end, run=run, shown=unitless(run))


def samples(folder, domain):
    """A lopsided periodic curve on 32 points of the domain, in a file."""
    xi = -1 + 2 * np.arange(32) / 32
    x = domain[0] + (xi + 1) / 2 * (domain[1] - domain[0])
    np.savez(folder / "samples.npz", x=x, u=0.3 * np.exp(np.sin(np.pi * xi + 0.5)) - 0.2)
    return folder / "samples.npz"


def waves(problem, points=16):
    """Some field in place of the solution: errors against it are as good a figure."""
    t, x = np.linspace(0, problem.horizon, 9), problem.domain[0] + problem.period * np.arange(points) / points
    u = np.cos(3 * t[:, None] / problem.horizon + 16 * np.arange(points) / points)
    return SimpleNamespace(t=t, x=x, u=u, label="waves")


def unitless(run):
    """What a run shows, less its units: these enter as they should if it is the same in all.

    As many points as the estimate takes at once, which so shares what is compiled.
    """
    problem = run.experiment.problem
    time, length = problem.horizon, problem.period
    sampled, reference = run.sample(9, 128), waves(problem, 128)
    metrics = score(problem, sampled, reference)
    estimate = estimate_error(problem, run.derivatives, run.experiment.breaks, 32, 40)
    per = {"residual_rms": time, "residual_l1": time, "energy_initial": time / length, "energy_final": time / length}
    shown = {name: np.multiply(value, per.get(name, 1.0)) for name, value in metrics.items() if name != "reference"}
    shown |= {"u": sampled.u, "u_x": sampled.u_x * length, "residual": sampled.residual * time}
    found = run.derivatives(sampled.t[:, None], sampled.x, ("t", "xx", "tx"))
    shown |= {"t": found["t"] * time, "xx": found["xx"] * length**2, "tx": found["tx"] * time * length}
    return shown | estimate


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """case → its run in the problem's own units."""

    @cache
    def own(case):
        return trained(tmp_path_factory.mktemp("own"), PROBLEM, CASES[case])

    return own


def assert_the_same(one, other, rounding):
    """Two histories, ends and faces; each number to `rounding`, relative to the largest of its kind."""

    def close(first, second, what):
        first, second = (np.asarray(values, np.float64) for values in (first, second))
        atol = rounding * np.abs(first[np.isfinite(first)]).max(initial=0.0)
        np.testing.assert_allclose(second, first, rtol=0, atol=atol, err_msg=what)

    assert len(one.lines) == len(other.lines) > 0
    for name in one.lines[-1]:
        close(*([line.get(name, np.nan) for line in run.lines] for run in (one, other)), name)
    for first, second in zip(jax.tree.leaves(one.end), jax.tree.leaves(other.end), strict=True):
        close(first, second, "the end of the training")
    for name, values in one.shown.items():
        if name == "maximum_principle_violation":  # the rest of a difference of numbers near one
            assert other.shown[name] == pytest.approx(values, abs=rounding)
        else:
            close(values, other.shown[name], name)


@pytest.mark.landing
@pytest.mark.parametrize("case", [pytest.param(case, marks=ONE_WORKER[case]) for case in range(len(CASES))])
def test_a_problem_trains_to_the_same_bits_in_units_that_round_nothing(case, own, tmp_path):
    """Any place where t, x, a slope or a residual entered with its unit would show, whatever its size."""
    one, other = own(case), trained(tmp_path, in_units(PROBLEM, "binary"), CASES[case])
    assert one.lines == other.lines
    for first, second in zip(jax.tree.leaves(one.end), jax.tree.leaves(other.end), strict=True):
        assert np.array_equal(first, second)
    for name, values in one.shown.items():
        if name == "estimated_relative_l2":  # its march rounds steps to twelve decimal digits
            assert other.shown[name] == pytest.approx(values, rel=1e-9)
        else:
            assert np.array_equal(values, other.shown[name]), name


@pytest.mark.landing
@pytest.mark.parametrize("case", [pytest.param(case, marks=ONE_WORKER[case]) for case in MEET_PLACES])
def test_a_problem_trains_the_same_in_other_units(case, own, tmp_path):
    """But for the rounding of its natural coefficients and of ξ, which few steps magnify a millionfold at most.

    Gauss–Newton's systems are as ill-conditioned as double precision allows: there it is a hundred times as much.
    """
    magnified = 1e8 if CASES[case]["optimizer"] == "gauss_newton" else 1e6
    name = DECIMAL[MEET_PLACES.index(case) % len(DECIMAL)]
    other = trained(tmp_path, in_units(PROBLEM, name), CASES[case])
    assert_the_same(own(case), other, magnified * np.finfo(float).eps * (1 + UNITS[name][1] / UNITS[name][0]))


@pytest.mark.landing
@pytest.mark.usefixtures("single_precision")
def test_a_problem_trains_the_same_in_single_precision(tmp_path):
    """u_xx in micrometres is 10¹² times as large, and its square beyond single precision: none of it is formed."""
    case = CASES[0] | {"ansatz": "reaction_flow", "embedding": "splitting", "optimizer": "levenberg_marquardt"}
    case |= {"problem/initial_condition": "x_squared_cosine", "model": "mlp", "windows": 1}
    (tmp_path / "own").mkdir()
    one = trained(tmp_path / "own", PROBLEM, case, "precision=float32")
    other = trained(tmp_path, in_units(PROBLEM, "micrometres"), case, "precision=float32")
    assert one.lines[1]["loss"] < one.lines[0]["loss"]
    assert_the_same(one, other, 1e4 * float(jnp.finfo(jnp.float32).eps))


def test_the_natural_units_of_a_problem():
    lecture = AllenCahn()
    assert lecture.natural == lecture
    assert (lecture.time_unit, lecture.length_unit) == (1.0, 1.0)
    assert AllenCahn(horizon=10.0).natural == AllenCahn(horizon=10.0)  # a long horizon stays long
    short, fast = AllenCahn(horizon=0.3).natural, PROBLEM.natural
    still = AllenCahn(reaction_rate=0.0, horizon=7.0).natural
    assert (short.horizon, still.horizon, fast.horizon) == (1.0, 1.0, pytest.approx(1.6))
    rates = short.reaction_rate, still.reaction_rate, fast.reaction_rate
    assert rates == (pytest.approx(1.5), 0.0, pytest.approx(5.0))
    assert still.diffusivity == pytest.approx(7e-4)
    for problem in (short, still, fast):
        assert (problem.time_unit, problem.length_unit) == (pytest.approx(1.0), 1.0)


@pytest.mark.parametrize("name", UNITS)
def test_points_go_to_natural_units_and_back(name):
    problem = in_units(PROBLEM, name)
    length, middle, _ = UNITS[name]
    t, x = problem.horizon * np.array([0.0, 0.3, 1.0]), middle + length * np.array([-1.0, 0.5, 0.75])
    natural = problem.to_natural(t, x)
    far = 2 * np.finfo(float).eps * (1 + middle / length)
    np.testing.assert_allclose(natural[0], [0.0, 0.48, 1.6], rtol=1e-15)
    # Its ends are one place; a rounding may take the left one for the right one.
    np.testing.assert_allclose(np.abs(natural[1]), [1.0, 0.5, 0.75], rtol=0, atol=far)
    back = problem.from_natural(*natural)
    np.testing.assert_allclose(back[0], t, rtol=1e-15)
    np.testing.assert_allclose(back[1][1:], x[1:], rtol=0, atol=far * length)
    np.testing.assert_allclose(problem.to_natural(t, x + 6 * length)[1][1:], [0.5, 0.75], rtol=0, atol=4 * far)


GROWTHS = (1.25, 4.0, 5.0, 10.0, 27.0)
"""R T where a ceiling or a bound decides: a rounding of R T must not."""


@pytest.mark.landing
@pytest.mark.parametrize("growth", GROWTHS)
def test_no_rounding_of_a_unit_decides_what_is_chosen(growth):
    """Windows, whether the flow stops, the estimate's grid: equal in many units of time, some of which round."""
    generator = np.random.default_rng(0)
    problem = AllenCahn(reaction_rate=growth)

    def choices(problem):
        windows = [count_windows(problem, "auto", seconds) for seconds in (None, 30.0)]
        fewest = max(2, math.ceil(growth / 4))
        first = replace(problem.natural, horizon=problem.natural.horizon / fewest)
        grid = points_needed(problem), steps_needed(problem, 512)
        return windows, count_windows(problem, fewest, None), first.longest_flow, grid

    expected, rounded = choices(problem), 0
    for time in 10.0 ** generator.uniform(-9, 9, 1000):
        other = replace(
            problem,
            diffusivity=problem.diffusivity / time,
            reaction_rate=problem.reaction_rate / time,
            horizon=problem.horizon * time,
        )
        rounded += other.reaction_rate * other.horizon != growth
        assert choices(other) == expected
        alone, there = problem.natural.longest_flow, other.natural.longest_flow
        assert there == (alone if alone is None else pytest.approx(alone))
    assert rounded > 10


@pytest.mark.parametrize("name", UNITS)
def test_the_reference_is_the_same_in_other_units(name):
    """To the rounding of its steps to twelve digits, which the reaction magnifies e⁸-fold at most."""
    problem = AllenCahn(1e-2, 8.0, initial_condition=Sine(0.5))
    other = in_units(problem, name)
    ours, theirs = solve(problem, points=32), solve(other, points=32)
    np.testing.assert_allclose(theirs.t, ours.t * UNITS[name][2], rtol=1e-14)
    np.testing.assert_allclose(theirs.u, ours.u, rtol=0, atol=1e-9)


@pytest.mark.landing
@pytest.mark.parametrize("name", DECIMAL[:2])
def test_windows_meet_at_the_same_rows_of_a_grid(name):
    """A time of an even grid at which two windows meet belongs to the first, however both are rounded."""
    experiment = assemble(composed(*words_of(in_units(PROBLEM, name)), *SMALL, "windows=6"))
    networks = tuple(random_params(experiment.setup.network, experiment.field.features, seed) for seed in range(6))
    run, horizon = Solution(experiment, networks), experiment.problem.horizon
    grid = np.linspace(0, horizon, 61)  # every tenth is a break, by another formula than the run's
    x = experiment.problem.domain[0] + 0.3 * experiment.problem.period
    at, before = (run.derivatives(t, x)["u_t"] * horizon for t in (grid[10:-1:10], grid[10:-1:10] * (1 - 1e-9)))
    after = run.derivatives(grid[10:-1:10] * (1 + 1e-9), x)["u_t"] * horizon
    np.testing.assert_allclose(at, before, rtol=1e-5, atol=1e-5)
    assert np.abs(after - before).min() > 1e-3  # another network


def test_energy_alarms_know_no_unit():
    """An energy that begins at 0 leaves no share of it to tell a rise by; that is told in natural units then."""
    still = AllenCahn(diffusivity=1e-2, reaction_rate=0.0)
    violations = []
    for problem in (still, *(in_units(still, name) for name in UNITS)):
        t, xi = np.linspace(0, 1, 5) * problem.horizon, -1 + 2 * np.arange(8) / 8
        x = problem.domain[0] + (xi + 1) * problem.length_unit
        growing = (t / problem.horizon)[:, None]
        u, u_x = 0.5 + growing * np.cos(np.pi * xi), -growing * np.pi * np.sin(np.pi * xi) / problem.length_unit
        zero = np.zeros_like(u)
        violations.append(score(problem, Sampled(t, x, u, u_x, zero), None)["energy_violation"])
    assert violations[0] > 1e-3
    np.testing.assert_allclose(violations[1:], violations[0], rtol=1e-12)


@pytest.mark.landing
def test_a_figure_shows_points_in_the_users_units(tmp_path, monkeypatch):
    """Those of every window, in the t and x that they have in the whole."""
    from pinn_ac.app import report
    from pinn_ac.reporting import figures

    seen = {}
    monkeypatch.setattr(figures, "draw_run", lambda *given: seen.update(points=given[5], residuals=given[6]) or [])
    problem = in_units(PROBLEM, "thin and fast")
    experiment = assemble(composed(*words_of(problem), *SMALL, "windows=2"))
    params = random_params(experiment.setup.network, experiment.field.features)
    run = Solution(experiment, (params, params))
    report.draw(run, tmp_path, run.sample(9, 16), None, [])
    t, x = seen["points"].T
    (left, right), end = problem.domain, problem.horizon
    assert 0 <= t.min() < 0.1 * end
    assert np.mean(t > end / 2) == 0.5
    assert 0.9 * end < t.max() <= end
    assert left <= x.min() < x.max() <= right
    assert np.ptp(x) > 0.4 * (right - left)
    np.testing.assert_array_equal(seen["residuals"], run.derivatives(t, x)["residual"])
