"""Run functions in two processes of one gloo group, one after another, and keep what each returned or raised."""

import datetime
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WORLD = 2
Scenario = Callable[[Path], Any]


def run_all(scenarios: Sequence[Scenario], folder: Path) -> dict[str, list[Any]]:
    """Name of each function → what it returned on each process; an exception is its text."""
    mp.spawn(_process, (scenarios, folder), nprocs=WORLD)
    return {s.__name__: [torch.load(folder / f"{s.__name__}.{rank}.pt") for rank in range(WORLD)] for s in scenarios}


def _process(rank: int, scenarios: Sequence[Scenario], folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'rendezvous'}",
        rank=rank,
        world_size=WORLD,
        timeout=datetime.timedelta(seconds=90),
    )
    for scenario in scenarios:
        try:
            result = scenario(folder)
        except Exception:
            result = traceback.format_exc()
        torch.save(result, folder / f"{scenario.__name__}.{rank}.pt")
        dist.barrier()
    dist.destroy_process_group()
