"""The page of a comparison as Markdown; as HTML it is that of a sweep (`sweep_page.py`)."""

from collections.abc import Mapping
from pathlib import Path

from pinn_ac.reporting.page import Columns, Rows, text_of
from pinn_ac.reporting.sweep_page import RunsPage


def markdown_page(page: RunsPage, figures: Mapping[Path, str]) -> str:
    """The tables as Markdown.

    Args:
        page: what the HTML page shows.
        figures: path of a PNG file beside it → what it shows.
    """
    parts = [f"# {page.title}", *page.about, _table(page.columns, page.rows)]
    parts += [f"![{text}]({path.name})" for path, text in figures.items()]
    parts += ["## Runs", _table(page.run_columns, page.runs)]
    return "\n\n".join(parts) + "\n"


def _table(columns: Columns, rows: Rows) -> str:
    rules = ["---" if any(isinstance(row.get(key), str) for row in rows) else "---:" for key in columns]
    lines = [list(columns.values()), rules]
    lines += [[" ".join(text_of(row, key).replace("|", "\\|").split()) for key in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
