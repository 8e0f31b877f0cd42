"""The notebooks as pages: what was printed and drawn when they were executed stands below each cell."""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbconvert import MarkdownExporter
from notebooks import is_fresh, sources

_LINK = re.compile(r"\]\((\w+)\.ipynb")
"""In a notebook a link leads to another notebook, on the site to its page."""


class Page(NamedTuple):
    """A page: its Markdown, and the files beside it (path → bytes): its pictures, and the notebook itself."""

    text: str
    files: dict[str, bytes]


def pages() -> dict[str, Page]:
    """Path → page of every notebook.

    Raises:
        RuntimeError: the outputs of a notebook are not those of its code.
    """
    return {f"tutorials/{source.stem}.md": _page(source) for source in sources()}


def _page(source: Path) -> Page:
    if not is_fresh(source):
        raise RuntimeError(f"notebooks/{source.name} has changed since it was executed: run `make notebooks`.")
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    resources = {"unique_key": source.stem, "output_files_dir": source.stem}
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    text = _LINK.sub(r"](\1.md", text).replace("](../docs/", "](../")
    title, _, rest = text.lstrip().partition("\n")
    place = source.with_suffix(".ipynb")
    note = f"[Download this notebook]({place.name}){{ .download download={place.name} }}"
    files = {f"tutorials/{name}": content for name, content in resources["outputs"].items()}
    return Page(f"{title}\n\n{note}\n{rest}", {**files, f"tutorials/{place.name}": place.read_bytes()})
