"""What the teacher says of every training example, worked out once and kept in safetensors shards."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from tensornet import TensorNetError
from tensornet.files._replace import replacing

from ..tasks import Examples

SHARD = 512  # examples in a file: a kill costs the work on one of them

Array = NDArray[Any]
Teach = Callable[[Mapping[str, Array]], Mapping[str, Array]]


class Taught:
    """Field → what was said of each example.

    A field per token has one array for each example, of its own length; any other is one array (examples, …).
    """

    def __init__(self, fields: Mapping[str, Sequence[Array] | Array], per_token: frozenset[str]) -> None:
        self.fields, self.per_token = fields, per_token

    def batch(self, rows: NDArray[np.int64], length: int) -> dict[str, Array]:
        """The fields of some examples, (b, …); per token padded with zeros to `length`."""
        return {
            name: _padded([field[n] for n in rows], length) if name in self.per_token else np.asarray(field)[rows]
            for name, field in self.fields.items()
        }


def taught(
    folder: Path,
    examples: Examples,
    teach: Teach,
    per_token: frozenset[str],
    batch_size: int,
    progress: Callable[[int, int], None],
) -> Taught:
    """Read the cache in `folder`, after what is missing of it has been worked out.

    teach  (inputs of a batch) → field → (b, …), or (b, tokens, …) of those per token
    raises: TensorNetError if the teacher says NaN or Inf; OSError where the system refuses
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for start in range(0, len(examples), SHARD):
        rows = np.arange(start, min(start + SHARD, len(examples)))
        path = folder / f"{start:08d}.safetensors"
        if not path.exists():
            _write(path, _said(examples, rows, teach, per_token, batch_size))
        shards.append(load_file(path))
        progress(int(rows[-1]) + 1, len(examples))
    joined = {name: np.concatenate([s[name] for s in shards]) for name in shards[0]}
    ends = np.cumsum(_lengths(examples))[:-1] if per_token else np.array([], np.int64)
    return Taught({n: np.split(x, ends) if n in per_token else x for n, x in joined.items()}, per_token)


def describe(folder: Path, note: Mapping[str, Any]) -> None:
    """Say beside the shards what they are of."""
    with replacing(folder / "cache.json") as file:
        file.write(json.dumps(note, indent=2).encode())


def _said(
    examples: Examples, rows: Array, teach: Teach, per_token: frozenset[str], batch_size: int
) -> dict[str, Array]:
    """Field → of all rows, joined; per token without the padding, one example after another."""
    parts: dict[str, list[Array]] = {}
    batches, back = examples.batches(rows, batch_size)
    for some in batches:
        for name, said in teach(examples.batch(some)).items():
            wrong = some[~np.isfinite(said).reshape(len(some), -1).all(1)]
            if len(wrong):
                raise TensorNetError(
                    f"opdf distill: the teacher's {name} of example {min(wrong)} of train have NaN or Inf, needed numbers, "
                    f"because the student learns from them; look at the teacher's weights and at that example"
                )
            whole = [x[:n] for x, n in zip(said, _lengths(examples)[some], strict=True)] if name in per_token else said
            parts.setdefault(name, []).extend(whole)
    joined = {name: np.concatenate if name in per_token else np.stack for name in parts}
    return {name: np.ascontiguousarray(joined[name]([found[n] for n in back])) for name, found in parts.items()}


def _lengths(examples: Examples) -> Array:
    assert examples.lengths is not None, "hosts with fields per token refuse images"
    return examples.lengths


def _write(path: Path, fields: dict[str, Array]) -> None:
    with replacing(path) as file:
        file.write(save(fields))


def _padded(arrays: Sequence[Array], length: int) -> Array:
    out = np.zeros((len(arrays), length, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return out
