"""What a lesson is written on: a console for words and tables, a folder for pictures and texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinn_ac.autodiff.draw import draw
from pinn_ac.autodiff.graph import Graph
from pinn_ac.autodiff.tables import Trace
from pinn_ac.files import write_whole
from pinn_ac.reporting.graphs import draw_graph
from pinn_ac.reporting.style import write

WIDEST = 104


@dataclass
class Page:
    """A lesson's page.

    Args:
        folder: where its files go.
        console: where its words go.
    """

    folder: Path
    console: Console = field(default_factory=lambda: console())
    written: list[Path] = field(default_factory=list)

    def title(self, text: str) -> None:
        """The lesson's heading."""
        self.console.rule(Text(text, style="bold"), align="left", characters="─", style="dim")

    def say(self, *lines: str) -> None:
        """A paragraph."""
        self.console.print()
        for line in lines:
            self.console.print(Text(line), soft_wrap=True)

    def trace(self, trace: Trace) -> None:
        """One of the three traces, as the notes lay it out."""
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
        """A table with a heading for every column; only the column `wrapped` may break its lines."""
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
        """Write name.png."""
        self.written.append(write(figure, self.folder / f"{name}.png"))

    def text(self, content: str, name: str) -> None:
        """Write a text file."""
        whole = write_whole(self.folder / name, lambda draft: draft.write_text(content, encoding="utf-8"))
        self.written.append(whole)

    def graph(self, graph: Graph, title: str = "", name: str = "graph", **names: Any) -> None:
        """Write the compute graph as a picture, in DOT and in Mermaid."""
        drawing = draw(graph, **names)
        self.figure(draw_graph(drawing, title), name)
        self.text(drawing.dot, f"{name}.dot")
        self.text(drawing.mermaid, f"{name}.mmd")

    def end(self) -> None:
        """Say which files were written."""
        names = ", ".join(path.name for path in self.written)
        self.say(f"Written to {shown(self.folder)}: {names}", "")


def console() -> Console:
    """Standard output, wide enough for the traces even where no terminal says how wide it is."""
    found = Console(highlight=False)
    return found if found.width >= WIDEST else Console(highlight=False, width=WIDEST)


def shown(folder: Path) -> Path:
    """The folder as seen from the project, if it lies there."""
    return folder
