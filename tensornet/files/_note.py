"""The note that makes a safetensors file one of factors: JSON under one key of its metadata.

{"version": [1, 0], "weights": {name: {"format": …, "complex": …, "checksums": […]}}}

A minor version may add keys, which older readers pass over; a major one changes what is there.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._format import Format
from ..formats import from_dict
from ._header import Unreadable, parsed

KEY = "tensornet"
VERSION = (1, 0)


@dataclass(frozen=True)
class Noted:
    """What is noted of one weight. Of a complex one, the last axis of each tensor holds real and imaginary parts."""

    fmt: Format
    complex: bool
    checksums: tuple[int, ...]


def is_name(name: object) -> bool:
    """Whether `name` is a printable text that no system takes for a path out of its folder."""
    return (
        isinstance(name, str) and name.isprintable() and "\\" not in name and not {"", ".", ".."} & {*name.split("/")}
    )


def tensor_name(name: str, k: int) -> str:
    return f"{name}.{k}"


def checksum(name: str, fmt: Format, dtype: str, shape: Sequence[int], data: memoryview) -> int:
    """CRC-32 of the data and of what they are."""
    return zlib.crc32(data, zlib.crc32(json.dumps([name, fmt.to_dict(), dtype, list(shape)]).encode()))


def write_note(weights: Mapping[str, Noted]) -> str:
    noted = {
        name: {"format": w.fmt.to_dict(), "complex": w.complex, "checksums": w.checksums} for name, w in weights.items()
    }
    return json.dumps({"version": VERSION, "weights": noted})


def read_note(metadata: Mapping[str, str]) -> dict[str, Noted]:
    """The weights by name; raises Unreadable."""
    if KEY not in metadata:
        raise Unreadable(f"its metadata have no {KEY!r}, so that it holds something else than factors and formats")
    note = parsed(metadata[KEY], "the note of its formats")
    _check_version(note.get("version"))
    weights = note.get("weights")
    if not isinstance(weights, dict):
        raise Unreadable("the note of its formats names no weights")
    return {name: _noted(name, fields) for name, fields in weights.items()}


def _check_version(version: Any) -> None:
    if not isinstance(version, list) or len(version) != 2 or not all(type(n) is int for n in version):
        raise Unreadable(f"its version is {version!r}, not two integers")
    if version[0] != VERSION[0]:
        raise Unreadable(
            f"its version is {version[0]}.{version[1]}, and this release of tensornet reads {VERSION[0]}.x"
        )


def _noted(name: str, fields: Any) -> Noted:
    if not is_name(name):
        raise Unreadable(f"{name!r} is no name of a weight")
    try:
        fmt, is_complex, checksums = fields["format"], fields["complex"], tuple(fields["checksums"])
    except (TypeError, KeyError) as error:
        raise Unreadable(f"of {name!r} no format, complex and checksums are noted") from error
    try:
        made = from_dict(fmt)
        made.shapes, made.shape  # noqa: B018  # worked out from the fields, which anybody may have written
    except Exception as error:  # whatever a format's own checks do not foresee
        raise Unreadable(f"{name!r} has a format that cannot be made ({type(error).__name__}: {error})") from error
    return Noted(made, is_complex is True, checksums)
