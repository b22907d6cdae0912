"""Padded: a weight in the upper left corner of a larger one whose sizes split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, SupportsIndex

from .._arrays import Array
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge
from .._network import Network
from .._splits import even_size
from ._registry import get, register


@register
@dataclass(frozen=True)
class Padded(Format):
    """`inner`, a format of a larger weight, cut to `size`: (out, in) or (out, in, *kernel).

    W is filled up with zeros before it is decomposed, and cut out of every result: contract, apply, pullback and lookup never
    show the padding, whatever the factors have become.

    >>> table = Padded.for_shape((30522, 384), inner="mpo", cores=3)
    >>> table.shape, table.inner.rows, table.inner.shape
    ((30522, 384), (233, 1, 131), (30523, 384))
    """

    name: ClassVar[str] = "padded"

    inner: Format
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        large, size = self.inner.shape, tuple(self.size)
        fits = (
            len(size) == len(large)
            and size[2:] == large[2:]
            and all(isinstance(s, SupportsIndex) and 0 < s <= n for s, n in zip(size, large, strict=True))
        )
        if not fits:
            raise TensorNetError(
                f"Padded: size {size} in a format of {large}, needed positive sizes (out, in) that are not larger, and "
                f"the same kernel, because the weight is a corner of the padded one; make the inner format larger"
            )
        object.__setattr__(self, "size", tuple(int(s) for s in size))

    @classmethod
    def for_shape(cls, shape: tuple[int, ...], *, inner: str = "mpo", **options: Any) -> Format:
        """The format named `inner`, made by its own for_shape with `options` for the next sizes that split evenly."""
        return padded(shape, get(inner).for_shape, options)

    @property
    def complex(self) -> bool:  # type: ignore[override]
        return self.inner.complex

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size

    @property
    def exact(self) -> bool:
        return self.inner.exact

    @property
    def iterative(self) -> bool:
        return self.inner.iterative

    @property
    def network(self) -> Network:
        return self.inner.network

    @property
    def central(self) -> int | None:
        return self.inner.central

    def resized(self, sizes: Mapping[str, int]) -> "Padded":
        return Padded(self.inner.resized(sizes), self.size)

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        return self.inner._fill(w, gauge)


def padded(
    shape: tuple[int, ...],
    make: Callable[..., Format],
    options: Mapping[str, Any],
    *,
    parts: int = 2,
    multiples: tuple[int, int] | None = None,
) -> Format:
    """make(larger, **options) for the next (out, in) that split into `parts` evenly, cut to `shape` where that is larger.

    multiples: take the next multiples of those instead
    options: where there is a `scale` among them, it stays a share of this weight's parameters, the padding not counted
    """
    if multiples is None:
        larger = tuple(even_size(n, parts) for n in shape[:2])
    else:
        larger = tuple(-(-n // m) * m for n, m in zip(shape[:2], multiples, strict=True))
    larger = (*larger, *shape[2:])
    if options.get("scale") is not None:
        options = {**options, "scale": options["scale"] * prod(shape) / prod(larger)}
    inner = make(larger, **options)
    return inner if inner.shape == tuple(shape) else Padded(inner, tuple(shape))
