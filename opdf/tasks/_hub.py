"""The same tasks through Hugging Face `datasets`, which is imported here alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tensornet import TensorNetError

from . import _fashion
from ._files import check_folder
from ._glue import GLUE
from ._source import Part, Source, classes, strings


def read_hub(name: str, folder: Path | None) -> Source:
    """A task from the hub, or from a local clone of the hub's repository; a test whose labels are hidden counts as none."""
    if name == "fashion_mnist":
        data = _loaded(name, folder, "zalando-datasets/fashion_mnist")
        return Source("images", _fashion.NAMES, _fashion.METRICS, _images(data, "train"), None, _images(data, "test"))
    data = _loaded(name, folder, "nyu-mll/glue", name)
    task = GLUE[name]
    hidden = {float(label) for label in _column(data, "test", "label")} == {-1.0}
    train, dev = (_texts(name, data, split) for split in ("train", "validation"))
    return Source("text", task.label_names, task.metrics, train, dev, None if hidden else _texts(name, data, "test"))


def _loaded(name: str, folder: Path | None, repository: str, *config: str) -> Mapping[str, Any]:
    try:
        import datasets
    except ImportError:
        raise TensorNetError(
            f"{name}: hub=True, but the package datasets is not installed, needed to read from the hub; pip install "
            f"'opdf[datasets]', or take local files: hub=False and folder"
        ) from None
    place = str(check_folder(name, folder) if folder else repository)
    try:
        return datasets.load_dataset(place, *config)
    except Exception as error:  # of many kinds, from the network to the files
        raise TensorNetError(
            f"{name}: datasets cannot read {place} ({type(error).__name__}: {error}), needed the hub or a clone "
            f"of its repository; set folder to a clone of huggingface.co/datasets/{repository}, or take local files: hub=False"
        ) from error


def _column(data: Mapping[str, Any], split: str, column: str) -> list[Any]:
    if split not in data or column not in data[split].column_names:
        there = {name: list(part.column_names) for name, part in data.items()}
        raise TensorNetError(
            f"hub: no column {column!r} in a split {split!r} among {there}, needed it, because the published copy has it; "
            f"correct folder"
        )
    return list(data[split][column])


def _texts(name: str, data: Mapping[str, Any], split: str) -> Part:
    task = GLUE[name]
    labels = [str(label) for label in _column(data, split, "label")]
    inputs = tuple(strings(_column(data, split, column)) for column in task.columns)
    digits = [str(n) for n in range(len(task.label_names))]
    return Part(f"the hub's {split}", inputs, task.numbered(f"the hub's {split}", labels, digits))


def _images(data: Mapping[str, Any], split: str) -> Part:
    name = f"the hub's {split}"
    pixels = np.stack([np.asarray(image, np.uint8) for image in _column(data, split, "image")])
    labels = [str(label) for label in _column(data, split, "label")]
    return Part(name, (pixels,), classes(name, labels, [str(n) for n in range(len(_fashion.NAMES))]))
