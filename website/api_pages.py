"""A page for every room of the library, with each of its public names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "pinn_ac"
FOR_FIT = (
    "problem", "models", "ansatz", "derivatives", "gradients", "loss", "weighting", "regimes", "sampling",
    "optimizers", "tracking",
)  # fmt: skip
"""Rooms of what `fit` can be given, in the order in which a run uses them."""
OF_RESULTS = ("solution", "reference", "estimate", "evaluation", "autodiff")
"""Rooms that one calls oneself."""
NOT_CALLED = {"app", "lessons", "reporting", "numpy"}
"""The application has commands and the lessons have their course; reports are drawn by both."""


_REFERENCE = re.compile(r":(?:class|func):`~?(pinn_ac\.[\w.]+\.\w+)`")


class Room(NamedTuple):
    """A package or module right under pinn_ac: its name, the first line about it, and its public names.

    `others` are the full paths of what its docstrings send the reader to besides.
    """

    name: str
    summary: str
    names: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """How Python calls it."""
        return f"pinn_ac.{self.name}" if self.name else "pinn_ac"

    @property
    def page(self) -> str:
        """Where its page lies in the documentation."""
        return f"reference/api/{self.name or 'pinn_ac'}.md"


def rooms() -> dict[str, Room]:
    """Name → room, the package's face first."""
    places = [path for path in sorted(SOURCE.iterdir()) if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = [path.stem for path in places if not path.stem.startswith("_")]
    found = {"": _room("")}
    found |= {name: _room(name) for name in names if name not in NOT_CALLED}
    found = {name: room for name, room in found.items() if room.names}
    public = {f"{room.path}.{name}" for room in found.values() for name in room.names}
    named = {
        path for source in SOURCE.rglob("*.py") for path in _REFERENCE.findall(source.read_text(encoding="utf-8"))
    }
    for path in sorted(named - public):
        name = path.split(".")[1]
        shown = {path, path.rpartition(".")[0], f"pinn_ac.{name}.{path.rpartition('.')[2]}"}
        if name in found and not public & shown:
            found[name] = found[name]._replace(others=(*found[name].others, path))
    return found


def documented() -> frozenset[str]:
    """The full path of everything that has an entry, by the name that it is called by and by that of its module."""
    found = {f"{room.path}.{name}" for room in rooms().values() for name in room.names}
    found |= {path for room in rooms().values() for path in room.others}
    defined = {
        f"{'.'.join(path.relative_to(SOURCE.parent).with_suffix('').parts)}.{node.name}": node.name
        for path in SOURCE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    return frozenset(found | {path for path, name in defined.items() if _shown(path, name, found)})


def _shown(path: str, name: str, found: set[str]) -> bool:
    """Whether what is defined there is one of the public names of its room."""
    return f"pinn_ac.{path.split('.')[1]}.{name}" in found


def _room(name: str) -> Room:
    path = SOURCE / name / "__init__.py" if (SOURCE / name).is_dir() else SOURCE / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return Room(name, (ast.get_docstring(tree) or "").partition("\n")[0], tuple(_public(tree, name)))


def _public(tree: ast.Module, name: str) -> Iterator[str]:
    """The names of `__all__`; without it, the functions and classes that the module itself defines."""
    listed = [
        node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    if listed:
        yield from (one for one in sorted(ast.literal_eval(listed[0].value), key=str.lower) if one != "numpy")
    else:
        kinds = ast.FunctionDef | ast.ClassDef
        yield from (node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_"))


def groups() -> dict[str, list[Room]]:
    """Heading → rooms under it; every room once."""
    found = rooms()
    rest = [name for name in found if name and name not in FOR_FIT + OF_RESULTS]
    return {
        "What you import": [found[""]],
        "What fit can be given": [found[name] for name in FOR_FIT],
        "Results, and what checks them": [found[name] for name in OF_RESULTS],
        "Inside": [found[name] for name in rest],
    }


def pages() -> dict[str, str]:
    """Path → Markdown of every page, their overview first."""
    overview = ["# The library, name by name", "", "*Reference. Look up what you need: every public name, from its "
                "docstring. Examples in docstrings are run by the tests.*", ""]  # fmt: skip
    written: dict[str, str] = {}
    for heading, listed in groups().items():
        overview += [f"## {heading}", "", "| room | what is in it | names |", "|---|---|---|"]
        for room in listed:
            names = ", ".join(f"[`{name}`][{room.path}.{name}]" for name in room.names)
            overview.append(f"| [`{room.path}`]({Path(room.page).name}) | {room.summary} | {names} |")
            written[room.page] = _page(room)
        overview.append("")
    return {"reference/api/index.md": "\n".join(overview), **written}


def _page(room: Room) -> str:
    alone = {"show_root_heading": "false", "show_root_toc_entry": "false", "members": "false"}
    lines = [f"# {room.path}", "", *_directive(room.path, alone)]
    for name in room.names:
        lines += _directive(f"{room.path}.{name}", {})
    if room.name == "autodiff":  # the only module among its names: what it says of itself
        lines += _directive("pinn_ac.autodiff.numpy", {"members": "false"})
    if room.others:
        lines += ["## What these refer to", ""]
        for path in room.others:
            lines += _directive(path, {"heading_level": "3"})
    return "\n".join(lines)


def _directive(path: str, options: dict[str, str]) -> list[str]:
    chosen = [f"        {name}: {value}" for name, value in options.items()]
    return [f"::: {path}", *(["    options:", *chosen] if chosen else []), ""]
