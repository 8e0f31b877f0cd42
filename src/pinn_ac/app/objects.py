"""From a config node to the object that it describes; only what a config may name is ever imported or called."""

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import hydra
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pinn_ac.app.config_folder import options
from pinn_ac.app.wording import has_no, in_words
from pinn_ac.errors import InputError, require
from pinn_ac.kinds import KINDS as CHOSEN
from pinn_ac.kinds import Kind

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "problem": Kind("problem", "residual", "Burgers()"),
        "initial_condition": Kind("problem", "heat_flow", "Sine()"),
        **{{"network": "model"}.get(name, name): kind for name, kind in CHOSEN.items()},
    }
)
"""Group → its kind."""
COLLECTIONS = MappingProxyType({"stages": "optimizer", "tracker": "tracker", "weighting.parts": "weighting"})
"""Settings that hold several objects → the group that each of them is of."""
MARKS = ("_target_", "_partial_")
"""Keys of a node that are not settings of its object."""

_ALLOWED: ContextVar[tuple[str, ...]] = ContextVar("allowed modules", default=())


@contextmanager
def allowing(modules: Any) -> Iterator[None]:
    """Let :func:`build` make objects of these modules too, besides ours.

    A config can come from a stranger: a run's folder may have been copied from anywhere. So a `_target_` outside
    pinn_ac is refused unless its module was named by the user: by `allow=[my_module]` on the command line, or by
    the argument `allow` of `load_run`. Nothing in a config can allow anything.

    Args:
        modules: a module's name, or several; "my_package" includes "my_package.nets". None allows none.

    Raises:
        InputError: something that cannot be the name of a module.

    Example:
        >>> with allowing(["my_module"]):
        ...     allowed_modules()
        ('my_module',)
        >>> allowed_modules()
        ()
    """
    names = [modules] if isinstance(modules, str) else modules or []
    for name in names if isinstance(names, Iterable) else [modules]:
        named = isinstance(name, str) and all(part.isidentifier() for part in name.split("."))
        require(named, f"allow names {name!r}: give names of modules, such as allow=[my_module].")
    token = _ALLOWED.set(tuple(names))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def allowed_modules() -> tuple[str, ...]:
    """The modules of :func:`allowing`."""
    return _ALLOWED.get()


