"""Distillation methods: what the loss of a run is. Each is loaded when asked for, so that options load no framework."""

from importlib import import_module
from typing import TYPE_CHECKING

from tensornet import TensorNetError

if TYPE_CHECKING:
    from ._host import Host

_CLASSES = {
    "labels": "Labels",
    "kd": "KD",
    "theseus": "Theseus",
    "lgtm": "LGTM",
    "dbkd": "DBKD",
    "adkd": "ADKD",
}


def host(name: str) -> "type[Host]":
    """The class of a method, from the module of its name.

    raises: TensorNetError for a name that there is not
    """
    if name not in _CLASSES:
        raise TensorNetError(
            f"host: got {name!r}, needed one of {', '.join(_CLASSES)}, because each is a module of opdf.hosts; choose one"
        )
    found: type[Host] = getattr(import_module(f".{name}", __name__), _CLASSES[name])
    return found
