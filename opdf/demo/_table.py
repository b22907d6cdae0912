"""The table a person reads."""

from collections.abc import Iterator

from rich.table import Table

from ..statistics import Difference, said, spread
from ._arms import ALIGNED_LEARNING_RATES, BASELINE, LEARNING_RATES, WEIGHTS
from ._network import STUDENT, TEACHER
from ._results import ArmResult, Results

HEADS = ("accuracy %", "Δ to KD [95 %]", "train", "ship", "step", "infer", "fold")
LEGEND = (
    "train, ship: parameters the optimiser held, and of the student that is shipped. step: time of a training step over "
    "KD's. infer: time of inference over the plain student's. fold: largest ‖W − contract(T)‖/‖W‖ of a shipped weight."
)


def table(results: Results) -> Table:
    """Fits 80 columns."""
    seeds = len(results.rows[0].runs)
    made = Table(title=f"Digits, {results.backend} {results.version}: test accuracy over {seeds} seeds", box=None)
    made.title_justify, made.pad_edge, made.padding = "left", False, (0, 1, 0, 0)
    made.add_column("arm", no_wrap=True)
    for head in HEADS:
        made.add_column(head, justify="right", no_wrap=True)
    made.add_row("teacher", f"{results.teacher:.1f}", "", f"{TEACHER.num_params:,}", style="dim")
    for row in results.rows:
        made.add_row(row.arm.title, *_cells(results, row))
    return made


def _cells(results: Results, row: ArmResult) -> Iterator[str]:
    yield said(spread(row.accuracies), 1)
    yield "–" if row.arm.key == BASELINE else _difference(results.difference(row))
    yield f"{row.trained:,}"
    yield f"{STUDENT.num_params:,}"
    yield f"×{row.step_time:.1f}"
    yield f"×{row.inference:.2f}"
    yield f"{row.fold_error:.0e}" if row.arm.cores else "–"


def _difference(d: Difference) -> str:
    return f"{d.mean:+.1f} [{d.mean - d.half:+.1f}, {d.mean + d.half:+.1f}]"


def remarks(results: Results) -> Iterator[str]:
    """What the table says in words, whoever wins, and how the hyper-parameters were chosen."""
    for row in results.rows:
        if row.arm.key != BASELINE:
            d = results.difference(row)
            yield f"{row.arm.title} is {d.verdict} KD ({_difference(d)} points)."
    chosen = ", ".join(
        f"{r.arm.key} lr {r.chosen.lr:g}" + (f" λ {r.chosen.weight:g}" if r.arm.gauge else "") for r in results.rows
    )
    rates, aligned, weights = (
        " ".join(f"{v:g}" for v in vs) for vs in (LEARNING_RATES, ALIGNED_LEARNING_RATES, WEIGHTS)
    )
    yield (
        f"Chosen on validation (a part of train), {results.rows[0].tried} trials for every arm, three seeds each, other seeds "
        f"than the reported ones: lr of {rates}; with alignment, lr of {aligned} × λ of {weights}. Chosen: {chosen}."
    )
    yield LEGEND
    yield (
        "Same student initialisation, data order and number of steps for every arm of a seed. The test part was looked at once "
        "for each reported student."
    )
