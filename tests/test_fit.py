"""`fit`: its defaults, its choices, what it refuses, and that the command line is the same road."""

import doctest
import inspect
import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

import pinn_ac
from composed import EASY, composed
from pinn_ac import fitting
from pinn_ac.ansatz import Decaying, Lifted, ReactionFlow, Soft
from pinn_ac.app.train import train_in
from pinn_ac.derivatives import OwnTaylor
from pinn_ac.description import describe
from pinn_ac.errors import InputError, is_number, is_whole
from pinn_ac.fitting import BY_THE_CLOCK, Choices, choose
from pinn_ac.inverse.search import UNSETTLED
from pinn_ac.loss import Loss
from pinn_ac.models import MLP, Periodic, Splitting
from pinn_ac.optimizers import LBFGS, Adam, LevenbergMarquardt, Muon
from pinn_ac.problem import Cosine, Sine
from pinn_ac.problem.initial_conditions import largest_value
from pinn_ac.running import Plan
from pinn_ac.sampling import Monitor, Sobol, Uniform
from pinn_ac.setup import assemble
from pinn_ac.tracking import Jsonl, Tracker
from pinn_ac.weighting import Causal, Together

NETWORK, SAMPLER = MLP(width=4, depth=1), Sobol(128, resample_every=5)
WORDS = ("model.width=4", "model.depth=1", "sampler.num_points=128", "estimate=false")


def parameters(solution):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(solution.params)]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (
            {"steps": 4, "sampler": SAMPLER, "plan": Plan(evaluate_every=2)},
            ("derivatives=own_taylor", "train.steps=4", "train.evaluate_every=2"),
        ),
        pytest.param(
            {
                "ansatz": Soft(),
                "embedding": Periodic(),
                "optimizer": {"first": Adam(learning_rate=2e-3, steps=4), "second": Muon(steps=2)},
                "sampler": Uniform(128, resample_every=5),
                "precision": "float32",
                "seed": 3,
            },
            (
                "derivatives=own_taylor",
                "ansatz=soft",
                "embedding=periodic",
                "+optimizer@stages.first=adam",
                "+optimizer@stages.second=muon",
                "stages.first.steps=4",
                "stages.second.steps=2",
                "sampler=uniform",
                "precision=float32",
                "seed=3",
            ),
            marks=pytest.mark.landing,
        ),
    ],
    ids=["levenberg_marquardt", "stages"],
)
def test_both_doors_end_in_the_same_bits(choices, words, tmp_path, undrawn):
    """A config and the objects that it names train to the same parameters, and tell the same history."""
    problem = pinn_ac.AllenCahn(1e-3, 2.0, initial_condition=Cosine())
    ours = pinn_ac.fit(problem, network=NETWORK, progress=False, reference=True, **choices)
    train_in(tmp_path / "run", composed(*EASY, *WORDS, *words))
    theirs = pinn_ac.load_run(tmp_path / "run")
    for one, other in zip(parameters(ours), parameters(theirs), strict=True):
        assert np.array_equal(one, other)
    told = [{key: value for key, value in entry.items() if key != "seconds"} for entry in ours.history]
    assert told == [{key: value for key, value in entry.items() if key != "seconds"} for entry in theirs.history]


def test_its_defaults_are_the_best_that_the_problem_allows():
    best = choose(pinn_ac.AllenCahn(), None, None, 0, {})
    assert best.ansatz == ReactionFlow()
    assert best.embedding == Splitting()
    assert isinstance(best.sampler, Monitor)
    convective = choose(pinn_ac.Burgers(), None, None, 0, {})
    assert convective.ansatz == Lifted()
    assert convective.embedding == Splitting(known=("heat", "slope"))


