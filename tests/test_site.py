"""The documentation site: its pages name everything that there is, and the site that is built has no dead end."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import pinn_ac

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"


@pytest.fixture(scope="module")
def website():
    """Name → module of `website/`, of those that need no more than the package does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "website"))
        return {name: importlib.import_module(name) for name in ("api_pages", "config_pages", "command_pages")}


def at(tree, name):
    """The value of a setting in a tree of YAML."""
    for part in name.split("."):
        tree = tree[part]
    return tree


def leaves(node, path=""):
    """The names of all settings below a node of YAML."""
    if isinstance(node, dict) and node:
        return [one for name, value in node.items() for one in leaves(value, f"{path}.{name}".lstrip("."))]
    return [path]


FILES = sorted(path for path in CONFIGS.rglob("*.yaml") if "help" not in path.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_every_setting_is_found_with_its_value_and_its_comment(path, website):
    """YAML's own reader is the oracle for names and values; no word of a comment is lost."""
    found = website["config_pages"].option(path)
    there = yaml.safe_load(path.read_text()) or {}
    there.pop("defaults", None)
    read = {one.name: yaml.safe_load(one.value) for one in found.settings if one.value}
    assert {name: at(there, name) for name in read} == read
    plain = [name for name in leaves(there) if name and not name.endswith(("_target_", "_partial_"))]
    assert [name for name in plain if not any(name == one or name.startswith(f"{one}.") for one in read)] == []
    said = " ".join([found.about, *(one.comment for one in found.settings)]).split()
    comments = re.findall(r"(?:^|\s)#\s([^@].*)$", path.read_text(), re.MULTILINE)
    outside = comments_elsewhere(path)
    assert [
        word for comment in comments if comment not in outside for word in comment.split() if word not in said
    ] == []


def comments_elsewhere(path):
    """Comments about the defaults list and about Hydra's own settings, which no table shows."""
    text, found = path.read_text(), []
    block = ""
    for line in text.splitlines():
        block = line.partition(":")[0] if line[:1].isalpha() else block
        if block in ("defaults", "hydra") or (line[:1] == "#" and block):
            found += re.findall(r"(?:^|\s)#\s(.*)$", line)
    return found


def test_every_group_and_option_has_its_entry(website):
    pages = website["config_pages"].pages()
    for path in FILES:
        group = path.parent.relative_to(CONFIGS).as_posix()
        if group != ".":
            page = pages[website["config_pages"].page_of(group)]
            assert f"## `{group}={path.stem}`" in page
            assert f"{path.stem}`](" in pages["reference/settings/index.md"]


def test_every_public_name_has_its_entry(website):
    """Python's own import is the oracle for `__all__`."""
    rooms = website["api_pages"].rooms()
    pages = website["api_pages"].pages()
    for room in rooms.values():
        module = importlib.import_module(room.path)
        if hasattr(module, "__all__"):
            assert set(room.names) == set(module.__all__) - {"numpy"}
        for name in room.names:
            assert hasattr(module, name)
            assert f"::: {room.path}.{name}\n" in pages[room.page]
    assert {path.stem for path in (ROOT / "src/pinn_ac").iterdir() if path.suffix == ".py"} <= {*rooms, "__init__"}
    assert set(rooms[""].names) == set(pinn_ac.__all__)
    assert sum(map(len, website["api_pages"].groups().values())) == len(rooms)


@pytest.fixture
def with_extra(monkeypatch):
    """Imports modules of `website/` that need what `make docs` installs."""
    pytest.importorskip("mkdocs", reason="make docs installs what builds the documentation")
    monkeypatch.syspath_prepend(str(ROOT / "website"))
    return importlib.import_module


def test_formulas_become_mathml(with_extra):
    rendered = with_extra("mathml").rendered
    inline, block = r"\(2 \sin x &lt; |u'|\)", r"\[x^2\]"
    page = rendered(f'<p>of <span class="arithmatex">{inline}</span></p><div class="arithmatex">{block}</div>')
    assert page.startswith("<p>of <math ")
    assert '<div class="formula"><math ' in page
    assert page.count("</math>") == 2
    assert '<mn>2</mn><mspace width="0.167em"/><mi>sin</mi><mspace width="0.167em"/><mi>x</mi>' in page
    assert "<mo>&#x0003C;</mo>" in page
    assert '<mi>u</mi><mo lspace="0" rspace="0">&#x02032;</mo>' in page
    assert rendered("<p>$5 and $6</p>") == "<p>$5 and $6</p>"


def test_docstrings_become_markdown(with_extra):
    """Roles lead to entries where there are any, examples are code, and named lines are lists; sections stay."""
    griffe, roles = with_extra("griffe"), with_extra("roles")
    text = "See :class:`~pinn_ac.models.MLP`, :func:`pinn_ac.nowhere.f`.\n\na: one\nb: two\n   more\n"
    text += "\n>>> 1\n1\n\nArgs:\n    x: y."
    module = griffe.visit("m", Path("m.py"), f'"""{text}"""')
    roles.Roles().on_object(obj=module)
    assert module.docstring.value.splitlines() == [
        "See [`MLP`][pinn_ac.models.MLP], `pinn_ac.nowhere.f`.",
        *("", "- `a`: one", "- `b`: two", "   more"),
        *("", "```pycon", ">>> 1", "1", "```"),
        *("", "Args:", "    x: y."),
    ]


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, which names functions."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


def planned(nav):
    """Every page of a navigation."""
    for entry in nav:
        content = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from planned(content) if isinstance(content, list) else [content]


def test_every_page_is_in_the_navigation_once():
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)
    pages = [page for page in planned(settings["nav"]) if page.endswith(".md")]
    assert len(pages) == len(set(pages))
    awaited = {page for page in settings["extra"]["awaited"] if not (ROOT / "docs" / page).exists()}
    there = {path.name for path in (ROOT / "docs").glob("*.md")}
    tutorials = {f"tutorials/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.py")}
    made = {"reference/commands.md", "runs.md", "changelog.md", "contributing.md"}
    assert set(pages) - awaited == there | tutorials | made


