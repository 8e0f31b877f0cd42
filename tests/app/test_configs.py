"""Every option of every group composes and assembles; every slip fails with a sentence."""

import re
import traceback
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from composed import CONFIGS, EASY, IN_PLANE, composed, options, whole
from pinn_ac.app.assembly import assemble, trackers
from pinn_ac.app.config import check_scalars
from pinn_ac.app.environment import configure
from pinn_ac.app.objects import build
from pinn_ac.app.wording import in_words
from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Cosine

GROUPS = (
    "model",
    "embedding",
    "ansatz",
    "derivatives",
    "gradient",
    "loss",
    "sampler",
    "optimizer",
    "stages",
    "problem",
    "weighting",
    "regime",
    "tracker",
    "size",
    "size/network",
)
EVERY = [
    (group, option) for group in (*GROUPS, "experiment", "problem/initial_condition") for option in options(group)
]

BALANCING = ("gradient_norm", "ntk", "causal_gradient_norm", "causal_ntk", "relobralo", "softadapt")
"""Weightings that need two terms."""


def needs(group, option, folder):
    """What else must be said for an option to make sense."""
    if (group, option) == ("loss", "l1"):
        return ["optimizer=adam"]
    if (group, option) == ("weighting", "together"):
        return ["+weighting@weighting.parts.causal=causal"]
    if group == "weighting" and option in BALANCING:
        return ["ansatz=soft", "embedding=periodic"]
    if (group, option) == ("model", "separable"):
        return ["embedding=periodic"]
    if group == "size/network":
        return [f"model={option.partition('_')[2]}", *needs("model", option.partition("_")[2], folder)]
    if option in ("half_waves", "tanh"):
        return ["problem.boundary=neumann"]
    if group == "problem/initial_condition" and option in IN_PLANE:
        words = ["problem=allen_cahn_2d"]
        if option == "tabulated_2d":
            x = -1 + 2 * np.arange(8) / 8
            np.savez(folder / "u.npz", x=x, y=x, u=np.cos(np.pi * (x[:, None] + x)))
            words.append(f"problem.initial_condition.path={folder / 'u.npz'}")
        return words
    if option == "tabulated":
        x = -1 + 2 * np.arange(16) / 16
        np.savetxt(folder / "u.csv", np.column_stack([x, np.cos(np.pi * x)]), delimiter=",")
        return [f"problem.initial_condition.path={folder / 'u.csv'}"]
    return []


@pytest.mark.parametrize(("group", "option"), EVERY, ids=lambda value: value)
def test_every_option_composes_and_assembles(group, option, tmp_path):
    config = composed(f"{group}={option}", *needs(group, option, tmp_path))
    experiment = checked_and_assembled(config)
    assert [stage.steps for stage in experiment.stages] == [
        node.steps for node in (config.stages.values() if config.stages else [config.optimizer])
    ]


