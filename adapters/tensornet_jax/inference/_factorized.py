"""Factorized: a pytree node in the place of a weight, with the factors for leaves."""

from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet import TensorNetError
from tensornet._lookup import check_ids, row_numbers


@final
@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Factorized:
    """A weight W that is given by its factors: leaves to every transformation, to optimisers and to checkpoints.

    factors     (*lead, *shape) for each of `format.shapes`, or what a transformation puts in their place
    format      of W (out, in) or (out, in, *kernel)
    transposed  whether the weight stands (in, out), as Flax's kernels do

    `shape` and the operators are those of the weight as it stands: x @ kernel, weight @ x, table[ids]. It is no array:
    functions of jax.numpy and jax.lax refuse it, because they would have to form W without being asked.
    """

    factors: tuple[Array, ...]
    format: tn.Format = field(metadata={"static": True})
    transposed: bool = field(default=False, metadata={"static": True})

    __array_ufunc__ = None  # x @ node of a NumPy x is ours to compute
    __iter__ = None  # no sequence of rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight as it stands, (*lead, …)."""
        lead, shape = self.factors[0].shape[: -len(self.format.shapes[0])], self.format.shape
        return (*lead, *(shape[::-1] if self.transposed else shape))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        """Of the factors."""
        return jnp.result_type(*(f.dtype for f in self.factors))

    @property
    def T(self) -> "Factorized":
        """The transpose of a matrix, of the same factors."""
        self._check_matrix("T")
        return Factorized(self.factors, self.format, not self.transposed)

    def dense(self) -> Array:
        """The weight as it stands, contracted in float32 precision whatever the default is."""
        with jax.default_matmul_precision("float32"):
            w = self.format.contract(self._arrays())
        return jnp.swapaxes(w, -1, -2) if self.transposed else w

    def apply(self, x: Any, /, *, memory: int | None = None, gradients: bool = True) -> Array:
        """x @ W.T for W (out, in), whichever way round the weight stands: by the quicker way for the rows that x has.

        x: (*lead, …, in); under vmap a row at a time is what is seen, so bring x with its rows where speed matters
        memory, gradients: as in `Format.apply`
        returns: (*lead, …, out)
        raises: TensorNetError for x of another width
        """
        return self.format.apply(self._arrays(), jnp.asarray(x), memory=memory, gradients=gradients)

    def lookup(self, ids: Any, /) -> Array:
        """Rows (*ids.shape, features) of a table; the table is never formed.

        raises: TensorNetError for ids outside 0 … rows - 1. Traced ones, whose values nobody can look at, give rows of NaN
        """
        if self.transposed or self.ndim != len(self.format.shape):
            raise TensorNetError(
                f"Factorized.lookup: the weight is {'a transpose' if self.transposed else f'a stack {self.shape}'}, needed one "
                f"table that stands (rows, features), because ids number its rows; take its T, or map over the stack"
            )
        ids = row_numbers("Factorized.lookup", jnp.asarray(ids))
        if not isinstance(ids, jax.core.Tracer):
            check_ids("Factorized.lookup", ids, self.shape[0])
            return self.format.lookup(self._arrays(), ids, check=False)
        out = (ids < 0) | (ids >= self.shape[0])
        rows = self.format.lookup(self._arrays(), jnp.where(out, 0, ids), check=False)
        return jnp.where(jnp.expand_dims(out, range(ids.ndim, rows.ndim)), jnp.nan, rows)

    def __getitem__(self, ids: Any) -> Any:
        """Rows, as `lookup`; [...] is all of it, the node itself, as NNX reads its parameters."""
        return self if ids is ... else self.lookup(ids)

    def __matmul__(self, x: Any) -> Array:
        """weight @ x for x (in,) or (…, in, n)."""
        self._check_matrix("@")
        x = jnp.asarray(x)
        return self.T._of_rows(x) if x.ndim < 2 else jnp.swapaxes(self.T._of_rows(jnp.swapaxes(x, -1, -2)), -1, -2)

    def __rmatmul__(self, x: Any) -> Array:
        """x @ weight for x (…, rows)."""
        self._check_matrix("@")
        return self._of_rows(jnp.asarray(x))

    def _of_rows(self, x: Array) -> Array:
        """x @ weight; x @ W, which no format applies, as the transpose of v ↦ v @ W.T."""
        x = x.astype(jnp.result_type(x.dtype, self.dtype))
        if self.transposed:
            return self.apply(x)
        rows, cols = self.shape
        if x.shape[-1:] != (rows,):
            raise TensorNetError(
                f"Factorized: x has {x.shape[-1] if x.ndim else 'no'} features, needed {rows}, because the weight is "
                f"{rows, cols} as it stands and x @ weight sums over its first axis; bring x (…, {rows}), or take apply(x), "
                f"which is x @ W.T"
            )
        (y,) = jax.linear_transpose(self.apply, jax.ShapeDtypeStruct((*x.shape[:-1], cols), x.dtype))(x)
        return y

    def _arrays(self) -> tuple[Array, ...]:
        return tuple(jnp.asarray(f) for f in self.factors)

    def _check_matrix(self, what: str) -> None:
        if self.ndim != 2:
            raise TensorNetError(
                f"Factorized.{what}: the weight is {self.shape}, needed a matrix, because of more axes it could mean one "
                f"thing or another; of a stack take one at a time (jax.vmap and jax.lax.scan do), of a convolution dense()"
            )

    def __repr__(self) -> str:
        return f"Factorized({self.format}{', transposed' if self.transposed else ''})"


def is_factorized(x: Any) -> bool:
    return isinstance(x, Factorized)
