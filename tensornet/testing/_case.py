"""Case: one format in one array library and dtype, with what every law needs of it."""

import math
import random
from dataclasses import dataclass, replace
from typing import Any

from .._arrays import Array
from .._cached import cached_property
from .._errors import TensorNetError
from .._format import Format
from .._gauge import NAMES, Gauge, Mixed


@dataclass(frozen=True)
class Case:
    """fmt in the library `xp` (an array-API namespace) and `dtype`, on `device`, with its own randomness."""

    fmt: Format
    xp: Any
    dtype: Any
    device: Any = None
    seed: int = 0

    def __str__(self) -> str:
        library = self.xp.__name__.removeprefix("array_api_compat.")
        kinds = ("float32", "float64", "complex64", "complex128")
        name = next((n for n in kinds if self.dtype == getattr(self.xp, n)), self.dtype)
        return f"{self.fmt!r} on {library} {name}"

    @property
    def tolerance(self) -> float:
        """Relative, in the Frobenius norm. LAPACK's float32 SVD alone leaves 3e-7 to 2.4e-6."""
        return 1e-13 if self.xp.finfo(self.dtype).bits == 64 else 3e-6

    @property
    def is_complex(self) -> bool:
        return self.xp.isdtype(self.dtype, "complex floating")

    @property
    def real_dtype(self) -> Any:
        """The dtype of singular values and norms."""
        bits = self.xp.finfo(self.dtype).bits
        return self.xp.float64 if bits == 64 else self.xp.float32

    @property
    def is_full(self) -> bool:
        """Whether the format says that it represents every weight."""
        return self.fmt.exact

    def normal(self, *shape: int, salt: str = "") -> Array:
        """Standard normal entries, the same for every library; complex ones have both parts.

        No library's own generator: those all differ.
        """
        draw = random.Random(f"{self.seed} {salt} {shape}").gauss

        def entries(shape: tuple[int, ...]) -> list | float:
            return [entries(shape[1:]) for _ in range(shape[0])] if shape else draw(0.0, 1.0)

        if self.is_complex and not salt.startswith("part "):
            parts = (replace(self, dtype=self.real_dtype).normal(*shape, salt=f"part {n} {salt}") for n in range(2))
            real, imaginary = parts
            return (real + 1j * imaginary) / 2**0.5
        if 0 in shape:  # nested lists would lose the sizes after the zero
            return self.xp.zeros(shape, dtype=self.dtype, device=self.device)
        return self.xp.asarray(entries(shape), dtype=self.dtype, device=self.device)

    def factors(self, *lead: int, salt: str = "") -> tuple[Array, ...]:
        """Random factors of contractions of order 1: each entry is scaled by the bonds that it is summed over."""
        network = self.fmt.network
        spread = math.prod([network.size[b] for b in network.bonds]) ** (-0.5 / len(network.factors))
        random = tuple(spread * self.normal(*lead, *s, salt=f"{salt}{k}") for k, s in enumerate(self.fmt.shapes))
        return self._inside(random)

    def weight(self, salt: str = "") -> Array:
        """A random weight that the format represents exactly."""
        if self.is_full:
            return self.normal(*self.fmt.shape, salt=salt)
        return self.fmt.contract(self.factors(salt=salt))

    def _inside(self, factors: tuple[Array, ...]) -> tuple[Array, ...]:
        """`factors` with zeros wherever they would reach into the padding, so that none of their matrix is cut off."""
        network, kept = self.fmt.network, {}
        for group, size, whole in zip((network.rows, network.cols), self.fmt.matrix_shape, network.shape, strict=True):
            if size < whole:  # by the most significant digit that is more than one
                first = next(i for i in group if network.size[i] > 1)
                kept[first] = size * network.size[first] // whole
        for index, n in kept.items():
            k = next(k for k, f in enumerate(network.factors) if index in f)
            axis, shape = network.factors[k].index(index), network.shapes[k]
            mask = [1.0 if d < n else 0.0 for d in range(shape[axis])]
            along = (1,) * axis + (-1,) + (1,) * (len(shape) - axis - 1)
            zeroed = factors[k] * self.xp.reshape(self.xp.asarray(mask, dtype=self.dtype, device=self.device), along)
            factors = (*factors[:k], zeroed, *factors[k + 1 :])
        return factors

    @cached_property
    def gauges(self) -> tuple[Gauge, ...]:
        """The gauges that the format takes: what it declares as `gauges`, or those that it does not refuse.

        A refusal is a TensorNetError that speaks of the gauge; anything else is a failure. The default must be taken.
        """
        declared = getattr(self.fmt, "gauges", None)
        if declared is not None:
            return tuple(declared)
        centres = tuple(Mixed(k) for k in range(len(self.fmt.shapes)))
        candidates: tuple[Gauge, ...] = (*NAMES, *centres)
        return tuple(g for g in candidates if self._takes(g))

    def _takes(self, gauge: Gauge) -> bool:
        try:
            self.fmt.decompose(self.weight(), gauge=gauge)
        except TensorNetError as error:
            if gauge == "balanced" or "gauge" not in str(error):
                raise
            return False
        return True
