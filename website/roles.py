"""The docstrings as Markdown for the pages of the API: cross-references, examples, and lists of settings."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from griffe import Class, Extension, Object

sys.path.insert(0, str(Path(__file__).resolve().parent))
import api_pages

_ROLE = re.compile(r":(?:class|func|meth|attr|mod|data):`(~?)([\w.]+)`")
_ENTRY = re.compile(r"^([a-z_]+(?:, [a-z_]+)*): (?=\S)")


class Roles(Extension):
    """Rewrites each docstring before it is parsed."""

    def __init__(self) -> None:
        self.documented = api_pages.documented()

    def on_object(self, *, obj: Object, **others: object) -> None:
        """A link for every role that leads to a documented name, and Markdown for what would be none."""
        if obj.docstring is not None:
            lines = _with_lists(_with_fences(obj.docstring.value.splitlines()))
            text = "\n".join(lines).replace("][", "]\\[").replace("\nExample:\n", "\nExamples:\n")
            obj.docstring.value = _ROLE.sub(lambda found: self.link(obj, found[2], bool(found[1])), text)

    def on_package(self, *, pkg: Object, **others: object) -> None:
        """The same for the package itself, which is no object to Griffe."""
        self.on_object(obj=pkg)

    def link(self, obj: Object, name: str, short: bool) -> str:
        """The name with a link, where there is a page that it can lead to."""
        shown = name.rsplit(".", 1)[-1] if short else name
        target = name if name.startswith("pinn_ac.") else _path_within(obj, name)
        above = target.rpartition(".")[0]
        return f"[`{shown}`][{target}]" if {target, above} & self.documented else f"`{shown}`"


def _path_within(obj: Object, name: str) -> str:
    """The full path of a name that is used inside of `obj`."""
    scope: Object | None = obj
    while scope is not None:
        if isinstance(scope, Class) and name in scope.members:
            return f"{scope.path}.{name}"
        if name in scope.members:
            member = scope.members[name]
            return str(member.canonical_path if member.is_alias else member.path)
        scope = scope.parent
    return ""


def _with_fences(lines: list[str]) -> Iterator[str]:
    """Examples that stand in the text, and not in a section of their own, as blocks of code."""
    inside = False
    for line in lines:
        if line.startswith(">>> ") and not inside:
            yield "```pycon"
            inside = True
        elif not line.strip() and inside:
            yield "```"
            inside = False
        yield line
    if inside:
        yield "```"


def _with_lists(lines: Iterator[str]) -> Iterator[str]:
    """Lines `name: text` that follow an empty line, and those after them, as items of a list."""
    listed, empty = False, True
    for line in lines:
        entry = _ENTRY.match(line)
        listed = (bool(entry) and (empty or listed)) or (listed and bool(line.strip()))
        empty = not line.strip()
        yield f"- `{entry[1]}`: {line[entry.end() :]}" if entry and listed else line
