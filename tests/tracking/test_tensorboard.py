"""TensorBoard's event files, read back by TensorBoard itself where it is installed."""

import importlib.util
import math

import pytest
from stored import with_figures

from pinn_ac.errors import InputError
from pinn_ac.tracking import TensorBoard, tracked

installed = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tensorboard", "tensorboardX"))),
    reason="needs pip install tensorboard tensorboardX",
)


def run(folder, first, steps, **metrics):
    """A session that continues from step `first`; its losses tell it from others."""
    description = {"folder": folder, "step": first, "config": "seed: 0\nloss:\n  norm: mse\n"}
    with tracked([tracker := TensorBoard()], description) as found:
        for step in steps:
            stage = "adam" if step < 4 else "lbfgs"
            tracker.log(step, stage, {"seconds": 0.5 * step, "loss": 10.0 * first + step, "relative_l2": 0.1})
        tracker.say("The loss is not finite.")
        found.update(metrics)


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / "tensorboard")).Reload()


def values(events, name):
    return [(event.step, event.value) for event in events.Scalars(name)]


@installed
def test_every_figure_becomes_a_curve_and_the_config_a_text(tmp_path):
    run(tmp_path, 0, range(1, 6), relative_l2=0.25, windows=2, name="default", converged=True, estimate=math.nan)
    events = read(tmp_path)
    assert values(events, "loss") == [(step, float(step)) for step in range(1, 6)]
    assert values(events, "seconds") == [(step, 0.5 * step) for step in range(1, 6)]
    assert values(events, "final/relative_l2") == [(5, 0.25)]
    finals = {name for name in events.Tags()["scalars"] if name.startswith("final/")}
    assert finals == {"final/relative_l2", "final/windows"}  # neither words, truth values, nor NaN

    def texts(name):
        return [(event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors(name)]

    assert texts("config/text_summary") == [(0, "    seed: 0\n    loss:\n      norm: mse")]
    assert texts("stage/text_summary") == [(1, "adam"), (4, "lbfgs")]
    assert texts("messages/text_summary") == [(5, "The loss is not finite.")]


@installed
def test_the_figures_of_the_folder_become_images(tmp_path):
    run(with_figures(tmp_path), 0, range(1, 3), relative_l2=0.25)
    (image,) = read(tmp_path).Images("figures/solution")
    assert (image.step, image.width, image.height) == (2, 8, 6)


@installed
@pytest.mark.parametrize("resumed", [3, 0])
def test_a_resumed_run_continues_its_curves_without_repeated_steps(tmp_path, resumed):
    """Interrupted at step 5, resumed from the checkpoint of step 3, or from the start."""
    run(tmp_path, 0, range(1, 6))
    run(tmp_path, resumed, range(resumed + 1, 9))
    before = [(step, float(step)) for step in range(1, resumed + 1)]
    assert values(read(tmp_path), "loss") == before + [
        (step, 10.0 * resumed + step) for step in range(resumed + 1, 9)
    ]


@installed
def test_a_run_that_fails_leaves_its_curves(tmp_path):
    def failing():
        with tracked([tracker := TensorBoard()], {"folder": tmp_path}):
            tracker.log(1, "adam", {"seconds": 0.0, "loss": 2.0})
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert values(read(tmp_path), "loss") == [(1, 2.0)]


@installed
def test_a_run_without_a_folder_is_told_what_to_give():
    with pytest.raises(InputError, match="give the run a folder, or TensorBoard an absolute folder"):
        TensorBoard().start({})


def test_without_its_package_it_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboardX" else find(name))
    with pytest.raises(InputError, match=r"pip install 'pinn_ac\[tensorboard\]'"):
        TensorBoard()
