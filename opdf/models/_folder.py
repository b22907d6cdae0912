"""A network's folder, whole or not at all."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from tensornet import TensorNetError

from ._architecture import CONFIG


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """What `write` puts into an empty folder takes the place of `folder` when it is complete.

    raises: TensorNetError for a folder of something else than a model, or where the system refuses
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).exists():
        raise TensorNetError(
            f"save: {folder} is a folder without {CONFIG}, needed none, an empty one or that of a model, because it is "
            f"replaced as a whole; choose another one"
        )
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        write(part)
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
