"""The notebooks: `notebooks/NAME.py` is what one writes, `NAME.ipynb` the same with what came of executing it.

`python website/notebooks.py` executes those whose source has changed since, and with names those that are named.
"""

import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
TIMEOUT = 600
"""Seconds that a cell may take."""


def sources() -> list[Path]:
    """The notebooks as scripts, in Jupytext's percent format."""
    return sorted(NOTEBOOKS.glob("*.py"))


def digest(source: Path) -> str:
    """16 letters that change with the source."""
    return hashlib.sha256(source.read_bytes()).hexdigest()[:16]


def is_fresh(source: Path) -> bool:
    """Whether the outputs that are kept are those of the present source."""
    kept = source.with_suffix(".ipynb")
    return kept.exists() and json.loads(kept.read_text(encoding="utf-8"))["metadata"].get("source") == digest(source)


def execute(source: Path) -> Any:
    """The notebook with its outputs, executed in a kernel of its own, in an empty folder."""
    import jupytext
    from nbclient import NotebookClient

    notebook, version = jupytext.read(source), digest(source)
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.metadata = metadata
    for number, cell in enumerate(notebook.cells):  # ids that do not change with every execution
        cell.id = f"cell-{number}"
        cell.metadata = {}
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    notebook.metadata = {**metadata, "source": version}
    return notebook


def main(names: list[str]) -> None:
    """Execute the notebooks of these names, or those whose source has changed."""
    import nbformat

    for source in sources():
        if source.stem in names or (not names and not is_fresh(source)):
            start = time.perf_counter()
            nbformat.write(execute(source), source.with_suffix(".ipynb"))
            size = source.with_suffix(".ipynb").stat().st_size / 1000
            print(f"{source.stem}: {time.perf_counter() - start:.0f} s, {size:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
