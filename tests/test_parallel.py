"""One run over several devices or processes computes what one device does, and reduces once where it must."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

from composed import composed
from pinn_ac.app.assembly import assemble
from pinn_ac.errors import InputError
from pinn_ac.optimizers.least_squares import LeastSquares, SolverSettings
from pinn_ac.optimizers.least_squares.gram import is_in_host_memory
from pinn_ac.optimizers.least_squares.normal import Normal, normal_equations
from pinn_ac.parallel import share_out
from typed import typed, undrawn_runs

PROJECT = Path(__file__).resolve().parents[1]
SMALL = (
    "problem/initial_condition=cosine",
    "problem.diffusivity=1e-3",
    "problem.reaction_rate=2",
    "windows=1",
    "model.width=6",
    "model.depth=1",
    "sampler.num_points=96",
    "sampler.num_initial=16",
)
METHODS = {
    "adam": ("optimizer=adam", "optimizer.learning_rate=0.01"),
    "adam_l1_soft": ("optimizer=adam", "loss=l1", "ansatz=soft"),
    "own_gradient": ("optimizer=adam", "gradient=own", "derivatives=own_taylor"),
    "weighted": ("optimizer=adam", "sampler=monitor", "sampler.importance=true"),
    "lbfgs": ("optimizer=lbfgs", "ansatz=soft"),
    "ssbroyden": ("optimizer=ssbroyden",),
    "combined": ("optimizer=adam", "optimizer.combine=config", "ansatz=soft"),
    "spring": ("optimizer=spring", "optimizer.solver=kernel", "ansatz=soft"),
    # Solved to the end, as by cg below.
    "nystrom": ("optimizer=nystrom_newton_cg", "optimizer.cg_tolerance=1e-13", "optimizer.damping=1", "ansatz=soft"),
    "normal": ("optimizer.solver=normal", "ansatz=soft"),
    "accumulated": ("optimizer.solver=normal", "optimizer.accumulate=true", "optimizer.chunk=16", "ansatz=soft"),
    "kernel": ("optimizer.solver=kernel",),
    "qr": ("optimizer.solver=qr",),
    "gauss_newton": ("optimizer=gauss_newton", "optimizer.floor=0.3", "ansatz=soft"),
    "gauss_newton_normal": (
        "optimizer=gauss_newton",
        "optimizer.solver=normal",
        "optimizer.floor=0.3",
        "ansatz=soft",
    ),
    # Solved to the end and well conditioned: on the way there conjugate gradients amplify rounding.
    "cg": ("optimizer.solver=cg", "optimizer.chunk=10", "optimizer.cg_tolerance=1e-13", "optimizer.damping=1"),
}
QUICK = ("adam_l1_soft", "normal")
LANDING = ("lbfgs", "accumulated")


def experiment(devices, *words):
    return assemble(composed(*SMALL, *words, f"devices={devices}"))


def history(built, steps):
    """The losses of the first steps."""
    optimizer = built.stages[0].optimizer
    params = built.initial_params()
    batch = built.prepare(built.draw(0, params, {}))
    state, losses = optimizer.init(params), []
    for _ in range(steps):
        state, info = optimizer.step(state, batch)
        losses.append(float(info.loss))
    return losses


def reductions(compiled):
    """Collective operations of a compiled program, by name."""
    found = re.findall(
        r" (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(", compiled
    )
    return {name: found.count(name) for name in set(found)}


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(one, marks=() if one in QUICK else pytest.mark.landing if one in LANDING else pytest.mark.slow)
        for one in METHODS
    ],
)
def test_devices_give_the_history_of_one(method):
    one = history(experiment(1, *METHODS[method]), 6)
    assert one[-1] < one[0]
    for devices in (2, 4) if method == "normal" else (4,):
        # Sums in another order: rounding, which six steps do not amplify to 1e-10.
        np.testing.assert_allclose(history(experiment(devices, *METHODS[method]), 6), one, rtol=1e-10)


def test_points_are_divided_and_parameters_are_everywhere():
    built = experiment(4, "optimizer=adam")
    batch = built.prepare(built.draw(0, built.initial_params(), {}))
    for leaf in jax.tree.leaves(batch):
        assert {shard.data.shape[0] for shard in leaf.addressable_shards} == {len(leaf) // 4}
    state = built.stages[0].optimizer.init(built.initial_params())
    assert all(leaf.is_fully_replicated and len(leaf.devices()) == 4 for leaf in jax.tree.leaves(state))


def test_tasks_aside_have_a_thread_of_their_own_but_not_where_devices_compute_together():
    def task():
        done.append(len(done))
        return threading.current_thread()

    for devices, there in ((1, False), (2, True)):
        done = []
        answers = [share_out(devices).run_in_background(task) for _ in range(3)]
        assert len(done) == 3 or not there
        assert {answer() is threading.current_thread() for answer in answers} == {there}
        assert done == [0, 1, 2]


def test_a_gradient_step_has_one_all_reduce():
    built = experiment(4, "optimizer=adam", "ansatz=soft")
    params = built.initial_params()
    batch = built.prepare(built.draw(0, params, {}))
    optimizer = built.stages[0].optimizer
    compiled = optimizer.step.lower(optimizer.init(params), batch).compile().as_text()
    assert reductions(compiled) == {"all-reduce": 1}


def test_the_normal_equations_take_two_all_reduces_and_gather_no_points():
    built = experiment(4, "ansatz=soft")
    params = built.objective.shards.replicated(built.initial_params())
    batch = built.prepare(built.draw(0, params, {}))
    least_squares = LeastSquares(built.objective, SolverSettings("normal", accumulate=False))
    linearize = least_squares.compiled_solver(params, batch).linearize
    assert reductions(linearize.lower(params, batch).compile().as_text()) == {"all-reduce": 1}
    J = linearize(params, batch).J
    gram = Normal(least_squares.model).products_of_columns
    assert reductions(gram.lower(J).compile().as_text()) == {"all-reduce": 1}
    summed = least_squares.model._accumulated.lower(params, batch, normal_equations).compile().as_text()
    assert reductions(summed) == {"all-reduce": 1}


@pytest.mark.parametrize(("n", "P"), [(64, 5), (24, 9), (8, 11)])  # the second: fewer rows on a device than columns
def test_rows_on_several_devices_are_factored_where_they_are(n, P):
    """As by one device up to rounding, which the condition does not amplify in the columns of Q that are kept."""
    A = np.random.default_rng(0).normal(size=(n, P))
    shards = share_out(4)
    program = jax.jit(shards.qr).lower(shards.divided({"A": A})["A"]).compile()
    Q, R = program(shards.divided({"A": A})["A"])
    k = min(n, P)
    assert Q.shape == (n, k)
    assert {piece.data.shape for piece in Q.addressable_shards} == {(n // 4, k)}
    assert R.is_fully_replicated
    np.testing.assert_allclose(Q @ R, A, atol=1e-14 * n)
    np.testing.assert_allclose(Q.T @ Q, np.eye(k), atol=1e-14 * n)
    np.testing.assert_array_equal(np.tril(R, -1), 0)
    np.testing.assert_allclose(np.abs(jax.jit(shards.triangle)(shards.divided({"A": A})["A"])), np.abs(R), atol=1e-13)
    # What is sent is the small factors of each device, never the rows.
    assert reductions(program.as_text()) == {"all-gather": 1}
    assert f"f64[{4 * min(n // 4, P)},{P}]" in program.as_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("devices=5",), "there are 4 here"),
        (("devices=0",), "whole number from 1"),
        (("devices=some",), "give auto, all"),
        (("devices=4", "sampler.num_points=98"), "multiple of 4"),
        (("devices=4", "ansatz=soft", "sampler.num_initial=18"), "multiple of 4"),
        (("devices=2", "optimizer.normal_precision=float64"), "normal_precision"),
    ],
)
def test_what_cannot_be_shared_is_refused(words, sentence):
    with pytest.raises(InputError, match=sentence):
        assemble(composed(*SMALL, *words))


def test_points_by_the_size_of_the_network_are_shared_evenly():
    assert experiment(3, "sampler.num_points=null").sampler.num_points % 3 == 0


COMMAND = [sys.executable, str(PROJECT / "scripts/train.py")]
CHEAP = (*SMALL, "ansatz=soft", "embedding=periodic", "train.log_every=1", "estimate=false")
"""Runs that every process compiles anew."""
RUN = (*CHEAP, "windows=2", "optimizer=adam", "train.steps=8")


def train_by(processes, *words):
    """Exit status and what was said of each of several processes that train one run together."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    common = os.environ | {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(processes)}
    running = [
        subprocess.Popen(
            [*COMMAND, *words], env=common | {"JAX_PROCESS_ID": str(index)}, text=True, stderr=subprocess.PIPE
        )
        for index in range(processes)
    ]
    said = [process.communicate(timeout=300)[1] for process in running]
    return [process.returncode for process in running], said