def test_without_a_word_the_record_is_what_is_run():
    """The same objects as `experiment=record`, to the same tolerance."""
    from pinn_ac.app.assembly import assemble as assemble_config

    theirs = assemble_config(composed("experiment=record")).setup
    ours = fit_setup(pinn_ac.AllenCahn())
    for name in ("problem", "network", "embedding", "ansatz", "derivatives", "gradient", "windows", "optimizers"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.tolerance == theirs.tolerance == 1e-10
    assert ours.marches
    assert theirs.marches


def fit_setup(problem, **words):
    """What `fit` assembles, without training it."""

    class Assembled(Exception):
        """Holds the setup."""

    def stop(setup):
        raise Assembled(setup)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pinn_ac.fitting.assemble", stop)
        with pytest.raises(Assembled) as found:
            pinn_ac.fit(problem, **words)
    return found.value.args[0]


@pytest.mark.parametrize(
    "words",
    [
        *({"steps": 3}, {"optimizer": Adam()}, {"network": MLP()}, {"sampler": Sobol()}, {"windows": 2}),
        *({"ansatz": Soft()}, {"ansatz": Decaying()}, {"devices": "all"}),  # for which the best method is not
    ],
    ids=str,
)
def test_whoever_chooses_a_method_gets_it(words):
    setup = fit_setup(pinn_ac.AllenCahn(), **words)
    assert not setup.marches
    assert setup.tolerance is None


def test_a_default_that_is_spelled_out_changes_nothing():
    spelled = dict.fromkeys(("network", "weighting", "regime", "sampler", "optimizer"))
    setup = fit_setup(pinn_ac.AllenCahn(), **spelled, windows="auto", devices="auto", ansatz=Lifted())
    assert setup.marches
    assert setup.ansatz == Lifted()
    clock = fit_setup(pinn_ac.AllenCahn(), network=MLP(), optimizer=None, seconds=9.0)
    assert [one.steps for one in clock.optimizers.values()] == [BY_THE_CLOCK]


def test_single_precision_has_a_tolerance_that_it_can_hold():
    setup = fit_setup(pinn_ac.AllenCahn(), precision="float32")
    assert setup.marches
    assert setup.tolerance == 1e-3
    assert assemble(setup).marches
    with pytest.raises(InputError, match="single precision cannot hold"):
        pinn_ac.fit(pinn_ac.AllenCahn(), precision="float32", tolerance=1e-6, progress=False)


def test_a_tolerance_that_a_training_misses_is_said(capsys):
    """By a warning where no progress is shown; a solution knows it."""
    problem = pinn_ac.AllenCahn(1e-2, 1.0, initial_condition=Sine(0.5))
    with pytest.warns(UserWarning, match=r"The tolerance 1\.0e-12 is not met: the estimated relative L2 error is"):
        solution = pinn_ac.fit(problem, network=NETWORK, sampler=SAMPLER, steps=2, tolerance=1e-12, progress=False)
    assert solution.metrics["tolerance_met"] is False
    assert solution.metrics["estimated_relative_l2"] == solution.estimate()
    told = capsys.readouterr()
    assert not told.out  # with progress=False
    assert not told.err


def test_what_no_tracker_says_is_warned_of(tmp_path, monkeypatch):
    """A file of numbers says nothing; a tracker that can say something is left to do it."""

    class Listens(Tracker):
        def say(self, sentence):
            pass

    found = SimpleNamespace(metrics={"inferred_undetermined": "The observations do not.", "search_converged": False})
    assert list(fitting._to_know(found)) == ["The observations do not.", UNSETTLED]
    lost = {"tolerance_met": False, "tolerance": 1e-12, "estimated_relative_l2": 0.5, "ended_by": "the clock"}
    monkeypatch.setattr(fitting, "_trained", lambda *_: SimpleNamespace(metrics=lost))  # as the test above trains it
    problem = pinn_ac.AllenCahn(1e-2, 1.0, initial_condition=Sine(0.5))
    choices = {"network": NETWORK, "sampler": SAMPLER, "steps": 1, "tolerance": 1e-12, "progress": False}
    with pytest.warns(UserWarning, match="is not met"):
        pinn_ac.fit(problem, trackers=[Jsonl(str(tmp_path / "history.jsonl"))], **choices)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pinn_ac.fit(problem, trackers=[Listens()], **choices)


def test_the_clock_trains_a_network_as_its_experiment_does():
    """The same objects and intervals as `experiment=levenberg_marquardt`."""
    from pinn_ac.app.assembly import arguments
    from pinn_ac.app.config import plan

    config = composed("experiment=levenberg_marquardt")
    problem, choices = arguments(config)
    theirs = choose(problem, None, config.train.seconds, 0, choices)
    ours = choose(
        pinn_ac.AllenCahn(), None, config.train.seconds, 0, {"optimizer": LevenbergMarquardt(steps=100_000)}
    )
    for name in ("problem", "network", "embedding", "ansatz", "derivatives", "gradient", "windows", "optimizers"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.loss.norm == theirs.loss.norm
    assert dict(ours.loss.weights) == dict(theirs.loss.weights)
    assert plan(config).log_every == 5


class HalfASampler:
    """It draws, and that is all."""

    def draw(self):
        raise NotImplementedError


class HalfAnAnsatz:
    """It does not say whether u(0, x) = u₀(x)."""

    def combine(self, problem, t, g, n):
        return n


class Stepper:
    """An optimizer that is no dataclass."""

    steps = 2

    def build(self, objective):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"seed": -1}, "seed is -1: give a whole number"),
        ({"steps": 0}, "steps is 0"),
        ({"seconds": -3}, "train.seconds is -3: give a positive number"),
        ({"optimizer": [Adam(), LBFGS()], "steps": 3}, "steps is for a run with one optimizer"),
        ({"optimizer": "adam"}, "give one of pinn_ac.optimizers"),
        ({"precision": "float16"}, "choose float64 or float32"),
        ({"windows": 0}, "windows is 0"),
        ({"network": "mlp"}, r"network is 'mlp': give one of pinn_ac\.models, such as MLP\(\)"),
        ({"network": MLP}, r"network is the class MLP: give an object of it, such as MLP\(\)"),
        ({"embedding": "periodic"}, r"embedding is 'periodic': give one of pinn_ac\.models, such as Periodic"),
        ({"embedding": MLP()}, "embedding is of the class MLP: give one of pinn_ac.models"),
        ({"ansatz": "soft"}, r"give one of pinn_ac\.ansatz, such as Soft\(\)"),
        ({"derivatives": "own_taylor"}, r"give one of pinn_ac\.derivatives"),
        ({"derivatives": OwnTaylor}, "derivatives is the class OwnTaylor"),
        ({"gradient": "own"}, r"give one of pinn_ac\.gradients"),
        ({"loss": "l1"}, "loss is 'l1': give a pinn_ac.loss.Loss"),
        ({"loss": Loss}, "give a pinn_ac.loss.Loss"),
        ({"sampler": "sobol"}, r"sampler is 'sobol': give one of pinn_ac\.sampling, such as Sobol\(\)"),
        ({"sampler": Sobol}, "sampler is the class Sobol"),
        ({"sampler": HalfASampler()}, "The sampler HalfASampler has no num_points, num_initial"),
        ({"ansatz": HalfAnAnsatz()}, "The ansatz HalfAnAnsatz has no exact_at_start"),
        ({"weighting": "causal"}, r"give one of pinn_ac\.weighting"),
        ({"regime": "curriculum"}, r"give one of pinn_ac\.regimes"),
        ({"optimizer": Adam}, "optimizer is the class Adam"),
        ({"optimizer": [Adam(), "lbfgs"]}, r"optimizer is 'lbfgs': give one of pinn_ac\.optimizers"),
        ({"optimizer": Stepper(), "steps": 3}, "steps cannot be set for Stepper, which is no dataclass"),
        ({"plan": {"seconds": 3}}, r"plan is \{'seconds': 3\}: give a pinn_ac.running.Plan"),
        ({"trackers": "jsonl"}, "trackers is 'jsonl': give a list of them"),
        ({"trackers": Jsonl("history.jsonl")}, "give a list of them"),
        ({"trackers": [Jsonl]}, "tracker is the class Jsonl"),
        ({"trackers": ["jsonl"]}, "tracker is 'jsonl': give one of pinn_ac.tracking"),
    ],
    ids=lambda one: one if isinstance(one, str) else ",".join(one),
)
def test_a_choice_that_cannot_be_used_is_one_sentence(choices, sentence, compilations):
    largest_value(pinn_ac.AllenCahn().initial_condition)  # a number that choices depend on; small programs, once
    compilations.clear()
    with pytest.raises(InputError, match=sentence):
        pinn_ac.fit(pinn_ac.AllenCahn(), progress=False, **choices)
    assert not compilations