class Page(HTMLParser):
    """What a page links to and loads, and the places in it that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.anchors, self.formulas = [], [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found["id"]} if found.get("id") else set()
        self.formulas += tag == "math"
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon"):
            self.loads.append(found["href"])
        if tag in ("script", "img", "source", "iframe") and "src" in found:
            self.loads.append(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: a dead link, a page that is nowhere or an outdated notebook ends it."""
    pytest.importorskip("mkdocs", reason="make docs installs what builds the documentation")
    place = tmp_path_factory.mktemp("site")
    own = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(place)]
    done = subprocess.run(words, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def pages(site):
    """Path → page."""
    found = {path.relative_to(site).as_posix(): Page(path.read_text()) for path in site.rglob("*.html")}
    found.pop("404.html")  # it is for a server, and its links begin at the server's root
    return found


@pytest.mark.landing
def test_every_link_of_the_site_leads_somewhere_and_nothing_comes_from_the_network(site, pages):
    """Those that MkDocs checks, and those of raw HTML, notebooks and the API besides."""
    dead, counted = [], 0
    for name, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                assert link not in page.loads, f"{name} loads {link}"
                continue
            counted += 1
            place = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = place.resolve()
            target = target / "index.html" if target.is_dir() else target
            fragment = unquote(parts.fragment)
            other = pages.get(target.relative_to(site).as_posix()) if target.is_relative_to(site) else None
            if not target.exists() or (fragment and other and fragment not in other.anchors):
                dead.append((name, link))
    assert dead == []
    assert counted > 1000
    assert len(pages) > 60


@pytest.mark.landing
def test_the_site_has_every_public_name_and_formulas(site, pages, website):
    objects = site / "objects.inv"
    assert objects.stat().st_size > 1000
    for room in website["api_pages"].rooms().values():
        page = pages[room.page.replace(".md", ".html")]
        missing = [name for name in room.names if f"{room.path}.{name}" not in page.anchors]
        assert missing == [], room.path
    assert pages["tutorials/lecture_1_optimisation.html"].formulas > 10
    text = (site / "tutorials/lecture_1_optimisation.html").read_text()
    assert "arithmatex" not in text
    assert ":class:`" not in (site / "reference/api/optimizers.html").read_text()


@pytest.mark.landing
def test_a_search_works_in_a_browser_from_files(site):
    """Its worker and its index are files beside the pages."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    words = [browser, "--headless=new", "--no-sandbox", "--disable-gpu"]
    words += ["--virtual-time-budget=15000", "--dump-dom", f"{(site / 'index.html').as_uri()}?q=wengert"]
    shown = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120).stdout
    results = re.findall(r'class="md-search-result__link"', shown)
    assert results, "the search finds nothing"
