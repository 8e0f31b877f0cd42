"""What a library may not change: another run, a config that is handed in, the process. And what it must let go of."""

import decimal
import gc
import locale
import logging
import os
import random
import shutil
import signal
import sys
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
from threadpoolctl import threadpool_info

import pinn_ac
from composed import EASY, composed
from letting_go import let_go_of
from pinn_ac.app import report
from pinn_ac.app.assembly import assemble
from pinn_ac.app.ensemble import train_ensemble_in
from pinn_ac.app.evaluate import evaluate
from pinn_ac.app.objects import build
from pinn_ac.app.report import load_reference
from pinn_ac.app.saved_run import load_config
from pinn_ac.app.train import train_in
from pinn_ac.compute import ComputeSettings, in_another_thread
from pinn_ac.errors import InputError
from pinn_ac.estimate import estimate_error
from pinn_ac.evaluation import score
from pinn_ac.files import write_whole
from pinn_ac.parallel import ONE_DEVICE
from pinn_ac.reference import load_or_solve
from pinn_ac.reporting import figures
from pinn_ac.training import Diverged, StopSignals
from typed import undrawn_runs

pytestmark = pytest.mark.landing
SMALL = (
    *EASY,
    "windows=2",
    "embedding=periodic",
    "optimizer=adam",
    "model.width=4",
    "model.depth=1",
    "sampler.num_points=64",
    "train.steps=4",
    "train.evaluate_every=2",
    "train.checkpoint_every=2",
    "estimate=false",
)
X = np.linspace(-1, 1, 7)


@contextmanager
def process(double, device=None):
    """A process, and not just a thread, that its user has set up so."""
    options = {
        "jax_enable_x64": double,
        "jax_default_matmul_precision": None,
        "jax_default_device": device,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def state_of_process():
    """All that a library could change behind its user's back, name → value."""
    from jax._src import monitoring

    loggers = {"root": logging.root} | {
        name: one for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)
    }
    state = {f"jax.config.{name}": value for name, value in jax.config.values.items()}
    state |= {f"logger {name}": (one.level, one.handlers[:], one.filters[:], one.disabled, one.propagate)
              for name, one in loggers.items()}  # fmt: skip
    state |= {f"os.environ {name}": value for name, value in os.environ.items()}
    state |= {f"rcParams {name}": str(value) for name, value in mpl.rcParams.items()}
    state |= {f"signal {one.name}": signal.getsignal(one) for one in signal.valid_signals() if hasattr(one, "name")}
    state |= {f"threads of {one['filepath']}": one["num_threads"] for one in threadpool_info()}
    state |= {f"resolver {name}": function for name, function in BaseContainer._resolvers.items()}
    mask = os.umask(0)
    os.umask(mask)
    return state | {
        "names of the environment": sorted(os.environ),
        "working directory": os.getcwd(),
        "umask": mask,
        "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "logging.disable": logging.root.manager.disable,
        "numpy's printing": str(np.get_printoptions()),
        "numpy's errors": np.geterr(),
        "numpy's random numbers": str(np.random.get_state()),  # noqa: NPY002
        "random numbers": random.getstate(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook),
        "sys.path": list(sys.path),
        "recursion": sys.getrecursionlimit(),
        "locale": locale.setlocale(locale.LC_ALL),
        "decimal": str(decimal.getcontext()),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "listeners": list(monitoring._event_duration_secs_listeners),
        "precision": jnp.zeros(1).dtype,
        "device": jnp.zeros(1).devices(),
    }


def plain(config):
    return OmegaConf.to_container(config, resolve=False), config._metadata.flags


