"""Modes: the axes of the tensor that a weight becomes when rows and columns are split; those of a kernel are modes too."""

from abc import abstractmethod
from math import prod
from numbers import Integral

from .._arrays import Array, namespace
from .._errors import TensorNetError
from .._format import Format
from .._splits import split_evenly
from ._sizing import positive

Split = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # rows, cols and kernel


class Moded(Format):
    """A format with fields rows, cols and kernel: the weight is (Πrows, Πcols, *kernel), the tensor (*rows, *cols, *kernel)."""

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    kernel: tuple[int, ...]

    @property
    @abstractmethod
    def central(self) -> int | None: ...

    def _resolve_modes(self) -> None:
        for field in ("rows", "cols", "kernel"):
            sizes = positive(type(self).__name__, field, getattr(self, field))
            object.__setattr__(self, field, sizes)
            if not sizes and field != "kernel":
                raise TensorNetError(
                    f"{type(self).__name__}: {field}=(), needed one mode at least, because a weight has rows and columns; pass "
                    f"(1,) for a single one"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        return prod(self.rows), prod(self.cols), *self.kernel

    @property
    def modes(self) -> tuple[int, ...]:
        return self.rows + self.cols + self.kernel

    @property
    def row_indices(self) -> tuple[str, ...]:
        return tuple(f"i{k}" for k in range(len(self.rows)))

    @property
    def col_indices(self) -> tuple[str, ...]:
        """Those of the kernel are columns of the matrix too."""
        return tuple(f"j{k}" for k in range(len(self.cols))) + tuple(f"k{k}" for k in range(len(self.kernel)))

    @property
    def mode_sizes(self) -> tuple[tuple[str, int], ...]:
        return tuple(zip(self.row_indices + self.col_indices, self.modes, strict=True))

    def _tensor(self, w: Array) -> Array:
        """(*lead, rows, cols) → (*lead, *modes)."""
        return namespace(w).reshape(w, (*w.shape[:-2], *self.modes))


def split(who: str, shape: tuple[int, ...], modes: int) -> Split:
    """Rows and cols of `shape` (out, in, *kernel) as `modes` modes each."""
    if len(shape) < 2 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise TensorNetError(
            f"{who}: shape {shape}, needed (out, in) or (out, in, *kernel), positive integers, because rows and columns are "
            f"told apart; pass both"
        )
    if not (isinstance(modes, int) and modes >= 1):
        raise TensorNetError(
            f"{who}: modes={modes!r}, needed an integer of at least 1, into how many modes rows and columns are split; pass one"
        )
    out, in_, *kernel = (int(n) for n in shape)
    return split_evenly(out, modes), split_evenly(in_, modes), tuple(kernel)
