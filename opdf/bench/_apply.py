"""Whether `apply` takes the quicker way: a grid of shapes, ranks and batches, both ways timed in one run."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tensornet import MPO, Format, LowRank
from tensornet._contract import contract
from tensornet.cost import Candidate

from ._contract import LIBRARIES
from ._libraries import installed
from ._threads import THREADS, threads
from ._timing import best_of_rounds

SHAPES = ((256, 256), (512, 1024), (768, 768), (768, 3072), (3072, 768))
BATCHES = (1, 8, 64, 256, 1024)
RANKS = (8, 32, 128, 512)
WITHIN = 1.10
SHARE = 0.95


@dataclass(frozen=True)
class Case:
    """One cell of the grid: seconds of each way over those of the quickest, and which way was taken."""

    format: str
    shape: tuple[int, int]
    batch: int
    taken: str
    ratios: dict[str, float]

    @property
    def good(self) -> bool:
        return self.ratios[self.taken] <= WITHIN


@dataclass(frozen=True)
class ApplyRow:
    """The share of a grid on which the way taken is within 10 % of the quicker one, and the worst case; beside it, the
    shares of somebody who always takes the one way or the other.
    """

    library: str
    threads: int
    cases: int
    share: float
    dense: float
    factored: float
    worst: float
    worst_case: str

    @property
    def holds(self) -> bool:
        return self.share >= SHARE

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def summary(library: str, threads: int, cases: list[Case]) -> ApplyRow:
    """One row of a whole grid."""
    worst = max(cases, key=lambda c: c.ratios[c.taken])
    where = f"{worst.format} {worst.shape[0]}×{worst.shape[1]}, batch {worst.batch}: {worst.taken}"
    share, dense, factored = (
        sum(c.ratios.get(way or c.taken, 1.0) <= WITHIN for c in cases) / len(cases)
        for way in (None, "dense", "factored")
    )
    return ApplyRow(library, threads, len(cases), share, dense, factored, worst.ratios[worst.taken], where)


def formats(shape: tuple[int, int]) -> dict[str, Format]:
    """Pairs of four ranks, and MPOs of two layouts with two ranks each."""
    return {
        **{f"pair {r}": LowRank(*shape, min(r, *shape)) for r in RANKS},
        **{f"MPO {r}": MPO.for_shape(shape, cores=3, rank=r) for r in RANKS[:2]},
        **{f"spread MPO {r}": MPO.for_shape(shape, cores=4, layout="even", rank=r) for r in RANKS[1:3]},
    }


def grids(
    shapes: Sequence[tuple[int, int]] = SHAPES, batches: Sequence[int] = BATCHES, at_least: float = 0.03
) -> Iterator[ApplyRow]:
    """One row for each library and number of threads, float32, no gradients."""
    for library, xp in installed(*LIBRARIES):
        for number in THREADS:
            with threads(number):
                yield summary(library, number, list(grid(xp, shapes, batches, at_least)))


def grid(xp: Any, shapes: Sequence[tuple[int, int]], batches: Sequence[int], at_least: float = 0.03) -> Iterator[Case]:
    """All cells in one library."""
    for shape in shapes:
        for name, fmt in formats(shape).items():
            for batch in batches:
                yield _case(xp, name, fmt, batch, at_least)


def _case(xp: Any, name: str, fmt: Format, batch: int, at_least: float) -> Case:
    rng = np.random.default_rng(0)
    shapes = (*fmt.shapes, (batch, fmt.shape[1]))
    operands = [xp.asarray(rng.standard_normal(s, dtype=np.float32)) for s in shapes]
    choice = fmt.explain(batch, gradients=False)
    calls = {c.name: partial(_run, c, operands) for c in choice.candidates}
    seconds = best_of_rounds(calls, at_least=at_least)
    quickest = min(seconds.values())
    return Case(name, fmt.matrix_shape, batch, choice.chosen.name, {n: s / quickest for n, s in seconds.items()})


def _run(candidate: Candidate, operands: list[Any]) -> Any:
    x = operands[-1].reshape(candidate.path.full_shapes[-1])
    return (contract(candidate.path, [*operands[:-1], x]),)
