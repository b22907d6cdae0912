"""Names and shapes of a checkpoint's tensors, from the headers of its safetensors files: no weight is read."""

from pathlib import Path
from typing import Any

from tensornet import TensorNetError
from tensornet.files._folder import weight_files
from tensornet.files._header import LIMIT, Unreadable, parsed

Shape = tuple[int, ...]


def shapes(path: Path) -> dict[str, Shape]:
    """Tensor name → shape, in the order of the files.

    path  a .safetensors file, or a folder with model.safetensors or with shards and their index. What follows on the headers
          is not looked at: it may even be missing
    raises: TensorNetError where there are no such files, or a header is none
    """
    found: dict[str, Shape] = {}
    for file in weight_files(path, "opdf plan"):
        try:
            found |= _header(file)
        except (Unreadable, OSError) as error:
            raise TensorNetError(
                f"opdf plan: {file}: {error}; needed a safetensors file, because names and shapes stand in its header; "
                f"download or write it again"
            ) from error
    return found


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
