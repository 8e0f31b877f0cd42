"""The page of a comparison: its tables and figures as Markdown, and as one HTML file that needs nothing else."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinn_ac.reporting.tables import show

Rows = Sequence[Mapping[str, Any]]
Columns = Mapping[str, str]
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22262e; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #e4e6ea; text-align: right; white-space: nowrap; }
th { cursor: pointer; } th:hover { color: #1f4e79; }
td.words, th.words { text-align: left; white-space: normal; }
img { max-width: 100%; }
"""
SORTING = """
for (const head of document.querySelectorAll("th")) head.onclick = () => {
  const table = head.closest("table"), index = head.cellIndex, up = head.dataset.up !== "1";
  head.dataset.up = up ? "1" : "0";
  const value = row => { const raw = row.cells[index].dataset.value; return raw === "" ? NaN : Number(raw); };
  const order = (a, b) => {
    const x = value(a), y = value(b), s = a.cells[index].dataset.value, t = b.cells[index].dataset.value;
    if (s === "" || t === "") return (s === "") - (t === "");
    const difference = isNaN(x) || isNaN(y) ? s.localeCompare(t) : x - y;
    return up ? difference : -difference;
  };
  for (const row of [...table.tBodies[0].rows].sort(order)) table.tBodies[0].append(row);
};
"""


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Args:
        title: the heading.
        about: sentences under it.
        columns: key → heading, of the table of methods.
        rows: of that table.
        run_columns: key → heading, of the table of runs.
        runs: of that table; "failure" is a sentence, or "".
        figures: path of a PNG file → what it shows.
    """

    title: str
    about: Sequence[str]
    columns: Columns
    rows: Rows
    run_columns: Columns
    runs: Rows
    figures: Mapping[Path, str]


def markdown_page(page: Page) -> str:
    """The page as Markdown; its figures are files beside it."""
    parts = [f"# {page.title}", *page.about, _markdown_table(page.columns, page.rows)]
    parts += [f"![{text}]({path.name})" for path, text in page.figures.items()]
    parts += ["## Runs", _markdown_table(page.run_columns, page.runs)]
    return "\n\n".join(parts) + "\n"


def html_page(page: Page) -> str:
    """The page as one HTML file: figures inside, no network, tables sorted by a click on a heading."""
    figures = [
        f"<h2>{html.escape(text)}</h2>\n<img alt='{html.escape(text, quote=True)}' src='data:image/png;base64,"
        f"{base64.b64encode(path.read_bytes()).decode()}'>"
        for path, text in page.figures.items()
    ]
    parts = [
        f"<h1>{html.escape(page.title)}</h1>",
        *(f"<p>{html.escape(sentence)}</p>" for sentence in page.about),
        _html_table(page.columns, page.rows),
        *figures,
        "<h2>Runs</h2>",
        _html_table(page.run_columns, page.runs),
    ]
    head = f"<meta charset='utf-8'><title>{html.escape(page.title)}</title><style>{STYLE}</style>"
    body = "\n".join(parts)
    body = f"<body>\n{body}\n<script>{SORTING}</script>\n</body>"
    return f"<!DOCTYPE html>\n<html lang='en'>\n<head>{head}</head>\n{body}\n</html>\n"


def _text(row: Mapping[str, Any], key: str) -> str:
    return show(row.get(key), key)


def _is_words(rows: Rows, key: str) -> bool:
    return any(isinstance(row.get(key), str) for row in rows)


def _markdown_table(columns: Columns, rows: Rows) -> str:
    rules = ["---" if _is_words(rows, key) else "---:" for key in columns]
    lines = [list(columns.values()), rules]
    lines += [[" ".join(_text(row, key).replace("|", "\\|").split()) for key in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _html_table(columns: Columns, rows: Rows) -> str:
    kinds = {key: " class='words'" if _is_words(rows, key) else "" for key in columns}
    head = "".join(f"<th{kinds[key]}>{html.escape(heading)}</th>" for key, heading in columns.items())
    lines = [
        "".join(
            f"<td{kinds[key]} data-value='{html.escape(_raw(row.get(key)), quote=True)}'>"
            f"{html.escape(_text(row, key))}</td>"
            for key in columns
        )
        for row in rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _raw(value: Any) -> str:
    return "" if value is None else str(value)
