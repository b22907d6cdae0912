"""Time of `contract` over the bare matrix products that its path needs, on arrays that lie ready for them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tensornet import MPO, Format, LowRank

from ._libraries import installed
from ._threads import THREADS, threads
from ._timing import best_of_rounds

BOUND = 1.3
LIBRARIES = ("numpy", "torch")
FORMATS: tuple[tuple[str, Format], ...] = (
    ("MPO 16·256·256·16", MPO((4, 4, 3, 4, 4), (4, 4, 3, 4, 4))),
    ("MPO 16·256·256·16", MPO((4, 4, 3, 4, 4), (4, 4, 12, 4, 4))),
    ("MPO, the paper's", MPO.for_shape((3072, 768), cores=5)),
    ("MPO 16·32·32·16", MPO((4, 4, 3, 4, 4), (4, 4, 3, 4, 4), (16, 32, 32, 16))),
    ("MPO 16", MPO((64, 48), (32, 24), (16,))),
    ("pair 16", LowRank(768, 768, 16)),
    ("pair 64", LowRank(3072, 768, 64)),
)


@dataclass(frozen=True)
class ContractRow:
    """Seconds of contract over those of the products alone, and over those of the products and one permutation of W.

    The second is what can be reached: of a format whose modes are spread over the cores, a product leaves W in another
    order than (out, in), and at low ranks that copy takes longer than the products.
    """

    library: str
    threads: int
    format: str
    shape: tuple[int, int]
    ratio: float
    with_copy: float

    @property
    def holds(self) -> bool:
        """Whether it is within 1.3 × of the bare products."""
        return self.ratio <= BOUND

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def contractions(
    formats: Sequence[tuple[str, Format]] = FORMATS, rounds: int = 6, at_least: float = 0.2
) -> Iterator[ContractRow]:
    """Rows for NumPy and PyTorch, float32, on one thread and on two."""
    for library, xp in installed(*LIBRARIES):
        for number in THREADS:
            for name, fmt in formats:
                with threads(number):
                    seconds = best_of_rounds(_calls(xp, fmt), rounds, at_least=at_least)
                bare, copy = seconds["products"], seconds["copy"] if fmt.path.reorders else 0.0
                ratios = (seconds["contract"] / bare, seconds["contract"] / (bare + copy))
                yield ContractRow(library, number, name, fmt.matrix_shape, *ratios)


def _calls(xp: Any, fmt: Format) -> dict[str, Callable[[], Any]]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return xp.asarray(rng.standard_normal(shape, dtype=np.float32))

    factors = [normal(*s) for s in fmt.shapes]
    pairs = [s.forward for s in fmt.path.steps]
    stacks = [(p.batch,) if p.batch > 1 else () for p in pairs]
    ready = [(normal(*b, p.rows, p.summed), normal(*b, p.summed, p.cols)) for p, b in zip(pairs, stacks, strict=True)]
    inverse = [fmt.path.order.index(k) for k in range(len(fmt.path.order))]
    product = normal(*(fmt.path.result[k] for k in inverse))
    return {
        "contract": lambda: (fmt.contract(factors),),
        "products": lambda: [xp.matmul(a, b) for a, b in ready],
        "copy": partial(_permuted, xp, product, fmt.path.order),
    }


def _permuted(xp: Any, array: Any, order: tuple[int, ...]) -> tuple[Any]:
    """The quickest that the library has for a permutation in memory."""
    if xp.__name__ == "torch":
        return (array.permute(order).contiguous(),)
    return (np.ascontiguousarray(array.transpose(order)),)
