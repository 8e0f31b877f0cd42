"""The rules of the house, read from the source itself."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "pinn_ac"
MODULES = sorted(SOURCE.rglob("*.py"))
NAMES = {
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES
}
# The road, from the ground up: a room may import from the rooms below it alone. Rooms on one line stand side by side.
# The library ends with `experiment`; the lessons are built on it, and the application calls both. The last one is the
# package's face, `pinn_ac` itself.
FLOORS = [
    {"autodiff", "batch", "chunks", "errors", "lapack", "seeds"},
    {"compute", "derivatives", "files", "gradients", "kinds", "problem", "sampling", "weighting"},
    {"ansatz", "compilation", "evaluation", "models", "parallel", "reference", "tracking"},
    {"estimate", "measured", "optimizers", "reporting", "residual"},
    {"loss", "training"},
    {"marching", "regimes"},
    {"programs"},
    {"experiment"},
    {"setup"},
    {"description", "traced", "windows"},
    {"solution"},
    {"plane"},
    {"running"},
    {"inverse"},
    {"fitting"},
    {"lessons"},
    {"app"},
    {""},
]
LEVELS = {one: height for height, floor in enumerate(FLOORS) for one in floor}


def identifier(path):
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def room(name):
    """The package or module right under pinn_ac; "" for pinn_ac itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def absolute(name, node):
    """The module that `from … import` names in module `name`."""
    if not node.level:
        return node.module
    package = name.split(".") if NAMES[name].stem == "__init__" else name.split(".")[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *filter(None, [node.module])])


@cache
def imports(name):
    """What a module imports, inside functions too, but for its types' sake alone; of ours, the file that is meant."""
    found = set()
    for node in every_node(tree(NAMES[name])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = absolute(name, node)
            for alias in node.names:
                full = f"{module}.{alias.name}"
                found.add(full if full in NAMES else module)
    return frozenset(found)


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_no_equation_is_named_outside_its_folder_the_lessons_and_the_face(path):
    """What a method needs of a problem is a capability of its interface. Examples may take one."""
    if (path.parent == SOURCE and path.stem == "__init__") or {"problem", "lessons"} & set(path.parts):
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    named = [
        line
        for line in lines
        if re.search("Allen.?Cahn|allen.?cahn", line) and not re.match(r"\s*(>>>|\.\.\.)", line)
    ]
    assert named == []


def every_node(node):
    """All nodes below this one, those left out that stand under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield child
            yield from every_node(child)


def top_level(node):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from top_level(child)


def ours(name):
    return {imported for imported in imports(name) if imported.split(".")[0] == "pinn_ac"}


def foreign(name):
    return {imported.split(".")[0] for imported in imports(name)}


def test_the_reader_reads():
    """It sees the imports that there are: an empty answer would pass every rule."""
    assert len(NAMES) > 50
    assert "pinn_ac.errors" in imports("pinn_ac.problem.problem")
    assert "pinn_ac.ansatz" in imports("pinn_ac.residual")
    assert "hydra" in foreign("pinn_ac.app.config")
    assert foreign("pinn_ac.reporting.style") >= {"matplotlib"}


def test_every_room_has_its_floor_and_every_floor_its_rooms():
    assert {room(name) for name in NAMES} == set(LEVELS)
    assert sum(map(len, FLOORS)) == len(LEVELS)


def test_the_map_of_the_code_has_the_same_floors():
    """docs/architecture.md shows them as a table; the package's face is on top of all, and is left out there."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(FLOORS)))
    assert [set(re.findall(r"`(\w+)`", rooms)) for _, rooms in rows] == FLOORS[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_imports_run_toward_the_ground(name):
    for imported in ours(name):
        if room(imported) != room(name):
            assert LEVELS[room(imported)] < LEVELS[room(name)], f"{name} imports {imported}, which lies above it"


def test_the_ground_floor_knows_nobody():
    for name in NAMES:
        if room(name) == "autodiff":
            assert {room(imported) for imported in ours(name)} <= {"autodiff"}, name
        if room(name) == "problem":
            assert {room(imported) for imported in ours(name)} <= {"problem", "errors"}, name


def circle(graph):
    """The names along a circle of the graph (name → names that it leads to); None if it has none."""
    done = set()

    def visit(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        found = None
        if name not in done:
            found = next(filter(None, (visit(one, [*path, name]) for one in sorted(graph[name]))), None)
            done.add(name)
        return found

    return next(filter(None, (visit(name, []) for name in graph)), None)


def test_there_is_no_circle():
    """Not even of imports inside functions. A package's modules import each other, its face imports them."""
    modules = {name for name in NAMES if NAMES[name].stem != "__init__"}
    assert circle({name: ours(name) & modules for name in modules}) is None


def test_a_circle_would_be_found():
    assert circle({"a": {"b", "c"}, "b": set(), "c": {"d"}, "d": {"b", "a"}}) == ["a", "c", "d", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
    lazy = "def f():\n    from .forward import jvp\n    return jvp"
    assert any(isinstance(node, ast.ImportFrom) for node in every_node(ast.parse(lazy)))


@pytest.mark.parametrize("name", NAMES)
def test_matplotlib_is_in_reporting_alone(name):
    assert room(name) == "reporting" or "matplotlib" not in foreign(name)


@pytest.mark.parametrize("name", NAMES)
def test_configs_are_known_at_the_top_alone(name):
    assert room(name) == "app" or not foreign(name) & {"hydra", "omegaconf"}


@pytest.mark.parametrize("name", [name for name in NAMES if room(name) == "autodiff"])
def test_our_own_differentiation_borrows_none(name):
    """No derivative of JAX's in autodiff/, by attribute or by import."""
    borrowed = {
        "grad",
        "value_and_grad",
        "jvp",
        "vjp",
        "linearize",
        "linear_transpose",
        "hessian",
        "jet",
        "ad",
        "checkpoint",
    }
    for node in ast.walk(tree(NAMES[name])):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            of_jax = isinstance(root, ast.Name) and root.id in {"jax", "lax"}
            assert not (of_jax and (node.attr in borrowed or node.attr.startswith("jac"))), f"{name}:{node.lineno}"
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "jax":
            for alias in node.names:
                assert alias.name not in borrowed, f"{name}:{node.lineno}"
                assert not alias.name.startswith("jac"), f"{name}:{node.lineno}"
    assert not any("jet" in imported.split(".") for imported in imports(name))


@pytest.mark.parametrize("name", NAMES)
def test_there_are_no_arrays_or_keys_at_module_level(name):
    """They would be made before precision and device are set."""
    for node in top_level(tree(NAMES[name])):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert not called.startswith(("jnp.", "jax.random.", "jax.numpy.")), f"{name}:{node.lineno} {called}"


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=identifier)
def test_scripts_are_short(path):
    assert len(path.read_text().splitlines()) <= 25


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_files_and_functions_are_short(path):
    assert len(path.read_text().splitlines()) <= 400
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = node.end_lineno - body[0].lineno + 1
            assert lines <= 70, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_what_is_public_has_a_docstring(path):
    assert ast.get_docstring(tree(path))
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{identifier(path)}: {node.name}"


def test_tests_and_sources_are_named_for_what_they_hold():
    assert not [path for path in MODULES if path.stem in {"utils", "helpers", "common", "misc"}]
