"""Trackers: what they are told, and that all of them are finished whatever happens."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pinn_ac import tracking
from pinn_ac.errors import InputError
from pinn_ac.tracking import Jsonl, Shared, Tracker, read_history, tracked

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "tracker"


class Kept(Tracker):
    """Keeps what it is told, and fails when it is told to."""

    def __init__(self, fails=False):
        self.calls, self.fails = [], fails

    def start(self, description):
        self.calls.append(("start", dict(description)))

    def log(self, step, stage, figures):
        self.calls.append((step, stage, dict(figures)))

    def say(self, sentence):
        self.calls.append(sentence)

    def finish(self, metrics):
        self.calls.append(("finish", dict(metrics)))
        if self.fails:
            raise OSError("the disk is full")


def test_trackers_are_started_in_order_and_finished_with_the_metrics():
    one, other = Kept(), Kept()
    with tracked([one, other], {"step": 3}) as metrics:
        one.say("hello")
        metrics["relative_l2"] = 0.5
    assert one.calls == [("start", {"step": 3}), "hello", ("finish", {"relative_l2": 0.5})]
    assert other.calls == [("start", {"step": 3}), ("finish", {"relative_l2": 0.5})]


def test_trackers_of_a_run_that_fails_are_finished_without_metrics():
    one, other = Kept(), Kept(fails=True)

    def failing():
        with tracked([one, other], {}) as metrics:
            metrics["relative_l2"] = 0.5
            raise KeyboardInterrupt

    with pytest.raises(OSError, match="disk is full") as raised:
        failing()
    assert isinstance(raised.value.__context__, KeyboardInterrupt)
    assert one.calls[-1] == other.calls[-1] == ("finish", {})


def test_a_tracker_that_cannot_start_leaves_none_unfinished(tmp_path):
    one = Kept()
    with pytest.raises(InputError, match="Jsonl writes into the run's folder"), tracked([one, Jsonl()], {}):
        pass
    assert one.calls == [("start", {}), ("finish", {})]


def test_runs_that_share_a_tracker_are_named_and_do_not_finish_it():
    shared = Kept()
    with tracked([Shared(shared, "seed=3")], {}):
        tracker = Shared(shared, "seed=3")
        tracker.log(4, "adam", {"loss": 1.0})
        tracker.say("The loss is not finite.")
    assert shared.calls == [(4, "adam", {"loss": 1.0}), "seed=3: The loss is not finite."]


def test_the_history_of_a_resumed_run_has_every_step_once(tmp_path):
    for first, steps in ((0, range(1, 6)), (3, range(4, 8))):
        with tracked([history := Jsonl()], {"folder": tmp_path, "step": first}):
            for step in steps:
                history.log(step, "adam", {"seconds": 0.1 * step, "loss": 10.0**-step, "loss_residual": float(first)})
    lines = read_history(tmp_path / "history.jsonl")
    assert [(line["step"], line["loss_residual"]) for line in lines] == [(step, 0.0) for step in (1, 2, 3)] + [
        (step, 3.0) for step in (4, 5, 6, 7)
    ]
    assert list(lines[0]) == ["step", "seconds", "loss", "stage", "loss_residual"]


def test_an_absolute_path_needs_no_folder(tmp_path):
    with tracked([history := Jsonl(str(tmp_path / "here.jsonl"))], {}):
        history.log(1, "adam", {"seconds": 0.0, "loss": 1.0})
    assert read_history(tmp_path / "here.jsonl")[0]["loss"] == 1.0


def test_configs_name_trackers_each_under_a_key_of_its_own():
    """So that Hydra, which merges the files of a list, leaves each as it is."""
    files = sorted(CONFIGS.glob("*.yaml"))
    nodes = [OmegaConf.to_container(OmegaConf.load(file)) for file in files]
    assert [list(node) for node in nodes] == [[file.stem] for file in files]
    for node in nodes:
        ((settings,),) = [node.values()]
        room, _, name = settings.pop("_target_").rpartition(".")
        assert room == "pinn_ac.tracking"
        assert name in tracking.__all__
        assert issubclass(getattr(tracking, name), Tracker)
        if name in ("Jsonl", "Memory"):  # the others' packages may not be installed
            assert getattr(tracking, name)(**settings) == getattr(tracking, name)()
