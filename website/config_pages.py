"""A page for every config group: its options, their settings, and what the comments of the YAML files say of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
HIDDEN = {"hydra/help"}
"""Groups that nobody chooses from."""
GROUPS = {
    "problem": "the equation",
    "problem/initial_condition": "u at t = 0",
    "model": "the network",
    "embedding": "the features of a point that the network sees",
    "ansatz": "how the network becomes u",
    "derivatives": "who computes u_t, u_xx, … of the field",
    "gradient": "who differentiates the loss with respect to the parameters",
    "loss": "the norm of the residual, and the weights of the loss's terms",
    "weighting": "weights of points and terms that change during the training",
    "regime": "how the problem changes during the training",
    "sampler": "the collocation points",
    "optimizer": "how parameters are found",
    "stages": "several optimizers, one after the other",
    "tracker": "who records a run",
    "experiment": "whole settings, as published or as we recommend them",
    "size": "an experiment's method at its published size, or at one that two cores can run",
    "size/network": "what `size=small` means for each network",
    "hydra/launcher": "where the runs of a sweep are computed",
    "hydra/sweeper": "which settings a sweep tries",
}
"""Group → what its options choose, in the order of a run; a group that is missing here comes last, without a line."""
RUNS = {
    "config": ("train", "Settings of a run", "seed, windows, clock and tolerance, and the defaults of every group"),
    "compare": ("compare", "Settings of a comparison", "beside those of each run"),
    "evaluate": ("evaluate", "Settings of an evaluation", "grid, device and run"),
    "reference": ("reference", "Settings of the reference", "the problem that is solved for"),
}
"""File → its command, the heading, and what it holds."""
_KEY = re.compile(r"^( *)([\w/@()]+):(?: +(.*))?$")
_BESIDE = re.compile(r"^(.*?)\s+#\s(.*)$")


class Setting(NamedTuple):
    """A setting: its name with those of the settings around it, its value in the file, and the comment beside it."""

    name: str
    value: str
    comment: str


class Option(NamedTuple):
    """An option of a group, as its file has it."""

    name: str
    about: str
    target: str
    chosen: tuple[str, ...]
    settings: tuple[Setting, ...]
    text: str


def option(path: Path) -> Option:
    """What a YAML file holds.

    The comment lines at its top are about all of it; a comment beside a setting, and comment lines below it that go
    on with it, are about that setting.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line[1:].strip() for line in lines[: _length_of_head(lines)] if not line.startswith("# @")]
    found = tuple(_settings(lines[_length_of_head(lines) :]))
    plain = yaml.safe_load("\n".join(lines)) or {}
    chosen = [one for one in plain.get("defaults", []) if isinstance(one, dict)] if isinstance(plain, dict) else []
    words = tuple(
        f"{key.split()[-1].lstrip('/')}={_plain(value)}" for one in chosen for key, value in one.items() if value
    )
    targets = [one.value for one in found if one.name.rsplit(".", 1)[-1] == "_target_"]
    settings = tuple(one for one in found if not one.name.endswith(("_target_", "_partial_")))
    return Option(path.stem, " ".join(head), targets[0] if targets else "", words, settings, "\n".join(lines))