def train_here(folder, *words):
    """The same command in this process, on its first device."""
    with undrawn_runs():
        done = typed("train", *words, f"hydra.run.dir={folder}")
    assert done.status == 0, done.err


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "history.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a run in one process on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    train_here(folder, *RUN)
    return folder


def test_numpy_gets_what_one_device_has_and_nothing_of_several():
    mesh = jax.make_mesh((4,), ("points",))
    everywhere, divided = (
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((), ("points",))
    )
    J = np.ones((8, 3))
    assert is_in_host_memory(J)
    assert is_in_host_memory(jax.device_put(J))
    assert not is_in_host_memory(jax.device_put(J, everywhere))
    assert not is_in_host_memory(jax.device_put(J, divided))
    seen = []
    jax.jit(lambda J: seen.append(is_in_host_memory(J)))(J)
    assert seen == [False]


@pytest.mark.landing
def test_two_processes_take_the_same_steps_of_levenberg_marquardt(tmp_path):
    """Whose λ and lengths the host decides on, in each process by itself."""
    words = (*CHEAP, "train.steps=6", "reference=false")
    train_here(tmp_path / "alone", *words)
    assert train_by(2, *words, f"hydra.run.dir={tmp_path / 'together'}")[0] == [0, 0]
    np.testing.assert_allclose(losses(tmp_path / "together"), losses(tmp_path / "alone"), rtol=1e-6)


