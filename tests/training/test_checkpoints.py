"""Checkpoints: complete or absent, the newest readable one counts."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.errors import InputError
from pinn_ac.training import Checkpoints, TrainingState


def saved(folder, steps):
    """Checkpoints of these steps, whose parameters are the step."""
    checkpoints = Checkpoints(folder)
    for step in steps:
        params = {"w": jnp.full((3,), float(step))}
        points = {"residual": np.full((4 + step, 2), 0.25 * step)}
        checkpoints.save(params, TrainingState({"m": jnp.zeros(2)}, params, points, stage=1, step=step, seconds=0.5))
    return checkpoints


def template(window, stage):
    return {"w": jnp.zeros(3)}


def damage(folder, step):
    """Cut every data file of a checkpoint short."""
    for file in (folder / str(step)).rglob("*"):
        if file.is_file() and "/d/" in str(file):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_the_newest_is_restored_and_the_oldest_are_dropped(tmp_path):
    checkpoints = saved(tmp_path, (1, 2, 3))
    assert np.array_equal(checkpoints.restore("params", template)["w"], np.full(3, 3.0))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["2", "3"]


def test_the_template_is_asked_for_the_saved_window_and_stage(tmp_path):
    asked = []
    saved(tmp_path, (4,)).restore("params", lambda *place: asked.append(place) or template(*place))
    assert asked == [(0, 1)]


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(tmp_path, caplog):
    saved(tmp_path, (1, 2)).close()
    damage(tmp_path, 2)
    assert np.array_equal(Checkpoints(tmp_path).restore("params", template)["w"], np.ones(3))
    assert "Checkpoint 2" in caplog.text


def test_a_damaged_checkpoint_is_written_anew_by_the_run_that_goes_on(tmp_path):
    saved(tmp_path, (1, 2)).close()
    damage(tmp_path, 2)
    checkpoints = Checkpoints(tmp_path)
    assert np.array_equal(checkpoints.restore("params", template)["w"], np.ones(3))
    params = {"w": jnp.full(3, 7.0)}
    checkpoints.save(params, TrainingState({"m": jnp.zeros(2)}, params, stage=1, step=2))
    assert np.array_equal(checkpoints.restore("params", template)["w"], np.full(3, 7.0))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["1", "2"]


def test_only_damaged_checkpoints_are_refused(tmp_path):
    saved(tmp_path, (1,)).close()
    damage(tmp_path, 1)
    with pytest.raises(InputError, match="no checkpoint that can be read"):
        Checkpoints(tmp_path).restore("params", template)


def test_none_at_all_is_refused(tmp_path):
    assert not Checkpoints(tmp_path).exist()
    with pytest.raises(InputError, match="empty"):
        Checkpoints(tmp_path).restore("params", template)


def state_template(window, stage):
    return TrainingState({"m": jnp.zeros(2)}, {"w": jnp.zeros(3)})


def test_a_state_comes_back_with_its_points_however_many_there_are(tmp_path):
    state = saved(tmp_path, (1, 2)).restore("state", state_template)
    assert np.array_equal(state.points["residual"], np.full((6, 2), 0.5))
    assert (state.step, state.stage) == (2, 1)


def test_a_checkpoint_without_points_is_evaluated_but_not_resumed(tmp_path):
    """As those of the first version are."""
    saved(tmp_path, (3,)).close()
    (file,) = (tmp_path / "3" / "progress").glob("metadata")
    file.write_text(json.dumps({"stage": 1, "step": 3}))
    checkpoints = Checkpoints(tmp_path)
    assert np.array_equal(checkpoints.restore("params", template)["w"], np.full(3, 3.0))
    with pytest.raises(InputError, match="without what resuming needs"):
        checkpoints.restore("state", state_template)