def _plain(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _length_of_head(lines: list[str]) -> int:
    return next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _settings(lines: list[str]) -> Iterator[Setting]:
    """Every setting with a value, in order; those of the defaults list left out."""
    around: list[tuple[int, str]] = []
    pending: Setting | None = None
    for line in lines:
        key = _KEY.match(line)
        if key is None:
            go_on = re.match(r"^\s+#\s(.*)$", line)
            if go_on and pending:
                pending = pending._replace(comment=f"{pending.comment} {go_on[1].strip()}".strip())
            continue
        if pending:
            yield pending
            pending = None
        indent, name, rest = len(key[1]), key[2], key[3] or ""
        around = [(width, one) for width, one in around if width < indent]
        full = ".".join([*(one for _, one in around), name])
        beside = _BESIDE.match(f"{rest} ") if "#" in rest else None
        value, comment = (beside[1].strip(), beside[2].strip()) if beside else (rest.strip(), "")
        if rest.startswith("#"):
            value, comment = "", rest[1:].strip()
        if value:
            pending = Setting(full, value, comment)
        else:
            around.append((indent, name))
            if comment:
                pending = Setting(full, "", comment)
    if pending:
        yield pending


def groups() -> list[str]:
    """Every group that has options, in the order of `GROUPS`."""
    folders = {path.parent.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml")} - {".", *HIDDEN}
    known = list(GROUPS)
    return sorted(folders, key=lambda name: (known.index(name) if name in known else len(known), name))


def options(group: str) -> list[Option]:
    """The options of a group, by name."""
    return [option(path) for path in sorted((CONFIGS / group).glob("*.yaml"))]


def page_of(group: str) -> str:
    """Where a group's page lies in the documentation."""
    return f"reference/settings/{group.replace('/', '_')}.md"


def pages() -> dict[str, str]:
    """Path → Markdown of every page, their overview first."""
    written = {page_of(group): _page(group) for group in groups()}
    written |= {f"reference/settings/{name}.md": _page_of_run(name) for name in RUNS}
    lines = [
        "# Every setting",
        "",
        "*Reference, from the files in `configs/`. Choose an option with `GROUP=OPTION`, and change one of its "
        "settings with `GROUP.SETTING=VALUE`; the option in bold is the default.*",
        "",
        "| group | what is chosen | options |",
        "|---|---|---|",
    ]
    defaults = _defaults()
    for group in groups():
        names = [_link(group, one.name, one.name in defaults.get(group, ())) for one in options(group)]
        about = GROUPS.get(group, "")
        lines.append(f"| [`{group}`]({Path(page_of(group)).name}) | {about} | {', '.join(names)} |")
    lines += ["", "And the settings of a command itself:", ""]
    lines += [f"- [{heading}]({name}.md): {about}" for name, (_, heading, about) in RUNS.items()]
    return {"reference/settings/index.md": "\n".join(lines), **written}


def _link(group: str, name: str, default: bool) -> str:
    link = f"[`{name}`]({Path(page_of(group)).name}#{group.replace('/', '_')}-{name})"
    return f"**{link}**" if default else link


def _defaults() -> dict[str, tuple[str, ...]]:
    """Group → the options that a run has without further words."""
    listed = yaml.safe_load((CONFIGS / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    plain = {key: value for one in listed if isinstance(one, dict) for key, value in one.items() if value}
    return {key: tuple(value) if isinstance(value, list) else (str(value),) for key, value in plain.items()}


def _page(group: str) -> str:
    defaults = _defaults().get(group, ())
    lines = [f"# {group}", ""]
    if group in GROUPS:
        lines += [f"*Reference: the options of `{group}`, {GROUPS[group]}.*", ""]
    for one in options(group):
        lines += [f"## `{group}={one.name}` {{ #{group.replace('/', '_')}-{one.name} }}", ""]
        if one.name in defaults:
            lines += ["The default.", ""]
        lines += [_prose(one.about), ""] if one.about else []
        if one.target.startswith("pinn_ac."):
            lines += [f"The object: [`{one.target}`][{one.target}].", ""]
        elif one.target:
            lines += [f"The object: `{one.target}`.", ""]
        if one.chosen:
            lines += ["It chooses " + ", ".join(f"`{word}`" for word in one.chosen) + ".", ""]
        prefix = "" if "@package _global_" in one.text else f"{group.replace('/', '.')}."
        lines += _table(one.settings, prefix)
    return "\n".join(lines)


def _page_of_run(name: str) -> str:
    command, heading, _ = RUNS[name]
    found = option(CONFIGS / f"{name}.yaml")
    settings = [one for one in found.settings if not one.name.startswith("hydra")]
    lines = [f"# {heading}", "", f"*Reference: `configs/{name}.yaml`, the settings of `pinn-ac {command}`.*", ""]
    return "\n".join([*lines, *([_prose(found.about), ""] if found.about else []), *_table(settings, "")])


def _table(settings: tuple[Setting, ...] | list[Setting], prefix: str) -> list[str]:
    if not settings:
        return []
    if any(one.comment for one in settings):
        lines = ["| setting | value | what it is |", "|---|---|---|"]
        lines += [f"| `{prefix}{one.name}` | {_code(one.value)} | {_prose(one.comment)} |" for one in settings]
    else:
        lines = ["| setting | value |", "|---|---|"]
        lines += [f"| `{prefix}{one.name}` | {_code(one.value)} |" for one in settings]
    return [*lines, ""]


def _code(value: str) -> str:
    return f"`{value}`".replace("|", "\\|") if value else ""


def _prose(text: str) -> str:
    """A comment as Markdown: what would be markup there is none."""
    kept = re.split(r"(`[^`]*`)", text)
    kept = [part if part.startswith("`") else re.sub(r"([*_|<\[\]$])", r"\\\1", part) for part in kept]
    return "".join(kept)