@pytest.mark.landing
def test_two_processes_train_one_run(alone, tmp_path):
    """In one folder, which the first one writes and which is refused to others."""
    assert train_by(2, *RUN, f"hydra.run.dir={tmp_path / 'run'}")[0] == [0, 0]
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(alone), rtol=1e-10)
    found = json.loads((tmp_path / "run/metrics.json").read_text())
    assert found["devices"] == 2
    refused, said = train_by(2, *RUN, f"hydra.run.dir={tmp_path / 'run'}")
    assert refused == [2, 2]
    assert "already holds a run" in said[0]


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices(alone, tmp_path):
    """From two processes to one, and from one to two."""
    assert train_by(2, *RUN, f"hydra.run.dir={tmp_path / 'run'}")[0] == [0, 0]
    subprocess.run([*COMMAND, f"resume={tmp_path / 'run'}", "train.steps=12"], check=True)
    shutil.copytree(alone, tmp_path / "alone")
    assert train_by(2, f"resume={tmp_path / 'alone'}", "train.steps=12")[0] == [0, 0]
    assert len(losses(tmp_path / "run")) == len(losses(alone)) + 4
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(tmp_path / "alone"), rtol=1e-10)


@pytest.mark.landing
@pytest.mark.parametrize(
    "variables",
    [
        {"JAX_NUM_PROCESSES": "2"},
        {"JAX_COORDINATOR_ADDRESS": "localhost:1", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "2"},
    ],
)
def test_variables_by_hand_are_checked(variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = typed("train")
    assert done.status == 2
    assert "JAX_COORDINATOR_ADDRESS" in done.err


@pytest.mark.landing
def test_srun_starts_several_processes_of_one_run(slurm, alone, tmp_path):
    command = ["srun", "-n2", "-c1", "--mem-per-cpu=2000", *COMMAND, *RUN, f"hydra.run.dir={tmp_path / 'run'}"]
    subprocess.run(command, env=os.environ | slurm, check=True, timeout=300)
    np.testing.assert_allclose(losses(tmp_path / "run")[:8], losses(alone)[:8], rtol=1e-10)
    assert json.loads((tmp_path / "run/metrics.json").read_text())["devices"] == 2
