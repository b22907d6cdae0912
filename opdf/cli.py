"""The command line. Each command imports what it needs when it runs, so that --help is quick."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from tensornet import TensorNetError


def demo(
    backend: Literal["torch", "jax"] = "torch",
    seeds: int = 10,
    steps: int = 500,
    out: Path = Path("runs/demo"),
    workers: int = 2,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Distil a small student on handwritten digits in six ways, and print who wins.

    Args:
        backend: The framework to train in.
        seeds: Seeds to report; each sets the student's initialisation and the data order.
        steps: Optimiser steps of each student; a multiple of 10.
        out: Folder for summary.json, metrics.jsonl, the figure (PNG, SVG) and student.safetensors.
        workers: Processes that train side by side (PyTorch only).
        as_json: Print summary.json instead of the table.
    """
    if seeds < 1 or steps < 10 or steps % 10 or workers < 1:
        raise TensorNetError(
            f"opdf demo: seeds={seeds}, steps={steps}, workers={workers}; needed at least 1 seed and 1 worker, and steps a "
            f"multiple of 10, because the learning curve has ten points; pass such numbers"
        )
    from .demo import Settings, remarks, run, table
    from .report import Progress

    console = Console()
    with Progress() as progress:
        results = run(Settings(backend, seeds, steps, workers), out, progress)
    if as_json:
        console.print_json(json.dumps(results.summary()))
        return
    console.print(table(results))
    for line in remarks(results):
        console.print(line, style="dim")
    console.print(f"Everything is in {out} ({results.seconds:.0f} s).")


def bench(
    parts: tuple[Literal["decompose", "contract", "apply", "peers", "step", "jax_step", "inference"], ...] = (
        "decompose",
        "contract",
        "apply",
    ),
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Time decompositions, contractions, applications and training steps as ratios in one run; exits with 1 if a
    decomposition's bound breaks.

    Args:
        parts: What to time: decompositions over one SVD, contractions over their matrix products, whether apply takes
            the quicker way, the same decompositions by TensorLy, torchTT and quimb, which the extra `oracles` brings, and
            whole distillation steps of a 6-layer BERT with and without OPDF, in PyTorch (step) and compiled by JAX (jax_step),
            which take minutes and 10 GB, and factorised layers of KroneckerBERT over the dense ones.
            Where all but the first lose, their tables say so.
        as_json: Print the rows as JSON instead of the tables.
    """
    from .bench import PARTS

    rows = {part: list(PARTS[part][0]()) for part in parts}
    console = Console()
    if as_json:
        console.print_json(json.dumps({part: [r.as_dict() for r in found] for part, found in rows.items()}))
    else:
        for part, found in rows.items():
            console.print(PARTS[part][1](found))
            console.print()
    if not all(r.holds for r in rows.get("decompose", ())):
        sys.exit(1)


def plan(
    path: Annotated[Path, tyro.conf.Positional],
    rules: tuple[str, ...] = ("all-linear",),
    format: str = "mpo",
    cores: int | None = None,
    layout: str | None = None,
    rank: int | None = None,
    num_params: int | None = None,
    scale: float | None = None,
    pad: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Print what would be made of a checkpoint's weights: formats, parameters, GFLOP; or why a weight is left out. Only the
    headers of its files are read.

    Args:
        path: A folder of Hugging Face with safetensors files, or one such file.
        rules: all-linear (matrices that are no embeddings, by their names), or regular expressions for whole names.
        format: The format to take: mpo, low_rank, kronecker, …
        cores: Factors of a chain, as in MPO.for_shape.
        layout: outer or even, as in MPO.for_shape.
        rank: Cap of every bond.
        num_params: Most parameters of each weight.
        scale: Most parameters of each weight, as a share of the dense ones.
        pad: Round sizes up to such as split; the padding never shows.
        as_json: Print the plan as JSON, which tensornet.Plan.from_json reads.
    """
    from .planned import plan_of, summary

    options = {
        "cores": cores,
        "layout": layout,
        "rank": rank,
        "num_params": num_params,
        "scale": scale,
        "pad": pad or None,
    }
    made = plan_of(path, rules, format, options)
    console = Console(soft_wrap=True)
    if as_json:
        console.print(made.to_json(), highlight=False, markup=False)
        return
    console.print(f"{made}\n{summary(made)}", highlight=False, markup=False)


def distill() -> None:
    """Distil a student as CONFIG.toml says: `opdf distill CONFIG.toml`, every value a flag too; `opdf distill --help`."""


def sweep() -> None:
    """Distil in several ways, over a grid and seeds, and compare: `opdf sweep CONFIG.toml`; `opdf sweep --help`."""


def main() -> None:
    """Entry point of `opdf`; bad input is one line and exit status 2."""
    commands: dict[str, Callable[..., Any]] = {
        "demo": demo,
        "plan": plan,
        "distill": distill,
        "sweep": sweep,
        "bench": bench,
    }
    try:
        if sys.argv[1:2] == ["distill"]:
            from .distill._command import command

            return command(sys.argv[2:])
        if sys.argv[1:2] == ["sweep"]:
            from .sweep._command import command as swept

            return swept(sys.argv[2:])
        tyro.extras.subcommand_cli_from_dict(
            commands, prog="opdf", description="Over-parameterise, distil, ship the dense student."
        )
    except TensorNetError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", highlight=False, markup=False)
        sys.exit(2)
