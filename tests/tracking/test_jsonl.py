"""The history survives interruptions and is valid JSON whatever it is given."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.errors import InputError
from pinn_ac.tracking import History, read_history, steps_of_stages


def filled(path, steps=5):
    history = History(path)
    for step in range(steps):
        history.append(step, 0.1 * step, 10.0**-step, {"residual": 1.0, "initial": 2.0}, stage="adam")
    return history


def test_what_is_appended_is_read_back(tmp_path):
    path = tmp_path / "deep" / "history.jsonl"
    filled(path).append(5, 0.5, 1e-5, relative_l2=3e-4, stage=None)
    entries = read_history(path)
    assert [entry["step"] for entry in entries] == list(range(6))
    assert entries[1] == {
        "step": 1,
        "seconds": 0.1,
        "loss": 0.1,
        "loss_residual": 1.0,
        "loss_initial": 2.0,
        "stage": "adam",
    }
    assert entries[5] == {"step": 5, "seconds": 0.5, "loss": 1e-5, "relative_l2": 3e-4}


def test_each_line_is_on_disk_as_soon_as_it_is_appended(tmp_path):
    path = tmp_path / "history.jsonl"
    history = History(path)
    for step in range(3):
        history.append(step, 0.0, 1.0)
        assert len(read_history(path)) == step + 1


def test_arrays_and_values_that_are_not_finite_become_json(tmp_path):
    path = tmp_path / "history.jsonl"
    History(path).append(
        np.int64(3),
        np.float32(0.5),
        jnp.asarray(float("nan")),
        {"residual": jnp.array([2.0]), "initial": float("inf")},
        damping=jnp.asarray(0.25, jnp.bfloat16),
        widths=np.array([1, 2]),
        accepted=np.bool_(True),
    )
    line = path.read_text()
    assert "NaN" not in line
    assert json.loads(line) == {
        "step": 3,
        "seconds": 0.5,
        "loss": None,
        "loss_residual": 2.0,
        "loss_initial": None,
        "damping": 0.25,
        "widths": [1, 2],
        "accepted": True,
    }


@pytest.mark.parametrize("cut", [1, 2, 9, 40])
def test_a_last_line_that_was_cut_off_is_forgotten_and_the_next_one_is_whole(tmp_path, cut):
    path = tmp_path / "history.jsonl"
    filled(path)
    path.write_bytes(path.read_bytes()[:-cut])
    whole = 5 if cut == 1 else 4  # without its line break alone, a line still says everything
    assert len(read_history(path)) == whole
    History(path).append(9, 1.0, 1.0)
    assert [entry["step"] for entry in read_history(path)] == [*range(whole), 9]


def test_a_resumed_run_does_not_repeat_lines(tmp_path):
    path = tmp_path / "history.jsonl"
    filled(path)
    History(path).truncate_after(2).append(3, 0.3, 7.0)
    assert [(entry["step"], entry["loss"]) for entry in read_history(path)] == [
        (0, 1.0),
        (1, 0.1),
        (2, 0.01),
        (3, 7.0),
    ]
    assert list(tmp_path.iterdir()) == [path]
    assert History(tmp_path / "none.jsonl").truncate_after(2).path.name == "none.jsonl"


def test_a_file_that_is_no_history_is_refused(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 0}\nnonsense\n{"step": 1}\n')
    with pytest.raises(InputError, match="Line 2"):
        read_history(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_history(tmp_path / "none.jsonl")


def test_steps_are_counted_by_stage_over_all_windows():
    stages = [
        ("1/2 adam", 5),
        ("1/2 adam", 10),
        ("1/2 lbfgs", 13),
        ("2/2 adam", 14),
        ("2/2 adam", 24),
        ("2/2 lbfgs", 30),
    ]
    history = [{"stage": stage, "step": step} for stage, step in stages]
    assert steps_of_stages(history) == {"adam": 21, "lbfgs": 9}
    assert steps_of_stages([{"stage": "adam", "step": 7}]) == {"adam": 7}
    assert steps_of_stages([]) == {}
