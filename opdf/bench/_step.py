"""`opdf bench --parts step`: a whole distillation step with over-parameterised weights over the same step without."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from ._empty import empty
from ._timing import best_of_rounds

CORES = 5  # the paper's L = 3
BOUNDS = {1: 1.5, 8: 1.10}  # micro-batches in a step → seconds over those of the step without OPDF
FLOOR_BOUND = 1.3


@dataclass(frozen=True)
class Size:
    """A student, its teacher and a micro-batch of `batch` × `length` tokens; the paper's: 36 weights of 6 BERT-base layers."""

    hidden: int = 768
    heads: int = 12
    layers: int = 6
    teacher_layers: int = 12
    batch: int = 32
    length: int = 128


@dataclass(frozen=True)
class StepRow:
    """One ratio of seconds, ours and the published way's, float32.

    what: "step": over the step without OPDF | "default": the same with lr_transfer | "extra": what OPDF adds, over the floor
    micro_batches: how many backward passes make a step
    least: the ratio of a step that adds the floor alone to it
    """

    what: str
    size: Size
    threads: int
    micro_batches: int
    ours: float
    published: float
    least: float
    bound: float

    @property
    def holds(self) -> bool:
        return self.ours <= self.bound

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def steps(size: Size = Size(), rounds: int = 3) -> Iterator[StepRow]:
    """Rows of one run, on all threads that PyTorch has; needs PyTorch.

    Factors begin in the identity gauge, which takes no SVD; a step costs the same in all.
    """
    import torch

    from ._encoder import Distillation, floor

    made = Distillation(size, CORES)
    plain, ours, published = made.plain(), made.ours(), made.published()

    def backward(training: Any) -> Any:
        return lambda: training.backward() or ()

    calls = {
        "plain": plain.step,
        "ours": ours.step,
        "default": made.ours(lr_transfer=True).step,
        "published": published.step,
        "floor": floor(made.plan()),
        "plain micro": backward(plain),
        "published micro": backward(published),
    }
    yield from rows(size, torch.get_num_threads(), best_of_rounds(calls, rounds))


def rows(size: Size, threads: int, seconds: Mapping[str, float]) -> Iterator[StepRow]:
    """A step of n micro-batches is one whole step and n − 1 more backward passes, of which ours are the plain model's."""
    for n, bound in BOUNDS.items():
        more, more_published = ((n - 1) * seconds[f"{way} micro"] for way in ("plain", "published"))
        plain = seconds["plain"] + more
        ours, published = seconds["ours"] + more, seconds["published"] + more_published
        least = 1 + seconds["floor"] / plain
        yield StepRow("step", size, threads, n, ours / plain, published / plain, least, bound)
    default, published, floor = (seconds[way] / seconds["plain"] for way in ("default", "published", "floor"))
    yield StepRow("default", size, threads, 1, default, published, 1 + floor, BOUNDS[1])
    ours, published = ((seconds[way] - seconds["plain"]) / seconds["floor"] for way in ("ours", "published"))
    yield StepRow("extra", size, threads, 1, ours, published, 1.0, FLOOR_BOUND)


def step_table(found: Sequence[StepRow]) -> Table:
    """One line for each ratio; "no" where it is above its bound."""
    size = found[0].size
    title = (
        f"Distillation step with OPDF, {size.layers} layers of {size.hidden} from {size.teacher_layers}, "
        f"{size.batch}×{size.length} tokens, {found[0].threads} threads, float32"
    )
    left, right = ("seconds of", "over those of"), ("ratio", "bound", "kept", "floor", "published way")
    made = empty(title, left, right)
    for r in found:
        many = "" if r.micro_batches == 1 else f", {r.micro_batches} micro-batches"
        left = {
            "step": (f"step{many}", "step without"),
            "default": ("step, lr_transfer", "step without"),
            "extra": ("what OPDF adds", "bare products and bytes"),
        }[r.what]
        kept = "yes" if r.holds else "no"
        made.add_row(*left, f"{r.ours:.2f}", f"≤ {r.bound:g}", kept, f"{r.least:.2f}", f"{r.published:.2f}")
    return made