def test_every_group_is_tested():
    found = {path.parent.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml")} - {"."}
    assert {group for group in found if not group.startswith("hydra")} <= {group for group, _ in EVERY}


@pytest.mark.parametrize(
    ("group", "option"), [pair for pair in EVERY if pair[0] != "experiment"], ids=lambda value: value
)
def test_every_option_explains_itself(group, option):
    """The first line is a comment, which `--help` and readers count on."""
    assert (CONFIGS / group / f"{option}.yaml").read_text().startswith("# ")


@pytest.mark.landing
@pytest.mark.parametrize("name", options("experiment"))
def test_experiments_hold_only_what_differs(name):
    text = (CONFIGS / "experiment" / f"{name}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")
    own, default, chosen = yaml.safe_load(text), composed(), composed(f"experiment={name}")
    own.pop("defaults", None)
    base = {}
    for line in yaml.safe_load((CONFIGS / "config.yaml").read_text())["defaults"]:
        if isinstance(line, dict):
            base.update(line)
    parent, selected = choices_of(name)
    inherited = choices_of_all(parent)
    for group, value in selected.items():
        before = inherited.get(group, base.get(group))
        assert before != value, f"experiment {name} chooses {group}={value}, which is so already"
    flat = [path for path in leaves(own) if path[0] != "hydra"]
    without = composed(*[f"experiment={parent}"] * bool(parent), *(f"{g}={v}" for g, v in selected.items()))
    for path in flat:
        here, there = (OmegaConf.select(config, ".".join(path)) for config in (chosen, without))
        assert here != there, f"experiment {name} sets {'.'.join(path)} to what it is already"
    assert chosen.name == name
    assert chosen != default


@pytest.mark.parametrize(
    ("group", "option"), [pair for pair in EVERY if pair[0] in ("sampler", "optimizer", "ansatz")]
)
def test_the_record_can_be_taken_apart(group, option):
    """It sets nothing that only one option of a group has, so that an ablation is one word."""
    words = ("embedding=periodic",) if option == "soft" else ()
    assert assemble(composed("experiment=levenberg_marquardt", f"{group}={option}", *words)).stages


OWN = ("broyden", "inverse", "lecture", "levenberg_marquardt", "plain", "record", "record_2d")
SCALED = ("bc_pinn", "brdr", *OWN)
"""Experiments whose networks see the time on [−1, 1]: our own, and those whose published code scales it."""


@pytest.mark.parametrize("name", options("experiment"))
def test_networks_of_published_experiments_see_the_time_as_the_published_code_gives_it(name):
    config = composed(f"experiment={name}")
    embedding, t = build(config.embedding), jnp.asarray(0.25)
    z = embedding(AllenCahn(initial_condition=Cosine()), t, jnp.asarray(0.0))
    assert float(z[0]) == (-0.5 if name in SCALED else 0.25)


@pytest.mark.parametrize("option", [name for name in options("optimizer") if name != "gauss_newton"])
def test_drawn_features_are_trained_by_any_optimizer(option):
    assert assemble(composed("experiment=record", f"optimizer={option}")).stages


def test_the_record_with_another_network_names_the_experiment_that_trains_it():
    with pytest.raises(InputError, match="experiment=levenberg_marquardt"):
        assemble(composed("experiment=record", "model=mlp"))


def choices_of(experiment):
    """The experiment that it goes on from, or None, and group → the option that it chooses itself."""
    lines = yaml.safe_load((CONFIGS / "experiment" / f"{experiment}.yaml").read_text()).get("defaults", [])
    parents = [line for line in lines if isinstance(line, str) and line != "_self_"]
    own = {entry: value for line in lines if isinstance(line, dict) for entry, value in line.items()}
    return next(iter(parents), None), {
        entry.removeprefix("override").strip().lstrip("/"): value for entry, value in own.items()
    }


def choices_of_all(experiment):
    """Group → the option that it or one of those before it chooses."""
    if experiment is None:
        return {}
    parent, own = choices_of(experiment)
    return choices_of_all(parent) | own


def leaves(tree, path=()):
    if not isinstance(tree, dict):
        return [path]
    return [leaf for key, value in tree.items() for leaf in leaves(value, (*path, key))]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("model.width=9", "seed=4", "+model.more=3", "~model.depth"),
        ("experiment=record", "problem.domain=[0,3]", "optimizer=adam", "++optimizer.extra=1e-3", "windows=2"),
        (*EASY, "loss.weights.residual=2", "+loss.weights.residual_2=3", "stages=adam_lbfgs", "stages.adam.steps=3"),
        ("seed=3", "hydra.run.dir=here", "seed=5", "loss.weights={residual:7}"),
    ],
    ids=" ".join,
)
def test_the_tests_compose_as_hydra_does(words):
    """From copies of what was composed before, and with the same flags, by which Hydra refuses unknown settings."""
    quick, slow = composed(*words), whole(words)
    assert OmegaConf.to_yaml(quick) == OmegaConf.to_yaml(slow)
    assert list(flags(quick)) == list(flags(slow))


def flags(config):
    """Those of a config and of all its parts."""
    yield config._metadata.flags
    for node in config.values():
        if OmegaConf.is_dict(node):
            yield from flags(node)


def test_command_line_wins_over_experiment():
    assert composed("experiment=lecture", "loss=mse", "seed=3").loss.norm == "mse"
    assert composed("experiment=lecture").loss.norm == "l1"


def test_defaults_of_the_yaml_are_those_of_the_code():
    """Wherever both say a number of the problem or of a network, so that Python and the command line agree."""
    config = composed()
    assert build(config.problem) == type(build(config.problem))()
    for name in options("model"):
        network = build(composed(f"model={name}").model)
        assert network == type(network)()


