"""What an experiment has set for an option that the command line has replaced by another."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from pinn_ac.app.objects import COLLECTIONS, has_objects, takes
from pinn_ac.errors import InputError, require

GROUP = "experiment"


def without_replaced(config: DictConfig, hydra: Any) -> DictConfig:
    """The config without those settings of its experiment that only an option has which was replaced by another.

    `experiment=causal weighting=rba` leaves the body of the experiment where it was: `weighting.chunks` would be a
    setting that RBA does not have, and with `weighting=none` it would be one of no object at all. So where the
    command line has chosen the option of a group, or none, what the experiment sets there is left out if the object
    does not have it. What it has is kept, such as `model.width`, and so is whatever was typed, which may be refused.

    Args:
        config: of a run, as Hydra composed it; it stays as it is.
        hydra: what Hydra says of it: the choices, the words of the command line, and where the files lie.

    Raises:
        InputError: an optimizer was typed for a run that has stages.
    """
    words = OverridesParser.create().parse_overrides(list(hydra.overrides.task))
    chosen = [word for word in words if word.is_delete() or _key(word) in hydra.runtime.choices]
    typed = [word.key_or_group for word in words if word not in chosen]
    places = [word.package or word.key_or_group.replace("/", ".") for word in chosen]
    names = hydra.runtime.choices.get(GROUP) or []
    folders = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
    bodies = list(_bodies([names] if isinstance(names, str) else names, folders))
    config = copy.deepcopy(config)
    for place in filter(has_objects, places):
        for body in bodies:
            _strip(config, place, _part(body, place), typed)
    single = [word.value() for word in chosen if _key(word) == "optimizer" and not word.is_delete()]
    require(
        not (single and config.stages),
        f"optimizer={''.join(map(str, single[-1:]))} is for a run with one optimizer, and this one has stages: leave "
        "it out, or add ~stages, or choose the optimizer of a stage, by optimizer@stages.NAME=OPTION.",
    )
    return config


def _key(word: Override) -> str:
    """The group that a word chooses an option of, as Hydra names it among the choices."""
    return word.key_or_group if word.package is None else f"{word.key_or_group}@{word.package}"


def _bodies(names: Iterable[str], folders: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    """The settings of experiments and of those that they go on from, a tree for each file."""
    for name in names:
        files = [folder / GROUP / f"{name}.yaml" for folder in folders]
        found = next((file for file in files if file.is_file()), None)
        if found is None:  # it comes from a package, say
            continue
        tree = yaml.safe_load(found.read_text(encoding="utf-8")) or {}
        before = [one for one in tree.pop("defaults", None) or [] if isinstance(one, str) and one != "_self_"]
        yield from _bodies(before, folders)
        yield tree


def _part(tree: Any, place: str) -> Any:
    for name in place.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _strip(config: DictConfig, place: str, body: Any, typed: Sequence[str]) -> None:
    """Take out of the node at a place what stands in the body too, is no setting of its object, and was not typed."""
    node = OmegaConf.select(config, place)
    if not isinstance(node, DictConfig) or not isinstance(body, Mapping):
        return
    for key in [key for key in body if key in node]:
        own, child = f"{place}.{key}", node._get_node(key)
        if place in COLLECTIONS or (own in COLLECTIONS and _has(node, place, key)):
            _strip(config, own, body[key], typed)
            empty = isinstance(child, DictConfig) and not len(child) and place in COLLECTIONS
        else:
            empty = not _has(node, place, key) and not any(_meet(own, word) for word in typed)
        if empty:
            with open_dict(node):
                del node[key]
    if not len(node) and "." not in place:  # of an option that is no object, or of stages that are gone
        with open_dict(config):
            config[place] = None


def _has(node: DictConfig, place: str, key: str) -> bool:
    """Whether the object of a node has a setting; what is no object here is left to be refused where it is built."""
    if "_target_" not in node:
        return False
    try:
        return takes(place, node["_target_"], key)
    except InputError:
        return True


def _meet(one: str, other: str) -> bool:
    """One of two places of the config is the other, or lies in it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
