"""The trackers that a run asks for, as one."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._extras import needed
from ._metrics import Metrics
from ._tensorboard import TensorBoard
from ._tracker import Tracker, Trackers
from ._wandb import WandB


def tracking(
    folder: Path,
    *,
    after: int | None = None,
    tensorboard: bool = False,
    wandb: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Trackers:
    """metrics.jsonl, always, and what else is asked for.

    folder  of the run, which exists
    after   the step that a resumed run goes on from; None begins anew
    wandb   a project of Weights & Biases
    config  shown by Weights & Biases
    raises: TensorNetError as `check_trackers`
    """
    check_trackers(tensorboard=tensorboard, wandb=wandb)
    with contextlib.ExitStack() as opened:  # closes the first ones where a later one fails
        trackers: list[Tracker] = [opened.enter_context(Metrics.resumed(folder, -1 if after is None else after))]
        if tensorboard:
            trackers.append(opened.enter_context(TensorBoard(folder, after)))
        if wandb is not None:
            trackers.append(opened.enter_context(WandB(folder, wandb, config or {}, after)))
        opened.pop_all()
    return Trackers(trackers)


def check_trackers(*, tensorboard: bool = False, wandb: str | None = None) -> None:
    """Before anything is trained: TensorNetError if a package is missing."""
    if tensorboard:
        needed("tensorboard", "TensorBoard")
    if wandb is not None:
        needed("wandb", "Weights & Biases")
