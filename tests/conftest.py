"""Tests run in double precision, unless they ask for another one."""

import functools
import gc
import os
import shutil
import subprocess
from pathlib import Path

import jax
import pytest
import yaml
from jax.experimental.compilation_cache import compilation_cache
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader

from pinn_ac.app.environment import prepare_process
from sharing import PLACES, Sharing
from typed import undrawn_runs

# Most programs run once here, so that compiling them is what takes the time. XLA's older emitter compiles several
# times as quickly as the one that it uses by default, and a program not split for many threads quicker still.
# Subprocesses inherit both. A jaxlib that does not know these options ends the tests with a line that names them.
os.environ["XLA_FLAGS"] = " ".join(
    (
        os.environ.get("XLA_FLAGS", ""),
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
    )
).strip()
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")  # as a run has it; only GPUs would do otherwise
jax.config.update("jax_disable_most_optimizations", True)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"  # of the subprocesses
os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"  # one would import trio, which Selenium brings, into every process
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # without what was compiled before they take twice as long to start
jax.config.update("jax_num_cpu_devices", 4)  # for the tests of several; all else runs on the first


load = OmegaConf.load


@functools.cache
def parsed(text):
    """What a YAML text holds; it is copied into a config, and never changed."""
    return yaml.load(text, Loader=get_yaml_loader())


def load_parsed(file_):
    """`OmegaConf.load`, which parses each text once: PyYAML takes much of the time that composing a config takes."""
    if not hasattr(file_, "read"):
        with open(file_, encoding="utf-8") as stream:
            return load_parsed(stream)
    start = file_.tell()
    try:
        found = parsed(file_.read())
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list | dict):  # nothing, or something that it refuses in words of its own
        file_.seek(start)
        return load(file_)
    return OmegaConf.create(found)


OmegaConf.load = staticmethod(load_parsed)


LONGEST = (
    *("slurm", "browser", "test_pages", "test_rules", "test_march", "test_process_state", "test_run", "test_sweeps"),
    *("test_site", "test_parallel"),
)
"""Groups that begin first, so that no worker is left alone with one at the end."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of this name too
def pytest_collection_modifyitems(config, items):
    """With `--dist loadgroup` one process runs all tests of a module, which share runs, references and programs.

    Those that need a Slurm, or a browser, have one process too, which starts it once.
    """
    for item in items:
        groups = [one for one in ("slurm", "browser") if one in item.fixturenames]
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(*groups or [item.path.stem]))
    if getattr(config.option, "loadgroup", False):  # in a worker
        items.sort(key=lambda item: group_of(item) not in LONGEST)


def group_of(item):
    """The group of a test."""
    (name,) = item.get_closest_marker("xdist_group").args
    return name


@pytest.fixture(scope="session", autouse=True)
def one_cache(tmp_path_factory):
    """One folder for the references and compiled programs of all tests, workers and subprocesses.

    `PINN_AC_TESTS_CACHE` names it for several calls of pytest.
    """
    base = tmp_path_factory.getbasetemp()
    own = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PINN_AC_CACHE", os.environ.get("PINN_AC_TESTS_CACHE", str(own)))
        prepare_process()
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        compilation_cache.reset_cache()  # JAX looks at its options when it compiles for the first time
        yield


def pytest_collection_finish():
    """What has been imported stays: no search for garbage need look at half a million objects again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def programs_of_other_modules_are_dropped():
    """JAX keeps what it has compiled for ever: workers would grow to gigabytes. The cache still has the programs."""
    yield
    jax.clear_caches()


@pytest.fixture
def undrawn():
    """See `undrawn_runs`."""
    with undrawn_runs():
        yield


@pytest.fixture(scope="module")
def shared_programs():
    """For runs of a module that differ in nothing that is compiled; see `Sharing`."""
    sharing = Sharing()
    with pytest.MonkeyPatch.context() as patch:
        for place in PLACES:
            patch.setattr(place, sharing)
        yield


@pytest.fixture
def single_precision():
    """Single precision for one test."""
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


@pytest.fixture(params=["float64", "float32"])
def precision(request):
    """Either precision in turn: the name, with JAX set to it."""
    jax.config.update("jax_enable_x64", request.param == "float64")
    yield request.param
    jax.config.update("jax_enable_x64", True)


@pytest.fixture
def compilations():
    """A list that grows by one with everything that XLA compiles."""
    events: list[str] = []

    def listen(event: str, duration_secs: float, **others: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A real browser without a window, driven by Selenium; it is started once."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if program is None or driver is None:
        pytest.skip("no browser here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("browser")
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands talk to a real one, on this machine alone."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if not Path("/usr/sbin/slurmctld").exists() or not Path("/usr/sbin/munged").exists():
        pytest.skip("no Slurm here: apt-get install slurm-wlm munge")
    if os.getuid() != 0:
        pytest.skip("its daemons need root")
    folder, script = tmp_path_factory.mktemp("slurm"), Path(__file__).with_name("slurm_local.sh")
    start = ["timeout", "60", script, "start", folder]  # its status is 124 then
    started = subprocess.run(start, capture_output=True, text=True, check=False)
    if not started.returncode:
        yield {"SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run([script, "stop", folder], check=True, timeout=60)
    if started.returncode:
        pytest.skip(f"Slurm does not start here: {started.stderr}")
