"""Dotted keys of a configuration, as the table [sweep] and the command line give them."""

import difflib
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from tensornet import TensorNetError

from ..distill._config import Config
from ._spec import CACHE

TAKEN = {"out": "--out", "cache": f"nothing, it is OUT/{CACHE}", "training.seed": "--seeds"}


def dotted(table: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Tables inside tables as dotted keys; TOML reads an unquoted a.b = 1 as one."""
    if not isinstance(table, Mapping):
        raise TensorNetError(
            f"opdf sweep: {table!r} in place of a table, needed dotted key = value lines, because each is put into the "
            f'configuration; write e.g. "training.lr" = [1e-4, 3e-4] below [sweep.grid]'
        )
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def check(key: str) -> None:
    """
    raises: TensorNetError for a key that no configuration has, or that the sweep itself sets
    """
    keys = [name for name, _ in dotted(_fields(Config))]
    if key not in keys:
        near = [name for name in keys if name.endswith(f".{key}")] or difflib.get_close_matches(key, keys, cutoff=0.5)
        raise TensorNetError(
            f"opdf sweep: there is no key {key!r}, needed {' or '.join(near) or 'one of a configuration'}, because a value "
            f"that is not read changes nothing, silently; correct it"
        )
    if key in TAKEN:
        raise TensorNetError(
            f"opdf sweep: {key} is set, needed another key, because the sweep sets that one for each run; remove it, and give "
            f"{TAKEN[key]}"
        )


def assignment(text: str) -> tuple[str, str]:
    """Key and value of the command line's key=value."""
    key, equals, value = text.partition("=")
    if not (key.strip() and equals):
        raise TensorNetError(
            f"opdf sweep: {text!r} assigns nothing, needed key=value, because both have to be known; write key=value"
        )
    return key.strip(), value


def value(text: str) -> Any:
    """As TOML reads it; a word without quotes is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _fields(cls: Any) -> dict[str, Any]:
    """The keys of a section, those of sections inside it as a table."""
    hints = typing.get_type_hints(cls)
    return {name: _fields(hint) if is_dataclass(hint) else hint for name, hint in hints.items()}