def test_settings_arrive():
    config = composed(
        "problem.diffusivity=1e-3", "problem.reaction_rate=1", "problem.horizon=2", "model.width=9", "seed=4",
        "problem/initial_condition=sine", "problem.initial_condition.amplitude=0.5", "loss.weights.residual=2",
        "train.steps=7", "sampler.num_points=33",
    )  # fmt: skip
    experiment = assemble(config)
    problem = experiment.problem
    assert (problem.diffusivity, problem.reaction_rate, problem.horizon) == (1e-3, 1, 2)
    assert problem.initial_condition.amplitude == 0.5
    assert (experiment.setup.network.width, experiment.seed, experiment.sampler.num_points) == (9, 4, 33)
    assert experiment.objective.weight("residual") == 2
    assert [(stage.name, stage.steps) for stage in experiment.stages] == [("levenberg_marquardt", 7)]


def test_stages_come_in_order_with_their_own_steps():
    stages = assemble(composed("stages=adam_lbfgs", "stages.adam.steps=11", "stages.lbfgs.memory=3")).stages
    assert [(stage.name, stage.steps) for stage in stages] == [("adam", 11), ("lbfgs", 3000)]


@pytest.mark.parametrize(
    "override",
    ["model.widht=3", "seeed=1", "train.stps=3", "seed=abc", "train.steps=many", "train.seconds=soon", "modle=mlp",
     "model=nothing", "optimizer.lerning_rate=1", "loss.nrom=l1", "reference=perhaps"],
)  # fmt: skip
def test_slips_do_not_compose(override):
    with pytest.raises(HydraException) as raised:
        composed(override)
    assert override.split("=")[0] in str(raised.value) or override.split("=")[1] in str(raised.value)


SENTENCES = {
    # a constructor's unknown argument, and an optimizer's
    "+model.widht=3": "widht",
    "+optimizer.lerning_rate=1": "lerning_rate",
    "+sampler.points=3": "points",
    # targets that are not ours, also through our own modules' imports
    "model._target_=os.system": "os.system, which is not part of pinn_ac",
    "model._target_=pinn_ac.app.run_folder.shutil.copytree": "not part of pinn_ac",
    "model._target_=pinn_ac.app.environment.subprocess.Popen": "not part of pinn_ac",
    "model._target_=pinn_acid.Model": "not part of pinn_ac",
    "model._target_=pinn_ac.models.Nope": "pinn_ac.models.Nope",
    # values out of range, or of another kind
    "sampler.num_points=0": "sampler.num_points is 0: give a whole number from 1",
    "sampler.num_points=many": "sampler.num_points is many: give a whole number from 1",
    "+sampler.power=2": "power",
    "model.width=-3": "model.width is -3: give a whole number from 1",
    "model.width=2.5": "model.width is 2.5: give a whole number from 1",
    "model.activation=tahn": "model.activation is 'tahn': choose one of",
    "model.output_scale=much": "model.output_scale is much: give a number",
    "embedding.modes=0": "embedding.modes is 0: give a whole number from 1",
    "embedding.symmetry=perhaps": "embedding.symmetry is perhaps: give true or false",
    "embedding.time=late": "embedding.time is late: choose among symmetric, unit",
    "embedding.known=[heat,cold]": "embedding.known holds cold: choose among flow, heat, slope",
    "windows=0": "windows is 0: give auto or a whole number from 1",
    "windows=many": "windows is many: give auto or a whole number from 1",
    "loss.norm=l3": "loss.norm is 'l3': choose l1 or mse",
    "loss.weights.residual=-1": "loss.weights.residual is -1: give zero or a positive number",
    "loss.weights.residual=heavy": "loss.weights.residual is heavy: give zero or a positive number",
    "loss.weights.residual=null": "loss.weights.residual is None: give zero or a positive number",
    "+loss.weights.inital=3": "loss.weights.inital",
    "loss.weights=null": "loss.weights is None: give some",
    "loss.weights=5": "loss.weights is 5: give some",
    "loss=l1": "set loss.norm=mse, or choose optimizer=adam",
    "optimizer.damping=0": "optimizer.damping is 0: give a positive number",
    "optimizer.damping=some": "optimizer.damping is some: give a positive number",
    "optimizer.max_damping_trials=2.5": "optimizer.max_damping_trials is 2.5: give a whole number from 1",
    "optimizer.steps=0": "optimizer.steps is 0: give a whole number from 1",
    "train.steps=0": "train.steps is 0: give a whole number from 1",
    "problem.diffusivity=-1e-4": "problem.diffusivity is -0.0001: give a positive number",
    "problem.domain=[1,0]": "problem.domain is",
    "problem.initial_condition=sine": "problem/initial_condition=NAME",
    "problem/initial_condition=tabulated": "initial_condition.path has no value",
    "seed=-1": "seed is -1: give",
    "seed=4294967296": "seed is 4294967296: give",
    "train.seconds=0": "train.seconds is 0",
    "train.overfit=enlarg": "train.overfit is 'enlarg': choose enlarge, stop or ignore",
    "train.overfit_ratio=1": "train.overfit_ratio is 1.0: give a number above 1",
    "train.overfit_ratio=inf": "train.overfit_ratio is inf: give a number above 1",
    "train.log_every=0": "train.log_every is 0: give a whole number from 1",
    "animate=sometimes": "animate is sometimes: choose true, gif, mp4 or false",
    "animate=null": "animate is None: choose true, gif, mp4 or false",
}


