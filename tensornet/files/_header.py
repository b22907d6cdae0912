"""The header of a safetensors file, checked before anything is read or allocated on its word.

8 bytes: its length n, little-endian; n bytes of JSON: name → {dtype, shape, data_offsets}, and "__metadata__": str → str;
then the data. (https://github.com/huggingface/safetensors, "Format")
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

ITEMSIZE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # the dtypes that factors have
LIMIT = 100_000_000  # bytes of JSON, as safetensors itself has it


class Unreadable(Exception):
    """What was found in a file, and what was needed, before they are told with the file's name."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: `size` bytes from byte `start`."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def size_of(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes."""
    return ITEMSIZE[dtype] * math.prod([*shape])


def write_header(tensors: Mapping[str, tuple[str, tuple[int, ...]]], metadata: Mapping[str, str]) -> bytes:
    """The header of a file that holds `tensors` (name → dtype and shape) one after the other."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, (dtype, shape) in tensors.items():
        start, end = end, end + size_of(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data is aligned
    return len(text).to_bytes(8, "little") + text


def read_header(file: BinaryIO, size: int) -> tuple[dict[str, Entry], dict[str, str]]:
    """The tensors by name and the metadata of `file` of `size` bytes; raises Unreadable."""
    start = 8 + int.from_bytes(file.read(8), "little")
    if size < 8 or start > min(size, LIMIT):
        raise Unreadable(f"its {size} bytes do not hold the header of {start - 8} bytes that its first 8 announce")
    entries = parsed(file.read(start - 8), "the header")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise Unreadable("the metadata of its header are not texts by name")
    tensors = {name: _entry(name, fields, start, size) for name, fields in entries.items()}
    end = start
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].size)):
        if entry.start != end:
            raise Unreadable(f"{name!r} begins at byte {entry.start} where byte {end} follows on the tensor before")
        end += entry.size
    if end != size:
        raise Unreadable(f"its tensors end at byte {end} and the file at byte {size}")
    return tensors, metadata


def _entry(name: str, fields: Any, start: int, size: int) -> Entry:
    try:
        dtype, shape, (begin, end) = fields["dtype"], tuple(fields["shape"]), fields["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise Unreadable(f"{name!r} has no dtype, shape and two data_offsets in the header") from error
    if not isinstance(dtype, str) or dtype not in ITEMSIZE:
        raise Unreadable(f"{name!r} is of dtype {dtype!r}, not one of {', '.join(ITEMSIZE)}")
    if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
        raise Unreadable(f"{name!r} has shape {shape} and data_offsets {begin, end}, not integers from 0")
    if not begin <= end <= size - start:
        raise Unreadable(f"{name!r} leaves the file, or ends before it begins: it has the data_offsets {begin, end}")
    if end - begin != size_of(dtype, shape):
        raise Unreadable(f"{name!r} has {end - begin} bytes, not those of {dtype} {shape}")
    return Entry(dtype, shape, start + begin, end - begin)


def parsed(text: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object without repeated names, however hostile its text."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise Unreadable(f"{what} repeats a name")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, or a number without end
        raise Unreadable(f"{what} is not JSON ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not a JSON object")
    return value
