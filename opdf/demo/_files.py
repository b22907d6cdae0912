"""What the demo leaves in its folder."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from ._backend import Run
from ._network import Parameters


def write_student(parameters: Parameters, path: Path, **about: str) -> None:
    """The dense student under the plain student's own keys; `about` goes into the header."""
    _replace(path, save(parameters, metadata={"format": "pt", **about}))


def write_json(data: Any, path: Path) -> None:
    _replace(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False, default=float).encode())


def write_metrics(runs: Iterable[tuple[str, Run]], path: Path) -> None:
    """One line for each point of each learning curve."""
    lines = (
        json.dumps(
            {
                "phase": phase,
                "arm": run.job.arm,
                "seed": run.job.seed,
                "lr": run.job.lr,
                "weight": run.job.weight,
                **point,
            }
        )
        for phase, run in runs
        for point in run.curve
    )
    _replace(path, "".join(f"{line}\n" for line in lines).encode())


def _replace(path: Path, content: bytes) -> None:
    """All of it or none: written beside, synced, renamed."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