@pytest.mark.parametrize("group", ["optimizer", "sampler", "model"])
def test_a_group_without_a_choice_is_refused(group):
    """As a run's config may have it that was written by hand."""
    config = composed()
    config[group] = None
    with pytest.raises(InputError, match=f"{group} is None: choose one of configs/{group}/"):
        assemble(config)


def checked_and_assembled(config):
    """As a command does it before anything is computed."""
    check_scalars(config)
    trackers(config)
    return assemble(config)


@pytest.mark.parametrize("override", SENTENCES)
def test_unusable_settings_are_refused_with_a_sentence(override):
    config = composed(override)
    with pytest.raises(InputError) as raised:
        checked_and_assembled(config)
    assert SENTENCES[override] in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["optimizer=adam", "optimizer.schedule=warm"], "optimizer.schedule is 'warm': choose one of constant"),
        (
            ["optimizer=adam", "optimizer.learning_rate=fast"],
            "optimizer.learning_rate is fast: give a positive number",
        ),
        (["optimizer=lbfgs", "optimizer.memory=2.5"], "optimizer.memory is 2.5: give a whole number from 1"),
        (["sampler=rad", "sampler.power=0"], "sampler.power is 0: give a positive number"),
        (["sampler=rad", "sampler.importance=3"], "sampler.importance is 3: choose true or false"),
        (["sampler=monitor", "sampler.layer=-1"], "sampler.layer is -1: give zero or a positive number"),
        (
            ["optimizer=ssbroyden", "optimizer.c2=1e-5"],
            "optimizer.c2 is 1e-05: give a number between c1 = 0.0001 and 1",
        ),
        (["stages=adam_lbfgs", "train.steps=10"], "set stages.NAME.steps for adam, lbfgs"),
        (["stages=adam_lbfgs", "stages.adam.steps=0"], "optimizer.steps is 0"),
    ],
)
def test_unusable_pairs_are_refused_with_a_sentence(overrides, sentence):
    with pytest.raises(InputError) as raised:
        assemble(composed(*overrides))
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("precision", "device", "sentence"),
    [
        ("float16", "cpu", "precision is 'float16': choose float64 or float32"),
        ("float64", "tpu", "device is 'tpu': choose cpu, gpu or auto"),
    ],
)
def test_unknown_precision_and_device_are_refused_before_anything_is_set(precision, device, sentence):
    with pytest.raises(InputError, match=sentence):
        configure(precision, device)


PYTHON = re.compile(
    r"__|Error\b|unexpected keyword|positional argument|has no attribute|full_key|<class|object_type|\btype\b|\n"
)
"""What a sentence for a user never quotes."""
OTHER_KINDS = ("a_word", "[1,2]", "{a:1}", "null", "true", "-7.5", "[[a]]", "[]")


def sentence_about(*overrides):
    """What the user reads: what composing or building the run refuses, as the commands say it; None where nothing."""
    try:
        checked_and_assembled(composed(*overrides))
    except InputError as error:
        return str(error)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        frames = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        # Only of errors that are not Hydra's own the commands look at where they come from.
        if not frames & ({"load_configuration"} | ({"composed"} if isinstance(error, HydraException) else set())):
            raise
        return in_words(error)
    return None


