"""The page that a lesson is printed on: a console for text and tables, and a folder for its files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinn_ac.autodiff import Graph
from pinn_ac.files import write_whole
from pinn_ac.lessons.drawing import draw
from pinn_ac.lessons.tables import Trace
from pinn_ac.reporting.graphs import draw_graph
from pinn_ac.reporting.style import write

WIDEST = 104


@dataclass
class Page:
    """A lesson's page.

    Args:
        folder: the folder of its files.
        console: the console for text and tables.
        written: the files written so far.
    """

    folder: Path
    console: Console = field(default_factory=lambda: console())
    written: list[Path] = field(default_factory=list)

    def title(self, text: str) -> None:
        """Print the lesson's heading."""
        self.console.rule(Text(text, style="bold"), align="left", characters="─", style="dim")

    def say(self, *lines: str) -> None:
        """Print a paragraph."""
        self.console.print()
        for line in lines:
            self.console.print(Text(line), soft_wrap=True)

    def trace(self, trace: Trace) -> None:
        """Print one of the three traces, laid out as in the lecture's notes."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), title_justify="left", title_style="bold")
        table.title = trace.title
        for row in trace.rows:
            table.add_row(Text(row[0], style="bold"), *map(Text, row[1:-1]), Text(row[-1], style="bold"))
        for column in table.columns:
            column.no_wrap = True
        self._print(table)

    def table(
        self, headings: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "", wrapped: str = ""
    ) -> None:
        """Print a table; only the column with the heading `wrapped` may break its lines."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title=title or None, title_justify="left")
        table.title_style = "bold"
        for heading in headings:
            table.add_column(Text(heading), no_wrap=heading != wrapped, overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        self._print(table)

    def _print(self, table: Table) -> None:
        self.console.print()
        self.console.print(table)

    def figure(self, figure: Any, name: str) -> None:
        """Write a figure as `name`.png."""
        self.written.append(write(figure, self.folder / f"{name}.png"))

    def text(self, content: str, name: str) -> None:
        """Write the text file `name`."""
        whole = write_whole(self.folder / name, lambda draft: draft.write_text(content, encoding="utf-8"))
        self.written.append(whole)

    def graph(self, graph: Graph, title: str = "", name: str = "graph", **names: Any) -> None:
        """Write the compute graph as a figure, in DOT and in Mermaid; see `Notation` for `names`."""
        drawing = draw(graph, **names)
        self.figure(draw_graph(drawing, title), name)
        self.text(drawing.dot, f"{name}.dot")
        self.text(drawing.mermaid, f"{name}.mmd")

    def end(self) -> None:
        """Print which files were written."""
        names = ", ".join(path.name for path in self.written)
        self.say(f"Written to {self.folder}: {names}", "")


def console() -> Console:
    """A console on standard output, wide enough for the traces even if the terminal is narrower or unknown."""
    found = Console(highlight=False)
    return found if found.width >= WIDEST else Console(highlight=False, width=WIDEST)