class OwnAnsatz(HalfAnAnsatz):
    exact_at_start = False


class OwnEmbedding:
    def __call__(self, problem, t, x):
        return jnp.stack([t, jnp.cos(jnp.pi * x)])

    def even(self, problem):
        return False


@dataclass(frozen=True)
class OwnSampler(HalfASampler):
    num_points: int = 32
    num_initial: int = 8
    resample_every: int = 0
    hides: bool = False
    importance: bool = False


def test_objects_of_a_users_own_need_not_say_that_they_need_nothing():
    """Without an attribute `needs`."""
    own = {"ansatz": OwnAnsatz(), "embedding": OwnEmbedding(), "sampler": OwnSampler(), "network": NETWORK}
    experiment = assemble(choose(pinn_ac.AllenCahn(), 1, None, 0, own))
    assert experiment.sampler is own["sampler"]
    assert set(experiment.objective.terms) == {"residual", "initial"}


def test_numbers_of_numpy_are_those_of_python():
    """The same setup, of which every number is Python's own; in objects that hold objects too."""

    def setup(real, whole, truth):
        return choose(
            pinn_ac.AllenCahn(real(0.5), real(2.0), horizon=real(2.0), initial_condition=Sine(real(0.5), whole(2))),
            whole(5),
            real(60.0),
            whole(3),
            {
                "network": MLP(width=whole(4), depth=whole(2), output_scale=real(0.5)),
                "embedding": Periodic(modes=whole(2), symmetry=truth(False)),
                "optimizer": Adam(learning_rate=real(0.125), warmup_steps=whole(1)),
                "loss": Loss("mse", {"initial": real(8.0)}),
                "weighting": Together({"causal": Causal(chunks=whole(4))}),
                "sampler": Monitor(whole(64), arc_length=real(0.5)),
                "windows": whole(2),
            },
            real(0.25),
        )

    ours = setup(float, int, bool)
    for real in (np.float64, np.float32):
        theirs = setup(real, np.int64, np.bool_)
        assert theirs == ours
        assert yaml.safe_dump(describe(theirs)) == yaml.safe_dump(describe(ours))
    assert type(fit_setup(pinn_ac.AllenCahn(), seed=np.int64(3), steps=np.int64(5)).seed) is int
    plan = Plan(seconds=np.float32(3.0), log_every=np.int64(2), tolerance=np.float64(0.5))
    assert repr(plan) == repr(Plan(seconds=3.0, log_every=2, tolerance=0.5))


