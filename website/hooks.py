"""What MkDocs does beside its usual work: pages that are made from the code, formulas, and the navigation to both."""

import logging
import re
from functools import cache
from pathlib import Path
from typing import Any

import api_pages
import command_pages
import config_pages
import notebook_pages
from mathml import rendered
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ABOVE = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md", "runs.md": "outputs/README.md"}
"""Page → the file outside of docs/ that it is."""
ELSEWHERE = {
    "../configs/": "reference/settings/index.md",
    "../src/pinn_ac/": "reference/api/index.md",
    "../scripts/": "reference/commands.md",
    **{f"../{source}": page for page, source in ABOVE.items()},
}
"""Where a page of docs/ leads outside of it → the page of the site that shows this."""
NOTEBOOK = re.compile(r"\]\(\.\./notebooks/(\w+)\.ipynb")
TIME = re.compile(r"^\| \[[^\]]+\]\(([\w-]+\.md)\) \|.*\| (\d+) min \|$", re.MULTILINE)
LOADED = re.compile(r'<(?:script|img|iframe|source)[^>]+src="(https?://[^"]+)"')
log = logging.getLogger("mkdocs.hooks")


def on_config(config: Any) -> Any:
    """The navigation with the pages that are made below, and without those that are awaited and not there yet."""
    awaited = {name for name in config.extra["awaited"] if not (Path(config.docs_dir) / name).exists()}
    config.nav = [kept for one in config.nav if (kept := _planned(one, awaited)) is not None]
    return config


def _planned(entry: Any, awaited: set[str]) -> Any:
    if isinstance(entry, str):
        return None if entry in awaited else entry
    ((title, content),) = entry.items()
    if content == "EVERY SETTING":
        pages = [f"reference/settings/{name}.md" for name in ("index", *config_pages.RUNS)]
        return {title: [*pages[:2], *map(config_pages.page_of, config_pages.groups()), *pages[2:]]}
    if content == "EVERY NAME":
        groups = {heading: [room.page for room in rooms] for heading, rooms in api_pages.groups().items()}
        return {title: ["reference/api/index.md", *({heading: pages} for heading, pages in groups.items())]}
    if isinstance(content, list):
        return {title: [kept for one in content if (kept := _planned(one, awaited)) is not None]}
    return None if content in awaited else {title: content}


def on_files(files: Files, config: Any) -> Files:
    """The pages that are made from the code, from the notebooks, and from files outside of docs/."""
    texts: dict[str, str | bytes] = {**config_pages.pages(), **api_pages.pages()}
    texts["reference/commands.md"] = command_pages.page()
    for path, page in notebook_pages.pages().items():
        texts |= {path: page.text, **page.files}
    for path, source in ABOVE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        texts[path] = re.sub(r"\]\((?:\.\./)?docs/", "](", text)
    for path, content in texts.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The text with links that are right on the site; in a checkout they lead to the files themselves."""
    for place, shown in ELSEWHERE.items():
        markdown = markdown.replace(f"]({place})", f"]({shown})")
    if page.file.src_uri in times():
        kind, minutes = times()[page.file.src_uri]
        title, _, rest = markdown.partition("\n")
        markdown = f"{title}\n\n*{kind}: about {minutes} minutes.*\n{rest}"
    return NOTEBOOK.sub(r"](tutorials/\1.md", markdown)


@cache
def times() -> dict[str, tuple[str, str]]:
    """Page → its kind and the minutes that it takes, of those that do not say it; the overviews do."""
    found = {}
    for kind, overview in (("Tutorial", "tutorials.md"), ("Explanation", "explanation.md")):
        for page, minutes in TIME.findall((ROOT / "docs" / overview).read_text(encoding="utf-8")):
            if "minutes" not in (ROOT / "docs" / page).read_text(encoding="utf-8")[:400]:
                found[page] = kind, minutes
    return found


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """The page with its formulas as MathML."""
    return rendered(html)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Warn of what a page would load from the network, which ends a strict build."""
    loaded = LOADED.findall(output)
    if loaded:
        log.warning("%s loads from the network: %s", page.file.src_uri, ", ".join(loaded))
    return output
