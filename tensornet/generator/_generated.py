"""Generated: a generator over its teacher's weights. The pullback is analytic."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._arrays import Array, namespace
from .._cached import cached_property
from .._coordinates import Coordinates
from .._errors import TensorNetError
from .._gauge import Gauge
from ..files._raw import to_bytes
from ._linear import mapped, mixed, of_layers, of_maps
from ._start import STARTS, begun

if TYPE_CHECKING:
    from ._generator import Generator


@dataclass(frozen=True, eq=False, repr=False)
class Generated(Coordinates):
    """S = W ⊙ tanh(Ŝ) + B over the teacher's weights, which are constants: no factor, and never changed.

    generator  what is static about it
    layers     T_1 … T_L, each (*generator.teacher)
    begins     "teacher" or "published": see `start`
    normal     shape → independent standard normal entries, from the caller's own generator; for "published"

    Factors may have leading batch axes (*lead, …), over the same teacher.
    """

    generator: "Generator"
    layers: tuple[Array, ...]
    begins: str = "teacher"
    normal: Callable[[tuple[int, ...]], Array] | None = None

    def __post_init__(self) -> None:
        got, needed = [tuple(t.shape) for t in self.layers], [self.generator.teacher] * self.generator.depth
        if got != needed:
            raise TensorNetError(
                f"Generated: got teacher's weights of shapes {got}, needed {needed}, because the generator was made for "
                f"{', '.join(self.generator.sources)} of those; pass these, or plan for the teacher that you have"
            )
        if self.begins not in STARTS or (self.begins == "published") != (self.normal is not None):
            raise TensorNetError(
                f"Generated: start={self.begins!r} {'with' if self.normal else 'without'} random numbers, needed 'teacher' "
                f"without or 'published' with them, because that one is random; pass start='published', normal=torch.randn, say"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.generator.shape

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.generator.shapes

    @property
    def exact(self) -> bool:
        return False

    @property
    def flops(self) -> int:
        return self.generator.flops

    def start(self, w: Array, /, *, gauge: Gauge = "balanced", check_finite: bool = True) -> tuple[Array, ...]:
        """The factors that Weight Distillation begins with; of w, whose place they take, only dtype and device count.

        "teacher"    maps that select units of the teacher, w that selects the group's last layer, B = 0, and W = Ŝ/tanh Ŝ, so
                     that S = Ŝ: at equal shapes and one layer it is the teacher's weight, else a part of it; see `selected`
        "published"  W_O, W_I, W_L normal with variance 2/(t + s) (Xavier), w = 1/L, W = 1, B = 0
        raises: TensorNetError for a teacher with NaN or Inf
        """
        return begun(self, w, check_finite=check_finite)

    def decompose(self, w: Array, /, *, gauge: Gauge = "balanced", check_finite: bool = True) -> tuple[Array, ...]:
        """The start, with B ← B + w − S, so that they contract to w."""
        *rest, shift = self.start(w, check_finite=check_finite)
        return (*rest, shift + (namespace(shift, w).astype(w, shift.dtype) - self.contract([*rest, shift])))

    def contract(self, factors: Sequence[Array], /) -> Array:
        return self.with_products(factors)[0]

    def with_products(self, factors: Sequence[Array], /) -> tuple[Array, tuple[Array, ...]]:
        self.check_factors(factors)
        m = mixed(self.generator, self.layers, factors)
        bent = namespace(*factors).tanh(mapped(self.generator, factors, m, self.generator.order))
        return factors[-2] * bent + factors[-1], (m, bent)

    def pullback(
        self, factors: Sequence[Array], gradient: Array, /, *, products: Sequence[Array] | None = None
    ) -> tuple[Array, ...]:
        """With G = dL/dS:  dL/dB = G,  dL/dW = G ⊙ tanh Ŝ,  D = dL/dŜ = G ⊙ W ⊙ (1 − tanh² Ŝ), and Ŝ is multilinear."""
        self._check_gradient(gradient, self.check_factors(factors))
        m, bent = products or self.with_products(factors)[1]
        d = gradient * factors[-2] * (1 - bent * bent)
        maps = of_maps(self.generator, factors, m, d)
        shift = namespace(*factors).astype(gradient, factors[-1].dtype, copy=True)  # dL/dS stays its owner's
        return (*maps, *of_layers(self.generator, self.layers, factors, d), gradient * bent, shift)

    @cached_property
    def digest(self) -> str:
        """Of the teacher's weights, to the bit: in place of them in a checkpoint."""
        found = hashlib.sha256()
        for t in self.layers:
            found.update(to_bytes(t))
        return found.hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        return {**self.generator.to_dict(), "digest": self.digest}

    def __repr__(self) -> str:
        return f"{self.generator!r} over the teacher {self.digest}"
