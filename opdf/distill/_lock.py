"""One process at a time in a folder; the lock goes with the process, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tensornet import TensorNetError

NAME = ".lock"


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the folder's lock.

    wait  for whoever has it, instead of refusing
    raises: TensorNetError if another process has it
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TensorNetError(
                f"opdf: {folder} is in use by another process, needed for one alone, because both would write the same files; "
                f"wait until it has ended, or take another folder"
            ) from error
        yield
