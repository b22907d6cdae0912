"""A network's folder, whole or not at all."""

import shutil
import uuid
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from tensornet import TensorNetError

from ..tasks import Task
from . import _encoders, _images
from ._image import ImageNetwork


def save(model: nn.Module, folder: str | Path, task: Task) -> None:
    """A folder for `load`; of an encoder also for AutoModelForSequenceClassification, its tokenizer beside it.

    It takes the place of an older one when it is complete.
    raises: TensorNetError for a folder of something else, or where the system refuses
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _images.CONFIG).exists():
        raise TensorNetError(
            f"save: {folder} is a folder without {_images.CONFIG}, needed none, an empty one or that of a model, because it is "
            f"replaced as a whole; choose another one"
        )
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        _write(model, part, task)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except (OSError, SafetensorError) as error:
        raise TensorNetError(
            f"save: {folder} cannot be written ({error}), needed room and permission, because the model goes there; free some, "
            f"or choose another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(model: Any, folder: Path, task: Task) -> None:
    if isinstance(model, ImageNetwork):
        _images.write(model, folder)
    else:
        _encoders.write(model, folder, task.tokenizer)
