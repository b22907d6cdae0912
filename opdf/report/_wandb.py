"""Weights & Biases, online or, with WANDB_MODE=offline, into the run folder, from where `wandb sync` sends it."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from tensornet import TensorNetError
from tensornet.files._replace import replacing

from ._extras import needed
from ._tracker import Record, Tracker, scalars


@final
class WandB(Tracker):
    """A run of a project; a run folder is one run there, however often it is resumed."""

    def __init__(self, folder: Path, name: str, project: str, config: Mapping[str, Any]) -> None:
        """
        folder  of the run; W&B writes into its subfolder wandb/
        raises: TensorNetError where the package is missing, or W&B takes no run (no login, no network, a bad project's name)
        """
        wandb: Any = needed("wandb", "Weights & Biases")
        try:
            self._run = wandb.init(
                project=project,
                name=name,
                dir=str(folder),
                id=_identity(folder / "wandb" / "id"),
                resume="allow",
                config=json.loads(json.dumps(config, default=str)),
                settings=wandb.Settings(silent=True, console="off"),
            )
        except (wandb.errors.Error, ValueError, TimeoutError) as error:
            raise TensorNetError(
                f"Weights & Biases: the project {project!r} took no run ({error}); needed a project that can be written to, "
                f"because the run reports to it; log in by `wandb login`, set WANDB_MODE=offline, or leave wandb out"
            ) from error
        # not W&B's own counter, which refuses the steps that a resumed run repeats
        self._run.define_metric("*", step_metric="step")

    def log(self, record: Record) -> None:
        """Numbers by path, as in TensorBoard."""
        step = {"step": int(record["step"])} if "step" in record else {}
        self._run.log(step | dict(scalars(record)))

    def close(self) -> None:
        """Ends it; what is left, a process of W&B writes before this one exits."""
        self._run.finish()


def _identity(path: Path) -> str:
    """W&B's name of the run, kept in the run folder so that another process, or another machine, goes on with the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:  # whole or not at all: an empty one would be taken for the name ever after
            file.write(secrets.token_hex(4).encode())
    return path.read_text()
