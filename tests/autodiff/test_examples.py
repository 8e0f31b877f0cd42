"""The examples in the docstrings run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import pinn_ac.autodiff
import pinn_ac.lessons.symbolic
from pinn_ac import autodiff as ad

MODULES = [
    pinn_ac.autodiff,
    pinn_ac.lessons.symbolic,
    *(
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(pinn_ac.autodiff.__path__, "pinn_ac.autodiff.")
    ),
]
FINDER = doctest.DocTestFinder()
EXAMPLES = {
    test.name: test
    for module in MODULES
    for test in FINDER.find(module)
    if test.examples and not test.name.startswith("pinn_ac.autodiff.numpy.")  # these docstrings are JAX's
}
FUNCTIONS = [name for name in ad.__all__ if inspect.isfunction(getattr(ad, name))]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name):
    said = []
    results = doctest.DocTestRunner().run(EXAMPLES[name], out=said.append)
    assert results.failed == 0, "".join(said)
    assert results.attempted > 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_example(name):
    f = getattr(ad, name)
    assert f"{f.__module__}.{f.__qualname__}" in EXAMPLES


def test_a_wrong_example_is_noticed():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3", {}, "wrong", None, None)
    assert doctest.DocTestRunner().run(wrong, out=lambda _: None).failed == 1