@contextmanager
def left_alone(*configs):
    """Neither the process nor the configs are changed within it."""
    before, as_given = state_of_process(), [plain(config) for config in configs]
    yield
    after = state_of_process()
    changed = {name: (value, after.get(name)) for name, value in before.items() if after.get(name) != value}
    # A library may ask for a logger of its own, which is there then, as long as it leaves that as it is made.
    made = (logging.NOTSET, [], [], False, True)
    changed |= {
        name: (None, after[name])
        for name in after.keys() - before.keys()
        if name.startswith(("resolver", "jax.config")) or (name.startswith("logger") and after[name] != made)
    }
    assert changed == {}
    assert [plain(config) for config in configs] == as_given


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run in double precision and the same in single, by their names."""
    place = tmp_path_factory.mktemp("runs")
    with undrawn_runs():
        for precision in ("float64", "float32"):
            train_in(place / precision, composed(*SMALL, f"precision={precision}"))
    return {precision: place / precision for precision in ("float64", "float32")}


@pytest.fixture(scope="module")
def alone(folders):
    """What each of the two gives in a process that is set as it is."""
    found = {}
    for precision, folder in folders.items():
        with process(double=precision == "float64"):
            found[precision] = everything(pinn_ac.load_run(folder))
    return found


def everything(run):
    """All that a run is asked for, name → array."""
    reference = load_reference(run.problem, times=5, points=16)
    metrics = score(run.experiment.problem, run.sample(5, 16), reference)
    metrics |= estimate_error(run.experiment.problem, run.derivatives, run.experiment.breaks, 64, 32)
    numbers = {name: value for name, value in metrics.items() if isinstance(value, float | list)}
    held_out = run.experiment.held_out(run.conditions[1]).terms["residual"].prepared
    return {
        "predict": run.predict(0.7, X),
        "predict later": run.predict(1.0, X),
        **run.derivatives(np.array([[0.3], [0.8]]), X),
        "sample": run.sample(3, 8).residual,
        "held out": np.asarray(held_out.t),
        "drawn": run.experiment.draw(0, run.params[1], {}, condition=run.conditions[1])["residual"],
        **numbers,
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert np.asarray(found[name]).dtype == np.asarray(value).dtype, name


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_run_gives_numpy_arrays_of_its_own_precision(alone, precision):
    for name in ("predict", "u", "u_t", "u_x", "u_xx", "residual", "drawn"):
        assert isinstance(alone[precision][name], np.ndarray)
        assert alone[precision][name].dtype == precision, name


@pytest.mark.parametrize(("order", "double"), [(("float32", "float64"), True), (("float64", "float32"), False)])
def test_runs_do_not_change_each_other_whatever_the_process_computes_in(folders, alone, order, double):
    """Loaded one after the other, then asked in turn: the one of the other precision before and after its own."""
    with process(double):
        runs = {precision: pinn_ac.load_run(folders[precision]) for precision in order}
        for precision in (*order, order[0]):
            with left_alone():
                assert_same(everything(runs[precision]), alone[precision])


def test_runs_in_two_threads_at_once_do_not_change_each_other(folders, alone):
    """Nor does a thread that has set a precision of its own."""
    start = threading.Barrier(2)

    def work(precision):
        with jax.enable_x64(precision == "float32"):  # the other one
            run = pinn_ac.load_run(folders[precision])
            start.wait()
            return [everything(run) for _ in range(2)], jnp.zeros(1).dtype

    with process(double=False), left_alone(), ThreadPoolExecutor(2) as threads:
        answers = dict(zip(folders, threads.map(work, folders), strict=True))
    for precision, (found, own) in answers.items():
        assert own == ("float64" if precision == "float32" else "float32")
        for one in found:
            assert_same(one, alone[precision])


def train(folder, precision, *words):
    return train_in(folder, composed(*SMALL, f"precision={precision}", *words))


@pytest.mark.landing
def test_trainings_in_two_threads_at_once_are_those_they_are_alone(folders, tmp_path):
    with process(double=False), left_alone(), ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda precision: train(tmp_path / precision, precision), folders))
    for precision, folder in folders.items():
        with (
            np.load(folder / "prediction.npz") as one,
            np.load(tmp_path / precision / "prediction.npz") as other,
        ):
            np.testing.assert_array_equal(one["u"], other["u"])


def on_grid(folder, **settings):
    grid = {"run": str(folder), "times": 3, "points": 8, "device": "auto"}
    defaults = grid | {"reference": True, "estimate": True, "animate": False}
    return OmegaConf.create({**defaults, **settings})


LONG = ("train_in on the host", "train_ensemble_in", "resuming", "evaluate", "load_run on a CPU")
CALLS = {
    "assemble": lambda config, folder, finished: assemble(config),
    "build": lambda config, folder, finished: [build(config[group]) for group in ("problem", "model", "sampler")],
    "train_in": lambda config, folder, finished: train_in(folder, config),
    "train_in on the host": lambda config, folder, finished: train_in(folder, config),
    "train_ensemble_in": lambda config, folder, finished: train_ensemble_in(folder, config),
    "resuming": lambda config, folder, finished: resume(folder, finished),
    "evaluate": lambda config, folder, finished: evaluate(on_grid(finished)),
    "load_config": lambda config, folder, finished: load_config(finished),
    "load_run": lambda config, folder, finished: pinn_ac.load_run(finished),
    "load_run on a CPU": lambda config, folder, finished: everything(pinn_ac.load_run(finished, device="cpu")),
    "reference": lambda config, folder, finished: load_or_solve(
        build(config.problem), points=8, cache_folder=folder / "cache"
    ),
}
WORDS = {
    "train_ensemble_in": ("ensemble=2",),
    "train_in on the host": ("optimizer=levenberg_marquardt", "optimizer.normal_precision=float64"),
}


def resume(folder, finished):
    shutil.copytree(finished, folder)
    longer = load_config(folder)
    longer.train.steps = 6
    with left_alone(longer):
        train_in(folder, longer, resuming=True)


@pytest.mark.parametrize(
    ("name", "saved"),
    [pytest.param(name, "float64", marks=[pytest.mark.landing] if name in LONG else []) for name in CALLS]
    + [("load_run on a CPU", "float32")]
    + [pytest.param(name, "float32", marks=pytest.mark.landing) for name in CALLS if name.startswith("train")],
)
def test_a_call_leaves_the_process_and_its_config_as_they_were(folders, tmp_path, name, saved, monkeypatch):
    """In a process of the other precision, whose root logger has no handler, as a user's has.

    And those that compile most keep nothing of what they compiled. Of the runs two are drawn.
    """
    if (name, saved) not in (("train_in", "float64"), ("evaluate", "float64")):
        monkeypatch.setattr(report, "draw", lambda *arguments: [])
    config = composed(*SMALL, f"precision={saved}", "windows=auto", *WORDS.get(name, ()))
    handlers, logging.root.handlers[:] = logging.root.handlers[:], []
    try:
        with (
            let_go_of() if name in LONG else nullcontext(),
            process(double=saved == "float32", device=jax.devices()[2]),
            left_alone(config),
        ):
            CALLS[name](config, tmp_path / "run", folders[saved])
    finally:
        logging.root.handlers[:] = handlers


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("optimizer.learning_rate=1e300", "train.log_every=1"), Diverged),
        (("precision=float16",), InputError),
        (("windows=0",), InputError),
        (("sampler.num_points=63", "devices=2"), InputError),
    ],
)
def test_a_training_that_fails_leaves_them_too(tmp_path, words, error):
    config = composed(*SMALL, *words)
    kept = let_go_of() if error is Diverged else nullcontext()
    with kept, process(double=False), left_alone(config), pytest.raises(error):
        train_in(tmp_path / "run", config)


def test_the_device_of_a_run_is_its_own(folders):
    """Also where it was left open: then it is the one that was in use when the run was loaded."""
    first, third = jax.devices()[0], jax.devices()[2]
    with jax.default_device(third):
        fixed, open_ = pinn_ac.load_run(folders["float64"], device="cpu"), pinn_ac.load_run(folders["float64"])
        assert jnp.zeros(1).devices() == {third}
        assert fixed.experiment.prepare(points(fixed)).terms["residual"].prepared.t.devices() == {first}
    assert open_.experiment.prepare(points(open_)).terms["residual"].prepared.t.devices() == {third}
    assert open_.predict(0.5, X).tolist() == fixed.predict(0.5, X).tolist()
    assert jnp.zeros(1).devices() == {first}


def points(run):
    return run.experiment.draw(0, run.params[0], {})


@pytest.mark.parametrize("double", [True, False])
def test_a_task_in_another_thread_computes_under_the_settings_of_this_one(double):
    device = jax.devices()[1]

    def task():
        return jnp.zeros(1).dtype, jnp.zeros(1).devices(), jax.config.jax_default_matmul_precision

    with process(double=not double):
        with ComputeSettings(double, "highest", device).active():
            begun, other = ONE_DEVICE.run_in_background(task), in_another_thread(task)
        for answer in (begun, other):
            assert answer() == (np.dtype("float64" if double else "float32"), {device}, "highest")
        assert task()[2] is None


def test_files_written_by_two_threads_at_once_are_whole(tmp_path):
    start = threading.Barrier(2)

    def write(draft):
        draft.write_text("whole")
        start.wait()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: write_whole(tmp_path / "file", write), range(2)))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "whole")]


@pytest.mark.landing
def test_a_finished_run_is_let_go_of(tmp_path):
    """Also when it is loaded and asked. Among the calls above is Levenberg-Marquardt's, in test_run L-BFGS's."""
    words = ("embedding=splitting", "optimizer=ssbroyden", "sampler=rad", "derivatives=own_taylor", "gradient=own")
    with let_go_of():
        train_in(tmp_path / "run", composed(*SMALL, *words))
    with let_go_of():
        run = pinn_ac.load_run(tmp_path / "run")
        everything(run)
        held = weakref.ref(run.experiment)
        del run
        gc.collect()
        assert held() is None


def test_a_handler_of_signals_that_python_does_not_know_stays(monkeypatch):
    """One that a program in C has set: it could not be put back."""
    set_by_us = []
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda *given: set_by_us.append(given))
    with StopSignals():
        pass
    assert set_by_us == []


@pytest.mark.landing
def test_members_of_an_ensemble_share_their_programs(tmp_path, monkeypatch, compilations):
    """Four seeds compile no more than two: draws, steps, errors and the metrics at the end."""
    monkeypatch.setattr(figures, "draw_run", lambda *arguments: [])  # in which nothing is compiled
    counts = []
    for size in (2, 2, 4):  # the first one also compiles what all have in common
        before = len(compilations)
        train_ensemble_in(tmp_path / f"{len(counts)}", composed(*SMALL, f"ensemble={size}"))
        counts.append(len(compilations) - before)
    assert counts[2] <= counts[1]


def test_the_state_that_is_looked_at_is_what_changes():
    """The test of the tests: each of these is noticed."""
    config = composed(*SMALL)
    with process(double=True), pytest.raises(AssertionError, match=r"jax\.config\.jax_enable_x64"), left_alone():
        jax.config.update("jax_enable_x64", False)
    nothing = logging.NullHandler()
    with pytest.raises(AssertionError, match="logger root"), left_alone():
        logging.root.addHandler(nothing)
    logging.root.removeHandler(nothing)
    with pytest.raises(AssertionError, match="logger of this test"), left_alone():
        logging.getLogger("of this test").addHandler(nothing)
    with pytest.raises(AssertionError, match="resolver of_this_test"), left_alone():
        OmegaConf.register_new_resolver("of_this_test", str)
    OmegaConf.clear_resolver("of_this_test")
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(AssertionError, match=r"os\.environ HOME"),
        left_alone(),
    ):
        patch.setenv("HOME", "elsewhere")
    with pytest.raises(AssertionError), left_alone(config):
        config.windows = 3
