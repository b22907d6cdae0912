"""`opdf bench --parts peers`: decompositions of the same weight by TensorLy, torchTT, quimb and us, in turns in one run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from rich.table import Table

from tensornet import MPO

from ._empty import empty
from ._peer_calls import Peer, error, others, ours
from ._threads import THREADS
from ._threads import threads as limited
from ._timing import best_of_rounds

SHAPES = (
    MPO(rows=(4, 4, 3, 4, 4), cols=(4, 4, 3, 4, 4)),  # 768 × 768, bonds 16, 256, 256, 16
    MPO(rows=(4, 4, 3, 4, 4), cols=(4, 4, 12, 4, 4)),  # 768 × 3072, the same bonds
    MPO(rows=(8, 8, 8), cols=(8, 8, 8)),  # 512 × 512, bonds 64, 64
)
ROUNDS = 5
ROUNDOFF = 3e-6  # relative, float32: errors below it are equal
SLACK = 1.001  # of a truncation error, which differs with the order of the cuts


@dataclass(frozen=True)
class PeerRow:
    """One task on one shape: seconds of the peer over ours, and the relative error and parameters of both.

    task: "lossless": factors of W | "isometries": orthogonal ones | "max_bond" | "eps"
    """

    threads: int
    peer: str
    task: str
    shape: tuple[int, ...]
    ratio: float
    our_error: float
    their_error: float
    our_params: int
    their_params: int

    @property
    def equal(self) -> bool:
        """Whether we did the same work: no larger an error, or for "eps", where both keep it, no more parameters."""
        if self.task == "eps":
            return self.our_params <= self.their_params
        return self.our_error <= max(ROUNDOFF, SLACK * self.their_error)

    @property
    def faster(self) -> bool:
        return self.ratio > 1 and self.equal

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "equal": self.equal, "faster": self.faster}


def peers(shapes: Sequence[MPO] = SHAPES, threads: Sequence[int] = THREADS, rounds: int = ROUNDS) -> list[PeerRow]:
    """Rows for every number of threads, shape, task and peer; float32.

    raises: ModuleNotFoundError naming the peer that is missing; `pip install 'opdf[oracles]'` brings them all
    """
    libraries = others()
    return [row for n in threads for fmt in shapes for row in _rows(n, fmt, libraries, rounds)]


def peer_table(rows: Sequence[PeerRow]) -> Table:
    """One line for each row; "faster" says no wherever we lose."""
    left, right = (
        ("threads", "shape", "task", "peer"),
        ("× ours", "our error", "their error", "params ours/theirs", "faster"),
    )
    made = empty("Decomposition against others, float32: their time over ours", left, right)
    for r in rows:
        shape, params = f"{r.shape[0]}×{r.shape[1]}", f"{r.our_params / r.their_params:.2f}"
        says = "yes" if r.faster else "no" if r.equal else "no: unequal"
        errors = (f"{r.our_error:.1e}", f"{r.their_error:.1e}")
        made.add_row(str(r.threads), shape, r.task, r.peer, f"{r.ratio:.2f}", *errors, params, says)
    return made


def _rows(threads: int, fmt: MPO, libraries: Sequence[Peer], rounds: int) -> Iterator[PeerRow]:
    for task, call in ours().items():
        dense = full_spectrum(fmt) if task in ("lossless", "isometries") else decaying_spectrum(fmt)
        able = [peer for peer in libraries if task in peer.calls]
        arrays = {library: _array(library, dense) for library in {p.library for p in able}}
        calls: dict[str, Callable[[], Any]] = {lib: partial(call, fmt, w) for lib, w in arrays.items()}
        calls |= {p.name: partial(p.calls[task], fmt, arrays[p.library]) for p in able}
        with limited(threads):
            seconds = best_of_rounds(calls, rounds)
        made = {name: c() for name, c in calls.items()}
        errors = {name: error(fmt, dense, factors) for name, factors in made.items()}
        params = {name: sum(int(np.prod(f.shape)) for f in factors) for name, factors in made.items()}
        for p in able:
            ratio, lib, name = seconds[p.name] / seconds[p.library], p.library, p.name
            yield PeerRow(threads, name, task, fmt.shape, ratio, errors[lib], errors[name], params[lib], params[name])


def full_spectrum(fmt: MPO) -> np.ndarray[Any, Any]:
    """Independent normal entries: every bond is full."""
    return np.random.default_rng(0).standard_normal(fmt.shape, dtype=np.float32)


def decaying_spectrum(fmt: MPO) -> np.ndarray[Any, Any]:
    """A weight that is worth truncating: random factors with entries that fall as 1/k along every bond."""
    rng = np.random.default_rng(0)
    falling = [1 / np.arange(1, shape[-1] + 1) for shape in fmt.shapes]
    w = fmt.contract([rng.standard_normal(s) * f for s, f in zip(fmt.shapes, falling, strict=True)])
    return (w / np.linalg.norm(w)).astype(np.float32)


def _array(library: str, dense: np.ndarray[Any, Any]) -> Any:
    if library == "numpy":
        return dense
    import torch

    return torch.tensor(dense)
