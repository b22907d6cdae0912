"""Config ↔ TOML, strictly: a key that nobody knows is an error, and what is written is read back the same."""

import dataclasses
import difflib
import os
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import tomli_w

from tensornet import TensorNetError

from ._config import Config

SWEEP = "sweep"  # a table of the same file that `opdf sweep` reads
# What these lead to is compared by its contents, when a run goes on.
SOURCES = (
    *("task.folder", "task.tokenizer", "task.train_file", "task.dev_file", "task.test_file"),
    *("teacher.source", "student.compact"),
)
PLACES = frozenset(
    (
        "out",
        "cache",
        "tensorboard",
        "wandb",
        "training.threads",
        "training.device",
        "training.checkpoint_every",
        *SOURCES,
    )
)


def read(path: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration in a TOML file, with values put over it.

    path       paths inside the file are taken from the folder one stands in, as on the command line
    overrides  dotted key → value, e.g. {"training.lr": 1e-4}
    raises: TensorNetError for a file that is missing or no TOML, an unknown key, a value of another type
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TensorNetError(
            f"opdf: {os.fspath(path)} cannot be read ({error}); needed a configuration in TOML, because a run is what it says; "
            f"give the path of one, e.g. an examples/*.toml"
        ) from error
    table.pop(SWEEP, None)
    return parsed(table, overrides)


def parsed(table: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Config:
    """The same of a table that has been read."""
    merged = dict(table)
    for key, value in (overrides or {}).items():
        _put(merged, key.split("."), value)
    made: Config = _build(Config, merged, "")
    return made


def value_at(config: Any, key: str) -> Any:
    """The value at a dotted key."""
    for name in key.split("."):
        config = getattr(config, name)
    return config


def to_toml(config: Config) -> str:
    """All values of the configuration, those left at None out: TOML has none."""
    return tomli_w.dumps(to_dict(config))


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values by key, without None."""
    found = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {name: _plain(value) for name, value in found.items() if value is not None}


def differences(a: Config, b: Config) -> list[str]:
    """Dotted keys at which two configurations differ in what they train: where it lies and runs may change on the way."""
    return [key for key in _keys(a, "") if key not in PLACES and value_at(a, key) != value_at(b, key)]


def renamed(a: Config, b: Config) -> list[str]:
    """Dotted keys of data and models whose last parts differ: the same files may lie elsewhere."""
    return [key for key in SOURCES if _last(value_at(a, key)) != _last(value_at(b, key))]


def _last(place: Path | str | None) -> str | None:
    return None if place is None else Path(place).absolute().name


def _keys(config: Any, where: str) -> Iterator[str]:
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            yield from _keys(value, f"{where}{f.name}.")
        else:
            yield where + f.name


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _put(table: dict[str, Any], keys: list[str], value: Any) -> None:
    head, *rest = keys
    if not rest:
        table[head] = value
        return
    inner = table.get(head, {})
    table[head] = dict(inner) if isinstance(inner, Mapping) else {}
    _put(table[head], rest, value)


def _build(cls: Any, table: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    required = {f.name for f in dataclasses.fields(cls) if _has_no_default(f)}
    for key in table:
        if key not in hints:
            raise _unknown(where + key, [where + name for name in hints])
    if missing := sorted(required - table.keys()):
        raise TensorNetError(
            f"opdf: the configuration lacks {', '.join(where + name for name in missing)}, needed because nothing can be taken "
            f"in its place; add it"
        )
    return cls(**{key: _value(hints[key], value, where + key) for key, value in table.items()})


def _has_no_default(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as `hint` asks for: nothing is converted but whole numbers to floats, texts to paths, lists to tuples."""
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _build(hint, value, f"{where}.")
    if get_origin(hint) in (types.UnionType, typing.Union):
        options = [h for h in get_args(hint) if h is not type(None)]
        return None if value is None else _value(options[0], value, where)
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
    elif get_origin(hint) is tuple:
        if isinstance(value, list | tuple):
            return tuple(_value(get_args(hint)[0], item, where) for item in value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint is Path and isinstance(value, str | Path):
        return Path(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    raise TensorNetError(
        f"opdf: {where} = {value!r} is a {type(value).__name__}, needed {_said(hint)}, because it is read as that; correct it"
    )


def _said(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"a list of {get_args(hint)[0].__name__}"
    return "a table" if dataclasses.is_dataclass(hint) else f"a value of type {hint.__name__}"


def _unknown(key: str, known: list[str]) -> TensorNetError:
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    return TensorNetError(
        f"opdf: the configuration has a key {key!r} that nobody knows, needed {' or '.join(near or known)}, because a "
        f"value that is not read changes nothing, silently; correct or remove it"
    )
