"""Formats by name."""

from collections.abc import Mapping
from typing import Any, TypeVar

from .._errors import TensorNetError
from .._format import Format

F = TypeVar("F", bound=type[Format])

_FORMATS: dict[str, type[Format]] = {}  # filled by @register when a format's class is defined


def register(format: F) -> F:
    """Class decorator that makes a format known by its `name`. A class that is defined anew, as in the cell of a notebook,
    takes its own place.
    """
    name = getattr(format, "name", None)
    if not isinstance(name, str):
        raise TensorNetError(
            f"register: {format.__qualname__} has no name, needed a text, because files and plans refer to formats by name; "
            f'write name: ClassVar[str] = "…" in the class'
        )
    known = _FORMATS.get(name, format)
    if (known.__module__, known.__qualname__) != (format.__module__, format.__qualname__):
        raise TensorNetError(
            f"register: the name {name!r} belongs to {known.__qualname__} already; names must be unique, because files refer "
            f"to formats by name; give {format.__qualname__} another name"
        )
    _FORMATS[name] = format
    return format


def names() -> tuple[str, ...]:
    """The names of all registered formats, sorted."""
    return tuple(sorted(_FORMATS))


def get(name: str) -> type[Format]:
    """The format class called `name`."""
    if name not in _FORMATS:
        raise TensorNetError(
            f"formats: there is no format {name!r}; there are {', '.join(names())}; choose one of them, or import the module "
            f"that registers it"
        )
    return _FORMATS[name]


def from_dict(data: Mapping[str, Any]) -> Format:
    """A format from what `Format.to_dict` wrote, possibly by way of JSON."""
    fields = {k: from_dict(v) if isinstance(v, Mapping) else _tuples(v) for k, v in data.items() if k != "format"}
    cls = get(data.get("format", ""))
    try:
        return cls(**fields)
    except TypeError as error:
        raise TensorNetError(
            f"formats: {dict(data)} does not describe a {cls.__name__} ({error}); needed what {cls.__name__}.to_dict "
            f"writes; was it written by another version?"
        ) from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
