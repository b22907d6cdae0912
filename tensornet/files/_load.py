"""Read factors and formats, or refuse the file."""

import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

from array_api_compat import to_device

from .._arrays import Array
from .._errors import TensorNetError
from .._format import Format
from ._header import Entry, Unreadable, read_header
from ._note import KEY, Noted, checksum, read_note, tensor_name
from ._raw import from_bytes, library

T = TypeVar("T")


def load(
    path: str | os.PathLike[str], /, *, framework: Literal["numpy", "torch", "jax"] = "numpy", device: Any = None
) -> dict[str, tuple[Format, tuple[Array, ...]]]:
    """The weights of a file that `save` wrote, whichever library their factors came from.

    framework  the library that makes the arrays, on `device` (None: where it makes arrays)
    returns: name → (format, its factors), to the bit and in the order in which they were saved
    raises: TensorNetError for a file that is truncated, foreign or hostile, before anything is allocated on its word;
        for one of a later major version, or with an entry that changed; for a framework that is not there, or cannot hold
        the dtype. OSError where the system refuses
    """
    library(framework)

    def read(file: BufferedReader, size: int) -> dict[str, tuple[Format, tuple[Array, ...]]]:
        tensors, metadata = read_header(file, size)
        noted = read_note(metadata)
        entries = {name: _matched(name, w, tensors) for name, w in noted.items()}
        if tensors:
            raise Unreadable(f"{sorted(tensors)} belong to no format that is noted")
        return {
            name: (w.fmt, tuple(_factor(file, name, w, k, e, framework, device) for k, e in enumerate(entries[name])))
            for name, w in noted.items()
        }

    return _opened(path, read)


def metadata(path: str | os.PathLike[str], /) -> dict[str, str]:
    """What was given to `save` as metadata; raises as `load` does."""

    def read(file: BufferedReader, size: int) -> dict[str, str]:
        _, found = read_header(file, size)
        read_note(found)
        return {k: v for k, v in found.items() if k != KEY}

    return _opened(path, read)


def _opened(path: str | os.PathLike[str], read: Callable[[BufferedReader, int], T]) -> T:
    with Path(path).open("rb") as file:
        try:
            return read(file, os.fstat(file.fileno()).st_size)
        except Unreadable as found:
            raise TensorNetError(
                f"load: {os.fspath(path)}: {found}; needed a whole file that tensornet.save wrote, because nothing is read "
                f"from any other; copy or write it again"
            ) from found


def _matched(name: str, noted: Noted, tensors: dict[str, Entry]) -> list[Entry]:
    """The entries of the factors, taken out of `tensors`, after a comparison with what the format says of them."""
    names = [tensor_name(name, k) for k in range(len(noted.checksums))]
    if not all(n in tensors for n in names):
        raise Unreadable(f"{[n for n in names if n not in tensors]} are noted but not there")
    entries = [tensors.pop(n) for n in names]
    shapes = [e.shape for e in entries]
    if noted.complex:
        if not all(s[-1:] == (2,) and e.dtype in ("F32", "F64") for s, e in zip(shapes, entries, strict=True)):
            raise Unreadable(f"{name!r} is noted as complex, but not in real and imaginary parts")
        shapes = [s[:-1] for s in shapes]
    try:
        noted.fmt.check_factors([SimpleNamespace(shape=s) for s in shapes])
    except Exception as error:  # sizes of more digits than Python prints, say
        raise Unreadable(f"{name!r}: {error}") from error
    return entries


def _factor(
    file: BufferedReader, name: str, noted: Noted, k: int, entry: Entry, framework: str, device: Any
) -> Array:  # memory of its own: no two factors share any, and none the file
    data = bytearray(entry.size)
    file.seek(entry.start)
    file.readinto(data)
    if checksum(name, noted.fmt, entry.dtype, entry.shape, memoryview(data)) != noted.checksums[k]:
        raise Unreadable(
            f"{tensor_name(name, k)!r} or its format has changed since it was written: its checksum differs"
        )
    try:
        made = from_bytes(framework, entry, data, complex=noted.complex)
    except TensorNetError:
        raise
    except Exception as error:  # a hundred axes, say, of which a library takes fewer
        raise Unreadable(f"{tensor_name(name, k)!r} is no array of {framework} ({error})") from error
    return made if device is None else to_device(made, device)
