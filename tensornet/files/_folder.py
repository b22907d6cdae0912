"""Where a saved model's tensors are: the safetensors files of its folder, as Transformers lays them out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._errors import TensorNetError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def weight_files(path: Path, who: str) -> list[Path]:
    """`path` itself if it is a .safetensors file; of a folder, model.safetensors or the shards that its index names.

    who: whom an error names
    raises: TensorNetError where there are none; the files are not opened, and a shard may be missing
    """
    if path.is_file() and path.suffix == ".safetensors":
        return [path]
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if not (path / INDEX).is_file():
        raise TensorNetError(
            f"{who}: {path} is {_what(path)}, needed a .safetensors file, or a folder with {WEIGHTS} or {INDEX}, because "
            f"the tensors are there; give such a path, and save a model of another kind with safe_serialization=True"
        )
    try:
        names = sorted(set(json.loads((path / INDEX).read_text())["weight_map"].values()))
        return [path / Path(name).name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TensorNetError(
            f"{who}: {path / INDEX} is no index of safetensors files ({error!r}), needed one, because it names them; "
            f"download or save it again"
        ) from error


@contextmanager
def whole(path: Path, who: str, unreadable: type[Exception]) -> Iterator[None]:
    """Reading `path`: what safetensors raises where it cannot (`unreadable`), and what the system does, says what to do."""
    try:
        yield
    except (unreadable, OSError) as error:
        raise TensorNetError(
            f"{who}: {path} cannot be read ({error}), needed a whole safetensors file, because nothing is read from half of "
            f"one; copy or download it again"
        ) from error


def _what(path: Path) -> str:
    if not path.exists():
        return "not there"
    if path.is_file():
        return f"a file {path.suffix or 'without a suffix'}"
    names = sorted(p.name for p in path.iterdir())
    return f"a folder with {', '.join(names[:8]) or 'nothing in it'}{', …' if len(names) > 8 else ''}"
