"""A network's files."""

from pathlib import Path

from torch import nn

from ..tasks import Task
from ..translation import _files
from ..translation._network import TranslationNetwork
from . import _encoders, _images
from ._folder import write_folder
from ._image import ImageNetwork


def save(model: nn.Module, folder: str | Path, task: Task) -> None:
    """A folder for `load`; of an encoder also for AutoModelForSequenceClassification, its tokenizer beside it.

    It takes the place of an older one when it is complete.
    raises: TensorNetError for a folder of something else, or where the system refuses
    """

    def write(part: Path) -> None:
        if isinstance(model, ImageNetwork):
            _images.write(model, part)
        elif isinstance(model, TranslationNetwork):
            _files.write(model, part, task.tokenizer)
        else:
            _encoders.write(model, part, task.tokenizer)  # type: ignore[arg-type]

    write_folder(Path(folder), write)
