"""Ablations of experiments: another option takes the place of one for which the experiment has settings."""

import re

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from composed import CONFIGS, composed, options
from pinn_ac.app import config as app_config
from pinn_ac.app.assembly import assemble
from pinn_ac.app.replaced import without_replaced
from pinn_ac.errors import InputError
from typed import typed


def of_a_run(*words):
    """The config of a run, as a command has it before anything is built."""
    app_config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("config", list(words), return_hydra_config=True)
    hydra = config.hydra
    with open_dict(config):
        config.pop("hydra")
    return without_replaced(config, hydra)


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("experiment=causal weighting=rba", "weighting.tolerance"),
        ("experiment=rba optimizer=lbfgs", "optimizer.learning_rate"),
        ("experiment=rad_ssbroyden sampler=r3", "sampler.pool"),
        ("experiment=causal_modified_mlp model=siren", "model.bias_scale"),
        ("experiment=soap weighting=rba", "weighting.parts"),
        ("experiment=self_adaptive stages=adam_ssbroyden", "stages.lbfgs"),
        ("experiment=ssbroyden optimizer@stages.ssbroyden=ssbfgs optimizer@stages.adam=muon", "stages.adam.b1"),
    ],
)
def test_what_only_the_replaced_option_has_is_left_out(words, gone):
    config = of_a_run(*words.split())
    assert OmegaConf.select(config, gone) is None
    assert assemble(config).stages


def test_no_weighting_is_none_and_what_another_option_has_too_is_kept():
    config = of_a_run("experiment=causal", "weighting=none", "model=siren")
    assert config.weighting is None
    assert (config.model.width, config.model.depth) == (128, 4)
    assert assemble(config).setup.weighting is None
    config = of_a_run("experiment=self_adaptive", "weighting=none", "~stages", "optimizer=adam")
    assert config.stages is None
    assert assemble(config).stages[0].name == "adam"
    config = of_a_run("experiment=rba", "loss=l1", "model=mlp")  # a group without objects keeps all
    assert (config.loss.norm, config.loss.weights.initial) == ("l1", composed("experiment=rba").loss.weights.initial)


def test_what_was_typed_is_kept_and_refused():
    with pytest.raises(InputError, match=r"weighting \(RBA\) has no setting tolerance: it has"):
        assemble(of_a_run("experiment=causal", "weighting=rba", "weighting.tolerance=3"))
    with pytest.raises(InputError, match=r"weighting.chunks would set nothing: choose an option of weighting"):
        assemble(of_a_run("experiment=causal", "weighting=none", "weighting.chunks=3"))


@pytest.mark.parametrize("words", ["experiment=broyden optimizer=lbfgs", "stages=adam_lbfgs optimizer=adam"])
def test_one_optimizer_beside_stages_is_refused(words):
    """It would train nothing."""
    with pytest.raises(InputError, match=r"optimizer=\w+ is for a run with one optimizer, and this one has stages"):
        of_a_run(*words.split())


@pytest.mark.parametrize("words", [("experiment=soap",), ("experiment=soap", "weighting=causal_gradient_norm"), ()])
def test_nothing_is_left_out_where_nothing_was_replaced(words):
    assert of_a_run(*words) == composed(*words)


def test_a_slip_in_an_experiment_of_ones_own_is_still_refused(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - causal\n  - _self_\nname: mine\nmodel:\n  widht: 3\n"
    )
    words = (f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine")
    with pytest.raises(InputError, match=r"model \(MLP\) has no setting widht"):
        assemble(of_a_run(*words))
    config = of_a_run(*words, "weighting=rba")  # of the experiment that it goes on from
    assert "chunks" not in config.weighting
    assert "widht" in config.model


def test_what_runs_is_what_is_saved(tmp_path, monkeypatch):
    seen = []

    def train_in(folder, config, resuming):
        seen.append(config)
        return {"relative_l2": 0.0}

    monkeypatch.setattr("pinn_ac.app.run.train_in", train_in)
    ended = typed("train", "experiment=causal", "weighting=none", f"hydra.run.dir={tmp_path}")
    assert ended.status == 0, ended.err
    assert seen[0].weighting is None


@pytest.mark.slow
@pytest.mark.parametrize("name", options("experiment"))
@pytest.mark.parametrize("word", ["weighting=none", "weighting=rba", "optimizer=lbfgs", "model=siren"])
def test_every_experiment_takes_another_option_or_says_what_does_not_go_together(name, word):
    said = None
    try:
        assemble(of_a_run(f"experiment={name}", word))
    except InputError as error:
        said = str(error)
    usual = composed(f"experiment={name}")
    assert said is None or usual.stages or usual.train.tolerance, said
    assert said is None or not re.search("has no setting|_target_", said), said
