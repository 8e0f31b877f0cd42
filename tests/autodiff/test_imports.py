"""The engine differentiates by itself: it takes nothing of JAX's differentiation and nothing else of the package."""

import ast
import pathlib

import pytest

import pinn_ac.autodiff

FOLDER = pathlib.Path(pinn_ac.autodiff.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
FORBIDDEN = {
    "grad", "value_and_grad", "jvp", "vjp", "jacfwd", "jacrev", "jacobian", "hessian", "linearize",
    "linear_transpose", "custom_jvp", "custom_vjp", "custom_gradient", "closure_convert", "fwd_and_bwd", "vjp3",
    "saved_input_vjp", "jet", "ad", "checkpoint",
}  # fmt: skip


def uses(tree):
    """Dotted names that start at an imported JAX module, and the modules imported."""
    roots = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                roots[alias.asname or alias.name.split(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                roots[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in roots:
            yield f"{roots[node.value.id]}.{node.attr}"


def borrowed(source):
    names = [name.split(".") for name in uses(ast.parse(source))]
    forbidden = FORBIDDEN | {"_src", "experimental"}
    return [".".join(n) for n in names if n[0] == "jax" and forbidden & set(n[1:])]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(FOLDER)))
def test_nothing_of_jaxs_differentiation(path):
    assert borrowed(path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    ["import jax\njax.grad(f)", "from jax import jvp", "import jax as j\nj.vjp", "from jax.experimental import jet",
     "from jax.interpreters import ad", "from jax._src import core"],
)  # fmt: skip
def test_the_reader_of_imports_sees_them(line):
    assert borrowed(line) != []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(FOLDER)))
def test_nothing_else_of_the_package(path):
    depth = len(path.relative_to(FOLDER).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= depth, f"line {node.lineno} climbs out of the engine"
            assert not (node.level == 0 and (node.module or "").startswith("pinn_ac"))
            assert (node.module or "").split(".")[0] != "matplotlib"
