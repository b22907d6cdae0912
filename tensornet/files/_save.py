"""Write factors and formats."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._arrays import Array
from .._errors import TensorNetError
from .._format import Format
from ..formats import from_dict
from ._header import ITEMSIZE, write_header
from ._note import KEY, Noted, checksum, is_name, tensor_name, write_note
from ._raw import dtype_of, is_complex, split, to_bytes
from ._replace import replacing


def save(
    path: str | os.PathLike[str],
    weights: Mapping[str, tuple[Format, Sequence[Array]]],
    /,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write one safetensors file, whole or not at all: to a temporary name beside it, synced, renamed.

    path      what is there is replaced
    weights   name → (format, its factors (*lead, …), of any library, contiguous or not)
    metadata  texts of yours, by name, which stand in the header as they are

    The factors are the tensors "NAME.0", "NAME.1", … for every reader of safetensors; a complex one has a last axis of two,
    real and imaginary part. Bits are kept, NaN too.
    raises: TensorNetError for a name that is none, factors of another format, a dtype that is no float, a format that is not
        registered, metadata that are no texts; OSError where the system refuses
    """
    tensors, noted = {}, {}
    for name, pair in weights.items():
        _check_pair(name, pair)
        fmt, factors = pair
        _check(name, fmt, factors)
        named = {tensor_name(name, k): factor for k, factor in enumerate(factors)}
        sums = tuple(_checksum(name, fmt, factor) for factor in factors)
        noted[name] = Noted(fmt, is_complex(factors[0]), sums)
        tensors.update(named)
    header = {name: _kind(factor) for name, factor in tensors.items()}
    order = sorted(tensors, key=lambda name: -ITEMSIZE[header[name][0]])  # stable: every tensor starts aligned
    texts = {**_checked_metadata(metadata or {}), KEY: write_note(noted)}
    with replacing(Path(path)) as file:
        file.write(write_header({name: header[name] for name in order}, texts))
        for name in order:
            file.write(to_bytes(split(tensors[name])))


def _kind(factor: Array) -> tuple[str, tuple[int, ...]]:
    return dtype_of(factor) or "", (*factor.shape, *((2,) if is_complex(factor) else ()))


def _checksum(name: str, fmt: Format, factor: Array) -> int:
    return checksum(name, fmt, *_kind(factor), to_bytes(split(factor)))


def _check_pair(name: str, pair: Any) -> None:
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Format)):
        raise TensorNetError(
            f"save: {name!r} is a {type(pair).__name__}, needed a pair (format, factors), because factors alone do not say "
            f"what they are; pass both, the format first"
        )


def _check(name: str, fmt: Format, factors: Sequence[Array]) -> None:
    if not is_name(name):
        raise TensorNetError(
            f"save: {name!r} is no name of a weight, needed a printable text without backslashes, empty parts, '.' or '..' "
            f"between slashes, because others may take it for a path; rename the weight"
        )
    fmt.check_factors(factors)
    kinds = {dtype_of(f) for f in factors}, {is_complex(f) for f in factors}
    if None in kinds[0] or len(kinds[1]) != 1:
        raise TensorNetError(
            f"save: the factors of {name} are of dtypes {[str(f.dtype) for f in factors]}, needed floats of 16 to 64 bits, or "
            f"complex numbers of those in all, because factors are such; convert them"
        )
    if from_dict(fmt.to_dict()) != fmt:
        raise TensorNetError(
            f"save: {name} has the format {fmt!r}, which its to_dict does not bring back, needed, because a file holds "
            f"nothing else of it; let all its fields be plain values"
        )


def _checked_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    wrong = [k for k, v in metadata.items() if k == KEY or not isinstance(k, str) or not isinstance(v, str)]
    if wrong:
        raise TensorNetError(
            f"save: the metadata {wrong} are not texts by a name other than {KEY!r}, needed, because a safetensors header "
            f"holds nothing else and {KEY!r} names the formats; write json.dumps of other values"
        )
    return metadata
