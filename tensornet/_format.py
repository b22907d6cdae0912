"""Format: how a weight matrix is written as factors. A subclass declares its graph and one way to fill it."""

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from array_api_compat import device

from . import _hierarchical as hierarchical
from ._arrays import Array, checked_weight, constant, filled, namespace, working_dtype
from ._cached import cached_property
from ._contract import contract, linearize, pullback, with_products
from ._coordinates import Coordinates
from ._errors import TensorNetError
from ._gauge import Gauge
from ._graph import even_deviation, is_reduced, is_tree, represents_everything
from ._lookup import check_ids, lookup, row_numbers
from ._network import Network
from ._path import Path
from .cost import Applicable
from .fitting import in_gauge, searched


class Format(Coordinates, Applicable):
    """A tensor format of a weight W (out, in), as torch.nn.Linear stores it, or (out, in, *kernel), as torch.nn.Conv2d does.

    A subclass is a frozen dataclass of hashable, JSON-able fields. It declares `network`, and `_fill` where there is a
    closed form; it may name a `central` factor. All the rest, here and in the adapters, is derived from those.

    The network contracts to a matrix (rows, cols): W with its axes after the first made one. Where that matrix is larger
    than W, W is its upper left corner and the rest is padding, which no result contains.
    """

    name: ClassVar[str]
    complex: ClassVar[bool] = True  # whether _fill takes complex weights

    @property
    @abstractmethod
    def network(self) -> Network:
        """Which factor carries which index."""

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        """Factors of w (*lead, rows, cols), a floating array of at least 32 bits, in `gauge`.

        As here: of a tree by one SVD a bond; of another graph, or of bonds larger than their factors can fill, by search,
        because a network is linear in each of its factors.
        """
        if self.iterative:
            return searched(self, w, gauge)
        return hierarchical.fill(type(self).__name__, self.network, w, gauge, self.central)

    @classmethod
    def for_shape(cls, *shape: Any, **options: Any) -> "Format":
        """The format for a matrix of `shape` (rows, cols), as plans make it; a subclass says which options it takes."""
        raise TensorNetError(
            f"{cls.__name__} has no for_shape(shape, …), by which a plan makes formats; add it as a classmethod, or give rules "
            f"that name the formats themselves"
        )

    @property
    def central(self) -> int | None:
        """The factor that alignment leaves free, or None if the format has no such factor."""
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        """(out, in) of the weight, or (out, in, *kernel)."""
        return self.network.shape

    @property
    def exact(self) -> bool:
        """Whether every weight of this shape has factors, and `decompose` finds them."""
        return not self.iterative and represents_everything(self.network)

    @property
    def iterative(self) -> bool:
        """Whether `decompose` searches, looking at values: it may miss factors that there are, and is not for jit."""
        return type(self)._fill is Format._fill and not (is_tree(self.network.unshared) and is_reduced(self.network))

    def resized(self, sizes: Mapping[str, int]) -> "Format":
        """This format with other sizes of the bonds named in `sizes`, as truncation makes it."""
        raise TensorNetError(
            f"{type(self).__name__} has no resized(sizes), by which truncation makes a smaller format; add the method, or "
            f"truncate a format that has it"
        )

    def shape_error(self, got: tuple[int, ...]) -> TensorNetError:
        """What to tell somebody who brings a weight of shape `got`."""
        return TensorNetError(
            f"{type(self).__name__}: got a weight of shape {got}, needed (…, {', '.join(map(str, self.shape))}), because the "
            f"format was made for that (out, in) weight; bring such a "
            f"weight, or make a format of yours with {type(self).__name__}.for_shape"
        )

    # ---- derived from the graph -------------------------------------------------------------------------------------

    @property
    def auxiliary(self) -> tuple[int, ...]:
        """The factors that alignment compares: all but the central one."""
        return tuple(k for k in range(len(self.shapes)) if k != self.central)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(out, features) of the weight as a matrix, its axes after the first made one."""
        return self.shape[0], math.prod([*self.shape[1:]])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each factor."""
        return self.network.shapes

    @cached_property
    def path(self) -> Path:
        """The contraction of the factors to the matrix."""
        return Path.of_matrix(self.network)

    @property
    def flops(self) -> int:
        return self.path.linearized_flops

    # ---- arrays -----------------------------------------------------------------------------------------------------

    def decompose(self, w: Array, /, *, gauge: Gauge = "balanced", check_finite: bool = True) -> tuple[Array, ...]:
        """Factors whose contraction is w.

        w: (*lead, *shape), any real float, or complex where the format takes it; 16-bit floats are decomposed in float32
        gauge: "identity" | "left" | "right" | "mixed" | Mixed(centre) | "balanced"
        check_finite: refuse NaN and Inf, which means looking at values; pass False inside jit
        returns: one array (*lead, *shape) for each of `shapes`, on the device of w, sharing no memory with it; constants
            for automatic differentiation, because gradients through an SVD are infinite at repeated singular values
        raises: TensorNetError for a wrong shape or dtype, NaN or Inf, or an unknown gauge
        """
        namespace(w)  # refuses what is no array
        if tuple(w.shape[-len(self.shape) :]) != self.shape:
            raise self.shape_error(tuple(w.shape))
        w = checked_weight(type(self).__name__, w, check_finite=check_finite, takes_complex=self.complex)
        return tuple(self._fill(self._as_matrix(w), gauge))

    def contract(self, factors: Sequence[Array], /) -> Array:
        """W (*lead, *shape) from its factors (*lead, *shapes[k])."""
        self.check_factors(factors)
        return self._as_weight(contract(self.path, factors))

    def linearize(self, factors: Sequence[Array], /) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
        """`contract`, and `pullback` as a function of dL/dW alone: the two share their products, which stay alive."""
        lead = self.check_factors(factors)
        w, pull = linearize(self.path, factors)

        def pullback(gradient: Array) -> tuple[Array, ...]:
            self._check_gradient(gradient, lead)
            return pull(self._as_matrix(gradient))

        return self._as_weight(w), pullback

    def with_products(self, factors: Sequence[Array], /) -> tuple[Array, tuple[Array, ...]]:
        """`contract`, and the products on the way to W, for a `pullback` that does not make them again."""
        self.check_factors(factors)
        w, products = with_products(self.path, factors)
        return self._as_weight(w), products

    def pullback(
        self, factors: Sequence[Array], gradient: Array, /, *, products: Sequence[Array] | None = None
    ) -> tuple[Array, ...]:
        """dL/dT_k of every factor from dL/dW (*lead, *shape); exact, because W is linear in each factor.

        lead: that of the factors; factors of one matrix take a stack of gradients too, and give a stack of each dL/dT_k
        products: of `with_products` at these factors
        complex weights: both gradients are the direction of steepest ascent, as PyTorch's are (JAX's are its conjugate)
        """
        self._check_gradient(gradient, self.check_factors(factors))
        return pullback(self.path, factors, self._as_matrix(gradient), products)

    def _as_matrix(self, w: Array) -> Array:
        """(*lead, *shape) → (*lead, rows, cols) of the network: kernel axes joined to the columns, zeros for padding."""
        lead = tuple(w.shape[: w.ndim - len(self.shape)])
        return filled(namespace(w).reshape(w, (*lead, *self.matrix_shape)), self.network.shape)

    def _as_weight(self, matrix: Array) -> Array:
        """The inverse of `_as_matrix`."""
        out, features = self.matrix_shape
        corner = matrix[..., :out, :features] if (out, features) != self.network.shape else matrix
        return namespace(matrix).reshape(corner, (*matrix.shape[:-2], *self.shape))

    def lookup(self, factors: Sequence[Array], ids: Array, /, *, check: bool = True) -> Array:
        """W[ids], as an embedding looks its rows up, without making the others.

        factors: unbatched
        ids: integers of any shape, in 0…out - 1
        check: refuse other ids, which means looking at values; pass False inside jit
        returns: (*ids.shape, *shape[1:])
        raises: TensorNetError for ids outside the table
        """
        if self.check_factors(factors):
            raise TensorNetError(
                f"{type(self).__name__}.lookup: the factors have leading batch axes, needed those of one table, because ids "
                f"would be of all of them at once; look them up one by one"
            )
        xp, shape = namespace(ids, *factors), (*ids.shape, *self.shape[1:])
        if 0 in ids.shape:
            return xp.zeros(shape, dtype=factors[0].dtype, device=device(ids))
        who = f"{type(self).__name__}.lookup"
        ids = row_numbers(who, ids)
        if check:
            check_ids(who, ids, self.shape[0])
        found = lookup(self.network, factors, xp.reshape(ids, (-1,)))
        return xp.reshape(found[:, : self.matrix_shape[1]], shape)

    def sample(self, normal: Callable[[tuple[int, ...]], Array], /, *, std: float = 1.0) -> tuple[Array, ...]:
        """Random factors whose contraction has entries of variance std², all factors with entries of one and the same size.

        normal: shape → independent standard normal entries, from the caller's own generator, e.g. torch.randn
        std: for a layer that keeps the variance of its input, in^-½
        """
        each = abs(std) ** (1 / len(self.shapes)) * even_deviation(self.network)
        return tuple(each * normal(s) for s in self.shapes)

    def regauge(self, factors: Sequence[Array], gauge: Gauge, /) -> tuple[Array, ...]:
        """The same matrix in another gauge."""
        by_bonds = gauge != "identity" and is_tree(self.network.unshared)
        if self.iterative or (by_bonds and not self.exact):
            # No second search would end at the very same matrix, nor need what is padded fit into truncated bonds again.
            self.check_factors(factors)
            xp = namespace(*factors)
            wide = [xp.astype(constant(f), working_dtype(f, xp), copy=False) for f in factors]
            return tuple(in_gauge(self, wide, gauge))
        return self.decompose(self.contract(factors), gauge=gauge, check_finite=False)

    # ---- plain data -------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `formats.from_dict` reads back."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"format": self.name, **{k: v.to_dict() if isinstance(v, Format) else v for k, v in values.items()}}


def check_is_format(who: str, fmt: Any) -> None:
    """Refuse what is no format, before its factors are taken for one."""
    if not isinstance(fmt, Format):
        raise TensorNetError(
            f"{who}: got a {type(fmt).__name__} where a Format is needed, because the format stands before its factors and "
            f"says what they are; swap the two, or pass the format they were made with"
        )
