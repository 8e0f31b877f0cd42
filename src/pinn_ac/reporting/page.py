"""A page in a browser: one HTML file with its data, style and scripts inside, which needs no network.

uPlot 1.6.32 draws the curves (https://github.com/leeoniya/uPlot, MIT, its licence beside it in browser/); style and
scripts of ours lie in the same folder. A page's content security policy lets a browser fetch nothing at all.
"""

import base64
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.reporting.tables import show

Rows = Sequence[Mapping[str, Any]]
Columns = Mapping[str, str]
"""Key of a row → heading."""
BROWSER = Path(__file__).parent / "browser"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
REFRESH = 15
"""Seconds after which a page whose runs go on is read again."""
SENTENCES = ("failure",)
"""Columns whose cells hold sentences, which may take several lines."""


def document(title: str, body: Iterable[str], data: Mapping[str, Any], scripts: Sequence[str], watching=False) -> str:
    """The whole file.

    Args:
        title: of the browser's tab.
        body: pieces of HTML.
        data: what the scripts find in `DATA`: plain values, and arrays as `packed` makes them.
        scripts: files of browser/, after the shared ones.
        watching: the page is read again every `REFRESH` seconds.
    """
    text = json.dumps(_plain({**data, "refresh": REFRESH if watching else None}), allow_nan=False)
    inside = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    code = "\n".join(f"<script>{_file(name)}</script>" for name in ("uPlot.iife.min.js", "page.js", *scripts))
    again = f"<noscript><meta http-equiv='refresh' content='{REFRESH}'></noscript>\n" if watching else ""
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<meta name='color-scheme' content='light dark'>\n{again}<title>{escaped(title)}</title>\n"
        f"<style>{_file('uPlot.min.css')}\n{_file('page.css')}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<script type='application/json' id='data'>{inside}</script>\n{code}\n</body>\n</html>\n"
    )


@cache
def _file(name: str) -> str:
    return (BROWSER / name).read_text(encoding="utf-8").strip()


def escaped(value: Any) -> str:
    """Text as HTML has to have it, in quotes too."""
    return html.escape(str(value), quote=True)


def packed(values: Any) -> dict[str, str] | None:
    """An array as base64 of little-endian single precision, row by row; None stays None."""
    if values is None:
        return None
    with np.errstate(over="ignore"):  # an infinity is drawn as a gap
        single = np.ascontiguousarray(values, dtype="<f4")
    return {"kind": "f4", "data": base64.b64encode(single.tobytes()).decode()}


def _plain(value: Any) -> Any:
    """A value that JSON can hold; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def figure(name: str, caption: str, controls: str = "", kind: str = "") -> str:
    """The box of a chart, with its size before a script fills it."""
    return (
        f"<figure id='{name}' class='{kind}'><figcaption><span>{escaped(caption)}</span>"
        f"<span class='controls'>{controls}</span></figcaption>"
        "<div class='plot'></div><div class='readout'></div></figure>"
    )


def log_button(axis: str, pressed: bool = True) -> str:
    """A button that makes an axis of the chart that it stands in logarithmic, or linear."""
    state = str(pressed).lower()
    return f"<button type='button' data-log='{axis}' aria-pressed='{state}'>log {axis}</button>"


def picture(path: Path, text: str) -> str:
    """A PNG file inside the page."""
    inside = base64.b64encode(path.read_bytes()).decode()
    return f"<h2>{escaped(text)}</h2>\n<img alt='{escaped(text)}' src='data:image/png;base64,{inside}'>"


def command(name: str, text: str) -> str:
    """Words to be typed, with a button that copies them."""
    return (
        f"<div class='command'><pre id='{name}'>{escaped(text)}</pre>"
        f"<button type='button' data-copies='{name}'>copy</button></div>"
    )


def folded(title: str, inside: str) -> str:
    """What is shown after a click on its title."""
    return f"<details><summary>{escaped(title)}</summary>{inside}</details>"


def table(name: str, columns: Columns, rows: Rows, chosen: bool = False) -> str:
    """A table that a click on a heading sorts, and the page's filter filters.

    Args:
        name: of the table, by which the page's address remembers how it is sorted.
        columns: key → heading; the first one names a row.
        rows: "name" is that of a row, if not in the first column; "link" the address behind it, if there is one;
            "title" what a browser says of it under the pointer.
        chosen: each row has a box to choose it by, and the colour of its curves, which are not far below.
    """
    kinds = {key: _kind(rows, key) for key in columns}
    head = "".join(
        f"<th class='sorts {kinds[key]}' tabindex='0' data-key='{escaped(key)}'>{escaped(heading)}</th>"
        for key, heading in columns.items()
    )
    lines = "\n".join(_line(columns, kinds, row, chosen) for row in rows)
    kind = "table tall" if chosen else "table"
    return (
        f"<div class='{kind}'><table id='{name}' class='sorted'>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{lines}\n</tbody>\n</table></div>"
    )


def _kind(rows: Rows, key: str) -> str:
    if key in SENTENCES:
        return "sentence"
    return "words" if any(isinstance(row.get(key), str) for row in rows) else ""


def _line(columns: Columns, kinds: Mapping[str, str], row: Mapping[str, Any], chosen: bool) -> str:
    first = next(iter(columns))
    name = escaped(row.get("name", text_of(row, first)))
    cells = []
    for key in columns:
        inside = escaped(text_of(row, key))
        if key == first:
            inside = f"<span class='name' title='{escaped(row.get('title', ''))}'>{inside}</span>"
        if key == first and row.get("link"):
            inside = f"<a href='{escaped(row['link'])}'>{inside}</a>"
        if key == first and chosen:
            box = f"<input type='checkbox' aria-label='curves of {name}'><span class='swatch'></span>"
            inside = f"<label>{box}{inside}</label>"
        raw = row.get(key)
        cells.append(f"<td class='{kinds[key]}' data-value='{escaped('' if raw is None else raw)}'>{inside}</td>")
    return f"<tr data-name='{name}'>{''.join(cells)}</tr>"


def text_of(row: Mapping[str, Any], key: str) -> str:
    """A cell as it is read."""
    return show(row.get(key), key)