@pytest.mark.parametrize("value", [True, np.True_, 1.5, "3", None, np.nan, np.complex128(3)], ids=repr)
def test_what_is_no_whole_number_is_none_of_numpys_either(value):
    assert not is_whole(value, 0)
    assert is_number(value) == (value == 1.5)


def test_a_choice_that_there_is_none_of_is_named():
    with pytest.raises(TypeError, match=r"fit\(\) has no netwrok"):
        pinn_ac.fit(pinn_ac.AllenCahn(), netwrok=MLP())


def test_what_a_method_needs_and_a_problem_lacks_is_one_sentence_with_both_names():
    with pytest.raises(InputError, match=r"ReactionFlow needs .*flow.*which Burgers lacks: choose ansatz=lifted"):
        pinn_ac.fit(pinn_ac.Burgers(), ansatz=ReactionFlow(), progress=False)
    with pytest.raises(InputError, match=r"Splitting needs .*which Burgers lacks"):
        pinn_ac.fit(pinn_ac.Burgers(), embedding=Splitting(), progress=False)


def test_progress_is_shown_and_the_process_left_as_it_was(capsys):
    """That progress can be silenced is seen where a tolerance is missed."""
    problem = pinn_ac.AllenCahn(1e-2, initial_condition=Sine())
    with jax.enable_x64(False):
        pinn_ac.fit(problem, network=NETWORK, sampler=SAMPLER, steps=1)
        assert jnp.zeros(1).dtype == jnp.float32
    assert "step" in capsys.readouterr().out


def test_every_choice_is_described():
    text = inspect.getdoc(Choices)
    assert all(f"{name}:" in text for name in Choices.__annotations__)


PUBLIC = [name for name in pinn_ac.__all__ if callable(getattr(pinn_ac, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    """`tests/test_pages.py` runs those of all modules, these included, at a small size."""
    found = doctest.DocTestFinder(recurse=False).find(getattr(pinn_ac, name), name, module=False)
    assert [test for test in found if test.examples], f"{name} has no example"


def test_the_face_holds_no_more_than_it_says():
    assert sorted(pinn_ac.__all__, key=str.lower) == sorted(set(pinn_ac.__all__), key=str.lower)
    assert set(dir(pinn_ac)) >= set(pinn_ac.__all__)
    with pytest.raises(AttributeError, match="no attribute 'netwrok'"):
        _ = pinn_ac.netwrok