def build(node: DictConfig, **keywords: Any) -> Any:
    """The object that a config node describes.

    Args:
        node: a group's, or one of `stages`, with a `_target_`.
        keywords: settings that take the place of the node's.

    Raises:
        InputError: a `_target_` that is no object of this group or that is not allowed, a setting that the object
            does not have, one that is missing, or a value that it refuses.
    """
    try:
        name, plain = node._get_full_key(None), OmegaConf.to_container(node, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise InputError(in_words(error)) from error
    assert isinstance(plain, dict)
    settings = {str(key): value for key, value in plain.items()} | keywords
    _check_object(name, settings)
    try:
        return hydra.utils.instantiate(node, **keywords, _convert_="all")
    except Exception as error:  # the object's own sentence, or whatever Python makes of a value of another type
        raise _refusal(error, name, settings) from error


def has_objects(place: str) -> bool:
    """Whether an object stands at a place of the config, such as "stages.adam", or several do, as at "stages"."""
    return place in COLLECTIONS or _group(place) in KINDS


def takes(place: str, target: Any, setting: str) -> bool:
    """Whether the object that a `_target_` names at a place of the config has a setting.

    Raises:
        InputError: none that may stand there.
    """
    known, any_more = _settings(_object(place, target))
    return any_more or setting in known


def _refusal(error: Exception, name: str, settings: Mapping[str, Any]) -> InputError:
    said: BaseException | None = error
    while said is not None and not isinstance(said, InputError):
        said = said.__cause__
    if said is not None:
        return said
    own = {key: value for key, value in settings.items() if not key.startswith("_") and not isinstance(value, dict)}
    listed = ", ".join(f"{key}={value}" for key, value in own.items())
    if _is_allowed(str(settings.get("_target_"))):
        cause = error.__cause__ or error
        return InputError(f"{name} cannot be made of {listed}: {type(cause).__name__}: {cause}")
    return InputError(f"{name} cannot be made of {listed}: its file in configs/ says what each setting may be.")


def _check_object(name: str, settings: Mapping[str, Any], in_users_own: bool = False) -> None:
    """Refuse a node, and the nodes in it, whose object may not stand here or does not have just these settings.

    Args:
        name: where it stands in the config.
        settings: of the node.
        in_users_own: it is a setting of an object from a module that the user allowed.
    """
    own, needed = [key for key in settings if key not in MARKS], []
    if "_target_" in settings or _group(name) in KINDS:
        listed = ", ".join(f"{name}.{key}" for key in own)
        require(
            "_target_" in settings or not own,
            f"{name}._target_ is missing, and {listed} would set nothing: choose an option of {_group(name)}, or "
            "leave them out.",
        )
        target = _object(name, settings.get("_target_"), in_users_own)
        in_users_own = _is_allowed(str(settings.get("_target_")))
        partial = settings.get("_partial_", False)
        require(partial is False, f"{name}._partial_ is {partial}: leave it out.")
        known, any_more = _settings(target)
        unknown = [key for key in own if key not in known and (not any_more or key.startswith("_"))]
        require(not unknown, has_no(name, unknown, known, target))
        needed = [key for key, setting in known.items() if setting.default is setting.empty and key not in own]
    missing = [f"{name}.{key}" for key in (*own, *needed) if settings.get(key, MISSING) == MISSING]
    require(not missing, f"{', '.join(missing)} has no value: give it one.")
    for key in own:
        for part in _mappings(settings[key]):
            _check_object(f"{name}.{key}", part, in_users_own)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The value if it is a mapping, or the mappings in a list: Hydra looks for objects in all of them."""
    if isinstance(value, Mapping):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _mappings(part)


def _group(name: str) -> str:
    """The group whose objects may stand at a place of the config."""
    holder, _, own = name.replace("[", ".").rpartition(".")
    return COLLECTIONS.get(holder, own)


def _object(name: str, target: Any, in_users_own: bool = False) -> Any:
    """The class or the factory that `_target_` names.

    In a place for which there is no kind, a user's object may have one of ours of any kind, such as a network in a
    network.

    Raises:
        InputError: it is none that may stand here.
    """
    group = _group(name)
    kind = KINDS.get(group)
    room, _, own = str(target).rpartition(".")
    if kind is not None and room == f"pinn_ac.{kind.room}":
        now = getattr(_module(room), "RENAMED", {}).get(own)
        require(now is None, f"{name}._target_ is {target}, now {room}.{now}: write that, and no _partial_.")
    if kind is not None and room == f"pinn_ac.{kind.room}" and own in getattr(_module(room), "__all__", ()):
        found = getattr(_module(room), own)
        if _fits(found, kind):
            return found
    elif _is_allowed(str(target)):
        return _users_own(name, room, own, kind)
    elif kind is None and in_users_own and own in _ours(room):
        return getattr(_module(room), own)
    choices = options(group)
    choice = f"choose one of {', '.join(choices)} by its name" if choices else "leave it out"
    raise InputError(
        f"{name}._target_ is {target}, which is not part of pinn_ac or not of this group: {choice}, "
        "or allow the module of code that you trust, by allow=[MODULE]."
    )


def _ours(room: str) -> list[str]:
    """The names of our public classes of any kind in a room."""
    kinds = [kind for kind in KINDS.values() if room == f"pinn_ac.{kind.room}"]
    names = getattr(_module(room), "__all__", ()) if kinds else ()
    return [name for name in names if any(_fits(getattr(_module(room), name), kind) for kind in kinds)]


def _users_own(name: str, room: str, own: str, kind: Kind | None) -> Any:
    """An object that is defined in a module which the user allowed.

    What such a module merely imported is refused: `my_module.Popen` is not the user's code. In a place for which
    there is no kind, such as a setting of another object of the user's, any class may stand.
    """
    module = _module(room)
    require(
        module is not None,
        f"{name}._target_ is {room}.{own}, and there is no module {room}: it must lie in the folder that you work in "
        "or be installed.",
    )
    found = getattr(module, own, None)
    require(found is not None, f"{name}._target_ is {room}.{own}, which {room} does not define.")
    home = str(getattr(found, "__module__", ""))
    require(
        _is_allowed(f"{home}."),
        f"{name}._target_ is {room}.{own}, which is defined in {home or 'no module'}: name it there, and allow that "
        "module.",
    )
    require(
        isinstance(found, type) if kind is None else _fits(found, kind),
        f"{name}._target_ is {room}.{own}, which is "
        + ("not a class." if kind is None else f"no {_group(name)}: one has {kind.offers}."),
    )
    return found


def _is_allowed(target: str) -> bool:
    """The path of an object lies in a module that was allowed, or in a module of such a package."""
    return any(target.startswith(f"{module}.") for module in allowed_modules())


def _module(name: str) -> Any:
    """The module of that name; None if there is none. What goes wrong within it is not hidden."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):  # one that it imports itself
            raise
        return None


def _fits(found: Any, kind: Kind) -> bool:
    if getattr(found, "_is_protocol", False) or not callable(found):
        return False
    return isinstance(found, type) and any(kind.offers in vars(base) for base in found.__mro__)


def _settings(target: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """What a config may say of an object, and whether it takes any further setting.

    Flax and the run itself give the parameters that are left out.
    """
    known = dict(inspect.signature(target).parameters)
    any_more = any(setting.kind == setting.VAR_KEYWORD for setting in known.values())
    named = {key: one for key, one in known.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
    return {key: one for key, one in named.items() if key not in ("parent", "name")}, any_more
