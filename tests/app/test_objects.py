"""A user's own classes in a config: made when their module is allowed, and never before."""

import sys

import jax
import numpy as np
import pytest
from omegaconf import OmegaConf

import pinn_ac
from composed import EASY, composed
from pinn_ac.app.jobs import read_job
from pinn_ac.app.objects import allowed_modules, allowing, build
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.fitting import choose
from pinn_ac.models import MLP
from pinn_ac.problem import Cosine
from pinn_ac.sampling import Uniform
from pinn_ac.setup import assemble
from typed import typed

SMALL = (
    *EASY,
    "optimizer=adam",
    "windows=1",
    "ansatz=lifted",
    "embedding=periodic",
    "model.width=3",
    "sampler.num_points=64",
    "train.steps=2",
    "estimate=false",
    "reference=false",
)
pytestmark = pytest.mark.usefixtures("undrawn")
NETS = '''
from dataclasses import dataclass
from subprocess import Popen

import flax.linen as nn
import jax.numpy as jnp

from pinn_ac.models import MLP
from pinn_ac.problem import AllenCahn
from pinn_ac.sampling import Uniform


class Net(nn.Module):
    """Not an MLP of ours: one hidden layer of sines."""
    width: int

    @nn.compact
    def __call__(self, z):
        return nn.Dense(1)(jnp.sin(nn.Dense(self.width)(z)))[0]


class Outer(nn.Module):
    """One of ours within, twice."""
    inner: nn.Module = MLP(width=3, depth=1)
    more: tuple = (MLP(width=2, depth=1),)

    @nn.compact
    def __call__(self, z):
        return self.inner(z) + self.more[0](z)


@dataclass(frozen=True, kw_only=True)
class Faster(AllenCahn):
    """Its reaction is twice as fast."""
    def __post_init__(self):
        object.__setattr__(self, "reaction_rate", 2 * self.reaction_rate)
        super().__post_init__()


class Points(Uniform):
    def __post_init__(self):
        assert self.num_points < 1000, "too many"


@dataclass(frozen=True)
class Descent:
    rate: float = 0.1
    steps: int = 2

    def build(self, objective):
        return (self, objective)


@dataclass(frozen=True)
class Shares:
    parts: object

    def update(self, state, measured, points):
        return state, {}


@dataclass
class Part:
    size: int = 1


class Any:
    def __init__(self, **settings):
        self.settings = settings

    def draw(self):
        return self.settings


def function(objective):
    return objective
'''


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """`my_module`, and `my_package` with a module `nets`, in the folder that one works in; forgotten afterwards."""
    (tmp_path / "my_module.py").write_text(NETS)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/__init__.py").write_text("from my_package.nets import Net\nfrom pathlib import Path\n")
    (tmp_path / "my_package/nets.py").write_text(NETS)
    (tmp_path / "broken.py").write_text("import not_installed_anywhere\nclass Net: ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("my_module", "my_package", "broken")]:
        del sys.modules[name]


def node(group, target, **settings):
    """A config node at the place of a group."""
    return OmegaConf.create({group: {"_target_": target, **settings}})[group]


OWN = [
    ("model", "Net", {"width": 3}),
    ("problem", "Faster", {"diffusivity": 1e-3}),
    ("sampler", "Points", {"num_points": 64}),
    ("optimizer", "Descent", {"rate": 0.5}),
    ("weighting", "Shares", {"parts": [{"_target_": "my_module.Part", "size": 3}]}),
]


@pytest.mark.parametrize(("group", "name", "settings"), OWN)
def test_an_object_of_the_users_is_made_once_its_module_is_allowed(modules, group, name, settings):
    own = node(group, f"my_module.{name}", **settings)
    with pytest.raises(InputError, match=r"not part of pinn_ac.*allow=\[MODULE\]"):
        build(own)
    assert "my_module" not in sys.modules  # it was not even imported
    with allowing(["my_module"]):
        made = build(own)
    assert type(made).__module__ == "my_module"
    for key, value in settings.items():
        if not isinstance(value, list):
            assert getattr(made, key) == value
    assert allowed_modules() == ()


def test_what_the_objects_do_is_theirs(modules):
    with allowing("my_module"):
        problem = build(node("problem", "my_module.Faster", reaction_rate=2.0))
        shares = build(node("weighting", "my_module.Shares", parts=[{"_target_": "my_module.Part", "size": 3}]))
        anything = build(node("sampler", "my_module.Any", a=1, b=2))
    assert problem.reaction_rate == 4.0
    assert shares.parts[0].size == 3
    assert anything.draw() == {"a": 1, "b": 2}


def test_a_network_of_ours_in_one_of_the_users_is_saved_and_loaded(modules):
    import my_module

    problem = pinn_ac.AllenCahn(1e-2, 2.0, initial_condition=Cosine())
    network = my_module.Outer(inner=MLP(width=5, depth=2))
    experiment = assemble(choose(problem, 1, None, 0, {"network": network, "sampler": Uniform(8)}))
    solution = pinn_ac.Solution(experiment, experiment.initial_params())
    folder = solution.save(modules / "run")
    with pytest.raises(InputError, match="not part of pinn_ac"):
        pinn_ac.load_run(folder)
    loaded = pinn_ac.load_run(folder, allow=["my_module"])
    found = loaded.experiment.setup.network
    assert (found.inner, *found.more) == (network.inner, *network.more)
    for one, other in zip(jax.tree.leaves(loaded.params), jax.tree.leaves(solution.params), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "target", ["pinn_ac.fitting.fit", "pinn_ac.files.write_whole", "pinn_ac.tracking.History", "pinn_ac.models.Nett"]
)
def test_within_an_object_of_the_users_ours_are_those_of_a_kind(modules, target):
    with allowing(["my_module"]), pytest.raises(InputError, match="not part of pinn_ac"):
        build(node("model", "my_module.Outer", inner={"_target_": target}))


def test_within_an_object_of_ours_a_place_without_a_kind_has_none():
    with pytest.raises(InputError, match="not part of pinn_ac"):
        build(node("model", "pinn_ac.models.MLP", width={"_target_": "pinn_ac.models.MLP"}))


def test_a_package_includes_its_modules_and_no_other_of_a_similar_name(modules):
    with allowing(["my_package"]):
        assert build(node("model", "my_package.nets.Net", width=2)).width == 2
        assert build(node("model", "my_package.Net", width=2)).width == 2
        with pytest.raises(InputError, match="not part of pinn_ac"):
            build(node("model", "my_package_too.Net"))
        with pytest.raises(InputError, match="not part of pinn_ac"):
            build(node("model", "my_module.Net"))
    with allowing(["my_package.nets"]), pytest.raises(InputError, match="not part of pinn_ac"):
        build(node("model", "my_package.Net", width=2))


@pytest.mark.parametrize(
    ("group", "target", "sentence"),
    [
        ("model", "my_module.Popen", "defined in subprocess: name it there, and allow that module"),
        ("model", "my_package.Path", "defined in pathlib"),
        ("model", "my_module.Popen.wait", "there is no module my_module.Popen"),
        ("model", "my_module.Nett", "which my_module does not define"),
        ("model", "my_module.Points", "which is no model: one has apply"),
        ("sampler", "my_module.Net", "which is no sampler: one has draw"),
        ("sampler", "my_module.function", "which is no sampler"),
        ("anything", "my_module.function", "which is not a class"),
        ("model", "my_package.missing.Net", "there is no module my_package.missing: it must lie in the folder"),
        ("model", "my_module.Net", "model.width has no value: give it one"),
    ],
)
def test_what_an_allowed_module_does_not_offer_is_refused(modules, group, target, sentence):
    with allowing(["my_module", "my_package"]), pytest.raises(InputError) as refused:
        build(node(group, target))
    assert sentence in str(refused.value)


def test_mistakes_of_the_users_own_code_are_shown(modules):
    """With its error's name, where ours would only be confusing; and as it is where a module cannot be imported."""
    with allowing(["my_module", "broken"]):
        with pytest.raises(InputError, match="sampler cannot be made of num_points=5000: AssertionError: too many"):
            build(node("sampler", "my_module.Points", num_points=5000))
        with pytest.raises(InputError, match=r"model \(Net\) has no setting widht: it has width"):
            build(node("model", "my_module.Net", width=1, widht=3))
        with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
            build(node("model", "broken.Net"))


@pytest.mark.parametrize("names", [5, [5], "my module", ["os.system()"], [""]])
def test_what_cannot_be_a_module_is_refused(names):
    with pytest.raises(InputError, match=r"give names of modules, such as allow=\[my_module\]"), allowing(names):
        pass


@pytest.mark.landing
def test_a_run_with_the_users_network_is_loaded_where_its_module_is_allowed_which_a_folder_cannot_do(
    modules,
):
    config, folder = composed(*SMALL), modules / "run"
    config.model = {"_target_": "my_module.Net", "width": 3}
    with allowing(["my_module"]):
        train_in(folder, config)
        loaded = pinn_ac.load_run(folder)
    assert type(loaded.experiment.setup.network).__module__ == "my_module"
    assert abs(loaded.predict(0.0, 0.25) - 2**-0.5) < 1e-9  # cos(pi x)
    del sys.modules["my_module"]
    with pytest.raises(InputError, match="not part of pinn_ac"):
        pinn_ac.load_run(folder)
    with allowing(["my_package"]), pytest.raises(InputError, match="not part of pinn_ac"):
        pinn_ac.load_run(folder)
    text = (folder / "config.yaml").read_text()
    assert "allow" not in text
    (folder / "config.yaml").write_text(text + "allow: [my_module]\n")
    with pytest.raises(InputError, match="no setting allow"):
        pinn_ac.load_run(folder)
    with allowing(["my_package"]), pytest.raises(InputError, match="no setting allow"):
        pinn_ac.load_run(folder)
    assert "my_module" not in sys.modules


MINE = """# A network of the user's own.
_target_: my_module.Net
width: 4
"""


@pytest.fixture
def configs(modules):
    """A config folder of the user's with an option model=mine and an experiment that tries to allow it."""
    for group in ("model", "experiment"):
        (modules / "conf" / group).mkdir(parents=True)
    (modules / "conf/model/mine.yaml").write_text(MINE)
    (modules / "conf/experiment/sly.yaml").write_text("# @package _global_\n# Sly.\nallow: [my_module]\n")
    sys.path.remove(str(modules))  # a command finds the module in the folder that it is called in
    return modules / "conf"


def trained(configs, *words, options=()):
    """A small run of the user's network by the command; Hydra wants its options before all settings."""
    mine = (f"--config-dir={configs}", "model=mine", *[word for word in SMALL if "width" not in word])
    return typed("train", *options, *mine, *words)


def test_a_config_folder_and_a_module_of_the_users_on_the_command_line(configs, modules):
    refused = trained(configs, "hydra.run.dir=run")
    assert refused.status == 2
    assert "model._target_ is my_module.Net, which is not part of pinn_ac" in refused.err
    sly = trained(configs, "experiment=sly", "hydra.run.dir=run")
    assert sly.status == 2
    assert "The config file experiment/sly sets allow, and there is no such setting" in sly.err
    assert "my_module" not in sys.modules
    done = trained(configs, "allow=[my_module]", "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert "my_module" in (modules / "run/config.yaml").read_text()
    for words in (("train", "resume=run", "train.steps=3"), ("evaluate", "run=run")):
        refused = typed(*words)
        assert refused.status == 2
        assert "not part of pinn_ac" in refused.err
    assert str(modules) not in sys.path


@pytest.mark.landing
def test_a_run_of_the_users_network_is_resumed_and_evaluated_and_jobs_in_other_processes_know_its_module(
    configs, modules
):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ("seed=0,1", "allow=[my_module]", "hydra/launcher=cores", "hydra.sweep.dir=sweep")
    swept = trained(configs, *words, options=["-m"])
    assert swept.status == 0, swept.err
    run, _ = sorted(path.parent for path in modules.glob("sweep/*/metrics.json"))
    assert "allow" not in run.name
    resumed = typed("train", f"resume={run}", "train.steps=3", "allow=my_module")
    assert resumed.status == 0, resumed.err
    assert read_job(run).metrics["steps"] == 3
    evaluate = ("evaluate", f"run={run}", "times=3", "points=8", "estimate=false", "reference=false")
    assert typed(*evaluate, "allow=[my_module]").status == 0
