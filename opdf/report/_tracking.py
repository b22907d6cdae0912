"""The trackers that a run asks for beside metrics.jsonl."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ._extras import needed
from ._tensorboard import TensorBoard
from ._tracker import Tracker
from ._wandb import WandB


def trackers(
    folder: Path,
    *,
    name: str | None = None,
    tensorboard: bool = False,
    wandb: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> list[Tracker]:
    """Each is a context, and goes on by itself with what an earlier process of the same run has reported.

    folder  of the run, which exists
    name    of the run, for Weights & Biases; None: the folder's
    wandb   a project of Weights & Biases
    config  shown by Weights & Biases
    raises: TensorNetError as `check_trackers`, and where Weights & Biases takes no run
    """
    check_trackers(tensorboard=tensorboard, wandb=wandb)
    made: list[Tracker] = []
    with ExitStack() as opened:
        if tensorboard:
            made.append(opened.enter_context(TensorBoard(folder)))
        if wandb is not None:
            made.append(opened.enter_context(WandB(folder, name or folder.name, wandb, config or {})))
        opened.pop_all()  # the first is closed only where the second fails
    return made


def check_trackers(*, tensorboard: bool = False, wandb: str | None = None) -> None:
    """Before anything is trained or written: TensorNetError if a package is missing."""
    if tensorboard:
        needed("tensorboard", "TensorBoard")
    if wandb is not None:
        needed("wandb", "Weights & Biases")
