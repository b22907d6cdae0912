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
from ._modes import beside, through
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
        mixed = self.mixed(factors)
        bent = namespace(*factors).tanh(self.mapped(factors, mixed, self.generator.order))
        return factors[-2] * bent + factors[-1], (mixed, bent)

    def pullback(
        self, factors: Sequence[Array], gradient: Array, /, *, products: Sequence[Array] | None = None
    ) -> tuple[Array, ...]:
        """With G = dL/dS:  dL/dB = G,  dL/dW = G ⊙ tanh Ŝ,  D = dL/dŜ = G ⊙ W ⊙ (1 − tanh² Ŝ), and Ŝ is multilinear."""
        self._check_gradient(gradient, self.check_factors(factors))
        mixed, bent = products or self.with_products(factors)[1]
        xp, g = namespace(*factors), gradient
        d = g * factors[-2] * (1 - bent * bent)
        maps = tuple(self._of_map(factors, mixed, d, axis) for axis in self.generator.mapped)
        return (*maps, *self._of_layers(factors, d), g * bent, xp.astype(g, factors[-1].dtype, copy=True))

    def mixed(self, factors: Sequence[Array]) -> Array:
        """M = Σ_l v_l T_l, v = W_L w: (*lead, *teacher); without lead axes where there is one T."""
        xp, like = namespace(*factors), factors[-1]
        layers = [xp.astype(t, like.dtype, copy=False) for t in self.layers]
        if self.generator.depth == 1:
            return layers[0]
        square, weights = factors[-4], factors[-3]
        v = xp.matmul(square, weights[..., None])[..., 0]
        parts = [_spread(v[..., k], t) * t for k, t in enumerate(layers)]
        return sum(parts[1:], parts[0])

    def mapped(self, factors: Sequence[Array], x: Array, axes: Sequence[int]) -> Array:
        """x ×_k W_k for each k of `axes`."""
        n, place = len(self.shape), self.generator.mapped.index
        for axis in axes:
            x = through(x, n, axis, factors[place(axis)])
        return x

    def _of_map(self, factors: Sequence[Array], mixed: Array, d: Array, axis: int) -> Array:
        """dL/dW_k = Σ (M ×_{j≠k} W_j) D over all axes but k."""
        others = [k for k in self.generator.order if k != axis]
        return beside(self.mapped(factors, mixed, others), d, len(self.shape), axis)

    def _of_layers(self, factors: Sequence[Array], d: Array) -> tuple[Array, ...]:
        """dL/dv_l = ⟨T_l, D ×_k W_kᵀ⟩,  dL/dW_L = dL/dv wᵀ,  dL/dw = W_Lᵀ dL/dv."""
        if self.generator.depth == 1:
            return ()
        xp, n = namespace(*factors), len(self.shape)
        for axis in reversed(self.generator.order):
            d = through(d, n, axis, xp.matrix_transpose(factors[self.generator.mapped.index(axis)]))
        inner = [xp.sum(xp.astype(t, d.dtype, copy=False) * d, axis=tuple(range(-n, 0))) for t in self.layers]
        dv, (square, weights) = xp.stack(inner, axis=-1), factors[-4:-2]
        return dv[..., :, None] * weights[..., None, :], xp.matmul(xp.matrix_transpose(square), dv[..., None])[..., 0]

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


def _spread(scalar: Array, like: Array) -> Array:
    """(*lead,) → (*lead, 1 … 1), to multiply a weight by."""
    return namespace(scalar).reshape(scalar, (*scalar.shape, *[1] * like.ndim))
