"""Names and shapes of a checkpoint's tensors, from the headers of its safetensors files: no weight is read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensornet import TensorNetError
from tensornet.files._header import LIMIT, Unreadable, parsed

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
EMBEDDINGS = ("wte", "wpe", "shared")  # of GPT-2 and T5, whose names do not say that they are

Shape = tuple[int, ...]


def shapes(path: Path) -> dict[str, Shape]:
    """Tensor name → shape, in the order of the files.

    path  a .safetensors file, or a folder with model.safetensors or with shards and their index. What follows on the headers
          is not looked at: it may even be missing
    raises: TensorNetError where there are no such files, or a header is none
    """
    found: dict[str, Shape] = {}
    for file in _files(path):
        try:
            found |= _header(file)
        except (Unreadable, OSError) as error:
            raise TensorNetError(
                f"opdf plan: {file}: {error}; needed a safetensors file, because names and shapes stand in its header; "
                f"download or write it again"
            ) from error
    return found


def embeddings(names: Iterable[str]) -> list[str]:
    """Those that are tables of embeddings, as far as names tell: a file does not say of which layer a matrix is."""
    return [n for n in names if any("emb" in part.lower() or part in EMBEDDINGS for part in n.split("."))]


def _files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix == ".safetensors":
        return [path]
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if not (path / INDEX).is_file():
        raise TensorNetError(
            f"opdf plan: {path} is {_what(path)}, needed a .safetensors file, or a folder with {WEIGHTS} or {INDEX}, because a "
            f"plan is made from their headers; give such a path, and save a model of another kind with safe_serialization=True"
        )
    try:
        names = sorted(set(json.loads((path / INDEX).read_text())["weight_map"].values()))
        return [path / Path(name).name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TensorNetError(
            f"opdf plan: {path / INDEX} is no index of safetensors files ({error!r}), needed one, because it names them; "
            f"download it again"
        ) from error


def _what(path: Path) -> str:
    if not path.exists():
        return "not there"
    if path.is_file():
        return f"a file {path.suffix or 'without a suffix'}"
    names = sorted(p.name for p in path.iterdir())
    return f"a folder with {', '.join(names[:8]) or 'nothing in it'}{', …' if len(names) > 8 else ''}"


def _header(path: Path) -> dict[str, Shape]:
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:  # a buffer would read on into the weights
        length = int.from_bytes(file.read(8) or b"", "little")
        if size < 8 or length > min(size - 8, LIMIT):
            raise Unreadable(f"its {size} bytes do not hold the header of {length} bytes that its first 8 announce")
        entries = parsed(file.read(length) or b"", "the header")
    return {name: _shape(name, fields) for name, fields in entries.items() if name != "__metadata__"}


def _shape(name: str, fields: Any) -> Shape:
    shape = fields.get("shape") if isinstance(fields, dict) else None
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise Unreadable(f"{name!r} has no shape in the header")
    return tuple(shape)