def place(group, option):
    """Where the config holds the object that a group's option describes."""
    return f"tracker.{option}" if group == "tracker" else group.replace("/", ".")


def words_of(group, option, folder):
    return [f"{group}={option}", *needs(group, option, folder)]


NONE = [("weighting", "none"), ("regime", "none"), ("regime", "sequence_to_sequence")]
"""Options that are no objects."""
NO_OBJECTS = ("experiment", "stages", "size", "size/network")
OBJECTS = [pair for pair in EVERY if pair[0] not in NO_OBJECTS and pair not in NONE]


def sentence_of(config, node=None):
    """What checking and building a composed config refuses; None where nothing. Composing takes six times as long.

    What the object of `node` refuses by itself is not asked of the whole, which takes ten times as long.
    """
    try:
        if node is not None and "_target_" in node:
            build(node)
        checked_and_assembled(config)
    except InputError as error:
        return str(error)
    return None


@cache
def read(value):
    """A value of the command line as Hydra reads it."""
    return OverridesParser.create().parse_override(f"x={value}").value()


@pytest.mark.parametrize(("group", "option"), OBJECTS, ids=lambda value: value)
def test_an_unknown_setting_of_any_option_is_named_beside_those_that_there_are(group, option, tmp_path):
    chosen = words_of(group, option, tmp_path)
    config = composed(*chosen)
    settings = list(OmegaConf.select(config, place(group, option)))
    OmegaConf.update(config, f"{place(group, option)}.nonsense", 1, force_add=True)  # as +GROUP.nonsense=1 does
    for said in (sentence_about(*chosen, f"{place(group, option)}.nonsense=1"), sentence_of(config)):
        assert said.startswith(place(group, option))
        assert "has no setting nonsense: it has " in said
        for name in settings:
            assert name.startswith("_") or name in said, name
        assert not PYTHON.search(said), said


@pytest.mark.landing
@pytest.mark.parametrize(("group", "option"), OBJECTS, ids=lambda value: value)
def test_a_missing_setting_of_any_option_is_named_or_has_a_default(group, option, tmp_path):
    chosen = words_of(group, option, tmp_path)
    for name in OmegaConf.select(composed(*chosen), place(group, option)):
        config = composed(*chosen)
        with open_dict(config):
            del OmegaConf.select(config, place(group, option))[name]
        said = sentence_of(config)
        assert said is None or name in said or (group == "optimizer" and "steps" in said), (name, said)
        assert said is None or not PYTHON.search(said.replace("_target_", "").replace("_partial_", "")), said


