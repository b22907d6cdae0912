"""`opdf bench --parts inference`: a FactorizedLinear over the nn.Linear that it stands for, in KroneckerBERT's shapes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from tensornet import Kronecker

from ._empty import empty
from ._threads import THREADS, threads
from ._timing import best_of_rounds

BOUND = 1.0
TOKENS = (1, 128, 4096)
# KroneckerBERT_21 (Tahaei et al. 2022, table 1), W = A ⊗ B with one term: A (384, 48), B (2, 16) in attention, and A (16, 2),
# B (192, 384) in the first layer of the feed-forward net, of which the second is the transpose.
LAYERS = (
    ("attention", Kronecker((384, 48), (2, 16), terms=1)),
    ("feed-forward 1", Kronecker((16, 2), (192, 384), terms=1)),
    ("feed-forward 2", Kronecker((2, 16), (384, 192), terms=1)),
)


@dataclass(frozen=True)
class InferenceRow:
    """Seconds of the factorised layer over those of the dense one; both with bias, float32, without gradients.

    error: relative distance of what the two say, in the Frobenius norm
    """

    layer: str
    shape: tuple[int, int]
    threads: int
    tokens: int
    ratio: float
    error: float

    @property
    def holds(self) -> bool:
        """Whether it is faster, and says the same."""
        return self.ratio < BOUND and self.error < 1e-5

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def inference(
    layers: Sequence[tuple[str, Kronecker]] = LAYERS, tokens: Sequence[int] = TOKENS, at_least: float = 0.5
) -> Iterator[InferenceRow]:
    """One row for each number of threads, layer and number of tokens; needs PyTorch."""
    import torch

    for number in THREADS:
        for name, fmt in layers:
            for n in tokens:
                with threads(number), torch.no_grad():
                    yield _row(name, fmt, number, n, at_least)


def inference_table(rows: Sequence[InferenceRow]) -> Table:
    """One line for each row; "lost" wherever the dense layer is as quick."""
    left, right = ("threads", "layer", "shape"), ("tokens", "× nn.Linear", f"< {BOUND:g}", "rel. difference")
    made = empty("FactorizedLinear (one Kronecker product) over nn.Linear, float32, no gradients", left, right)
    for r in rows:
        numbers = f"{r.tokens:,}", f"{r.ratio:.3f}", "kept" if r.holds else "lost", f"{r.error:.0e}"
        made.add_row(str(r.threads), r.layer, f"{r.shape[0]}×{r.shape[1]}", *numbers)
    return made


def _row(name: str, fmt: Kronecker, number: int, tokens: int, at_least: float) -> InferenceRow:
    import torch

    import tensornet_torch as tnt

    torch.manual_seed(0)
    small = tnt.FactorizedLinear(fmt)
    dense, x = tnt.dense(small), torch.randn(tokens, fmt.shape[1])
    seconds = best_of_rounds({"small": lambda: (small(x),), "dense": lambda: (dense(x),)}, at_least=at_least)
    said = dense(x)
    error = float(torch.linalg.vector_norm(small(x) - said) / torch.linalg.vector_norm(said))
    return InferenceRow(name, fmt.matrix_shape, number, tokens, seconds["small"] / seconds["dense"], error)
