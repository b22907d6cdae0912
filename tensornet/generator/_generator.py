"""Generator: which weights of a teacher a student's weight is generated from, and through which maps. No array is seen."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._arrays import Array
from .._errors import TensorNetError
from ._generated import Generated

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Generator:
    """The parameter generator of Weight Distillation (Lin et al., ACL 2021, arXiv 2009.09152), for one weight S.

        S = W ⊙ tanh(Ŝ) + B,    Ŝ = (Σ_l v_l T_l) ×₁ W_O ×₂ W_I,    v = W_L w

    from the weights T_1 … T_L of a group of the teacher's layers, which stay as they are. Trained are

        W_O (O_t, O_s), W_I (I_t, I_s)   a map for each axis of `mapped`
        W_L (L, L), w (L,)               where there is more than one T: with w, the paper's W_L (L, 1), as its code has it
        W, B (*shape)                    a scale and a shift of each entry

    sources  names of T_1 … T_L
    teacher  the shape that each T has
    shape    of S
    mapped   axes with a map; along the others teacher and student are of one size. A vector has one axis; an embedding,
             whose rows are words, has no W_O; without maps and with one T it is the elementwise form S = W ⊙ tanh(T) + B
    widths   of a head in teacher and student, for the teacher-informed start; see `selected`
    table    whether rows are words, say: then the columns are written to the residual stream, not read from it
    """

    name: ClassVar[str] = "generator"

    sources: tuple[str, ...]
    teacher: Shape
    shape: Shape
    mapped: tuple[int, ...] = ()
    widths: tuple[int, int] = (1, 1)
    table: bool = False

    def __post_init__(self) -> None:
        alike = len(self.teacher) == len(self.shape) > 0 and all(n > 0 for n in (*self.teacher, *self.shape))
        fixed = self.fixed
        if not (self.sources and alike and len(fixed) + len(self.mapped) == len(self.shape)):
            raise TensorNetError(
                f"Generator: {self.shape} from {len(self.sources)} of {self.teacher} with maps of the axes {self.mapped}, "
                f"needed one weight of the teacher or more, of as many axes as the student's, and maps of axes that there are, "
                f"because axis goes to axis; pair other weights"
            )
        if unequal := [k for k in fixed if self.teacher[k] != self.shape[k]]:
            raise TensorNetError(
                f"Generator: {self.shape} from {self.teacher} without a map of axis {unequal[0]}, needed one or equal sizes, "
                f"because an entry cannot come from one that is not there; add the axis to mapped"
            )

    @property
    def depth(self) -> int:
        """L, the number of the teacher's weights in the group."""
        return len(self.sources)

    @property
    def fixed(self) -> tuple[int, ...]:
        """The axes without a map."""
        return tuple(k for k in range(len(self.shape)) if k not in self.mapped)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of all that is trained: the maps in the order of `mapped`, then W_L and w, then W and B."""
        maps = tuple((self.teacher[k], self.shape[k]) for k in self.mapped)
        layers = ((self.depth, self.depth), (self.depth,)) if self.depth > 1 else ()
        return (*maps, *layers, self.shape, self.shape)

    @property
    def num_params(self) -> int:
        return sum(math.prod(s) for s in self.shapes)

    @property
    def order(self) -> tuple[int, ...]:
        """The mapped axes, cheapest order first: axis k before j if 1/s_k − 1/t_k ≥ 1/s_j − 1/t_j."""
        return tuple(sorted(self.mapped, key=lambda k: 1 / self.teacher[k] - 1 / self.shape[k]))

    @property
    def flops(self) -> int:
        """Operations of a training step: generate and pull back once, a multiply-add counting two."""
        t, s = self.teacher, self.shape
        found = _products(t, s, self.order) + 8 * math.prod([*s])
        for k in self.mapped:  # dL/dW_k: M through all other maps, beside D
            found += _products(t, s, [*(j for j in self.order if j != k), k])
        if self.depth > 1:  # M, and D back through all maps, beside each T
            found += 4 * self.depth * math.prod([*t]) + _products(s, t, self.order[::-1])
        return found

    @property
    def form(self) -> str:
        """In words, for a table."""
        if not self.mapped and self.depth == 1:
            return "elementwise"
        maps = [f"{'OI'[k] if k < 2 else k} {self.teacher[k]}→{self.shape[k]}" for k in self.mapped]
        return ", ".join([*maps, *([f"L {self.depth}→1"] if self.depth > 1 else [])])

    def of(
        self,
        layers: Sequence[Array],
        start: str = "teacher",
        normal: Callable[[tuple[int, ...]], Array] | None = None,
    ) -> "Generated":
        """This generator over T_1 … T_L, each (*teacher); see `Generated`."""
        return Generated(self, tuple(layers), start, normal)

    def to_dict(self) -> dict[str, Any]:
        return {"format": self.name, **dataclasses.asdict(self)}


def _products(sizes: Shape, to: Shape, axes: Sequence[int]) -> int:
    """Operations of mode products along `axes`, one after another, each of which takes its axis to another size."""
    found, now = 0, list(sizes)
    for k in axes:
        found += 2 * math.prod(now) * to[k]
        now[k] = to[k]
    return found