@pytest.mark.landing
@pytest.mark.parametrize(("group", "option"), OBJECTS, ids=lambda value: value)
def test_a_value_of_another_kind_of_any_setting_is_refused_by_name_or_is_one_that_it_takes(group, option, tmp_path):
    config, refused = composed(*words_of(group, option, tmp_path)), set()
    node = OmegaConf.select(config, place(group, option))
    settings = [name for name in node if not name.startswith("_")]
    for name in settings:
        usable = node[name]
        for value in OTHER_KINDS:
            OmegaConf.update(node, name, read(value), merge=False)
            said = sentence_of(config, node)
            if said is not None:
                refused.add(name)
                assert name in said, said
                assert not PYTHON.search(said), said
        OmegaConf.update(node, name, usable, merge=False)
    assert sentence_of(config) is None
    assert refused == set(settings)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("seed=null", "seed is null: give a whole number."),
        ("train.steps=[1,2]", "train.steps is [1,2]: give a whole number or null."),
        ("train.seconds=soon", "train.seconds is soon: give a number or null."),
        ("train.overfit=[a]", "train.overfit is [a]: give a word."),
        ("train=5", "train is 5: give its settings one by one, such as train.steps"),
        ("reference=perhaps", "reference is perhaps: give true or false."),
        ("model=nothing", f"model=nothing is no option: choose one of {', '.join(options('model'))}."),
        (
            "problem/initial_condition=nope",
            f"choose one of {', '.join(options('problem/initial_condition'))}.",
        ),
        ("stages=[adam]", "stages=adam is no option: choose one of adam_lbfgs, adam_lbfgs_nncg, adam_ssbroyden."),
        ("+stages.adam=5", "stages.adam is 5: choose an optimizer for it"),
        (
            "stages=adam_lbfgs +stages.adam.nonsense=1",
            "stages.adam (Adam) has no setting nonsense: it has learning_rate",
        ),
        (
            "stages=adam_lbfgs stages.lbfgs.learning_rate=1",
            "(LBFGS) has no setting learning_rate: it has steps, memory",
        ),
        ("optimizer=null", "Options are chosen by name, such as optimizer=adam"),
        ("+model=mlp", "model is chosen already"),
        ("+model.width=3", "model.width has a value already"),
        ("~model", "model is None: choose one of configs/model/, by model=NAME."),
        ("~size", "size is None: choose one of configs/size/, by size=NAME."),
        ("~seed", "seed has no value: give it one."),
        ("~model.nope", "There is no setting model.nope that could be deleted"),
        ("+seeed=1", "has no setting seeed: it has name, seed"),
        ("+train.stps=3", "train has no setting stps: it has steps"),
        ("model.width=[1,", "model.width=[1, cannot be read: write NAME=VALUE"),
        ("model", "model cannot be read: write NAME=VALUE"),
        ("model.width=tag(1)", "model.width=tag(1) cannot be read"),
        ("model.width=${foo}", "model.width refers by ${…} to something that does not exist"),
        ("seed=${oc.env:NO_SUCH_VARIABLE}", "seed refers by ${…} to something that does not exist"),
        ("seed='${seed'", "holds a ${…} that cannot be read"),
        ("problem.domain.x=3", "a part of something that has no such part"),
        ("model.width=choice(1,2)", "model.width=choice(1,2) asks for several runs: add -m."),
        ("seed=1,2", "seed=1,2 holds several values: add -m to run each"),
        ("+model._args_=[1]", "model (MLP) has no setting _args_"),
        ("+model._partial_=true", "model._partial_ is True: leave it out."),
        ("optimizer.cut=3", "optimizer.cut is called optimizer.damping_decrease now: write that."),
        ("+optimizer.halvings=0", "optimizer.halvings is called optimizer.max_backtracks now: write that."),
        (
            "stages=adam_lbfgs stages.adam.final_share=0.1",
            "stages.adam.final_share is called stages.adam.final_lr_fr",
        ),
        (
            "optimizer._target_=pinn_ac.optimizers.levenberg_marquardt +optimizer._partial_=true",
            "optimizer._target_ is pinn_ac.optimizers.levenberg_marquardt, now "
            "pinn_ac.optimizers.LevenbergMarquardt: write that, and no _partial_.",
        ),
    ],
)
def test_whatever_cannot_be_read_is_said_in_a_sentence(words, sentence):
    said = sentence_about(*words.split(" "))
    assert sentence in said
    assert not PYTHON.search(said.replace("_args_", "").replace("_partial_", "")), said


@pytest.mark.parametrize(
    ("group", "target"),
    [
        ("model", "pinn_ac.models.Periodic"),
        ("embedding", "pinn_ac.models.MLP"),
        ("sampler", "pinn_ac.sampling.draw_points"),
        ("derivatives", "pinn_ac.derivatives.Derivatives"),
        ("derivatives", "pinn_ac.derivatives.Engine"),
        ("optimizer", "pinn_ac.optimizers.StepInfo"),
        ("problem", "pinn_ac.problem.Sine"),
        ("problem.initial_condition", "pinn_ac.problem.AllenCahn"),
        ("model", "5"),
        ("model", "null"),
    ],
)
def test_an_object_of_another_group_is_refused(group, target):
    said = sentence_about(f"{group}._target_={target}")
    assert said.startswith(
        f"{group}._target_ is {target.replace('null', 'None')}, which is not part of pinn_ac or not "
    )
    assert "choose one of " in said


def test_a_sweep_is_told_how_to_give_a_setting_that_its_first_option_does_not_have():
    with pytest.raises(HydraException) as raised:
        composed("optimizer.learning_rate=1e-3")
    assert in_words(raised.value, sweeping=True).endswith("write ++optimizer.learning_rate=1e-3.")
    assert assemble(composed("optimizer=adam", "++optimizer.learning_rate=1e-3")).stages
    assert "optimizer (LBFGS) has no setting learning_rate" in sentence_about(
        "optimizer=lbfgs", "++optimizer.learning_rate=1e-3"
    )
